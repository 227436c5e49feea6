//! What a look showed, in the API's words.

use shoal_api::{
    BootSeen, LoginSeen, LoginState, MachineSeen, MediaForecast, Probe, ProfileSeen, SlotSeen,
    TlsSeen,
};
use shoal_core::MediaClass;
use shoal_redfish::{
    Discovery, Examination, LoginForm, LoginState as Login, MediaClass as Class, MediaSeen, Plan,
    Power, Role,
};
use shoal_store::TlsPolicy;

use super::{super::bmc::hardware, findings};

pub(super) fn policy(policy: &TlsPolicy) -> &'static str {
    match policy {
        TlsPolicy::Ca { .. } => "ca",
        TlsPolicy::Pin { .. } => "pin",
        TlsPolicy::Insecure { .. } => "insecure",
    }
}

/// Counts a look by what it came to.
pub(super) fn count(probe: &Probe) {
    let vendor = probe.profile.as_ref().map_or("unknown", |profile| profile.vendor.as_str());
    let result = match (probe.reachable, probe.problems.is_empty()) {
        (false, _) => "unreachable",
        (true, false) => "problems",
        (true, true) => "ready",
    };
    metrics::counter!("redfish_probes_total", "vendor" => vendor.to_owned(), "result" => result)
        .increment(1);
}

/// All of an examination but what is known of the machine from elsewhere.
pub(super) fn probe(report: &Examination) -> Probe {
    Probe {
        bmc_address: report.address.clone(),
        took_ms: report.took_ms,
        requests: report.requests,
        reachable: report.reachable,
        tls: tls(report),
        login: login(report),
        clock_ahead_seconds: report.clock_ahead_seconds,
        machine: None,
        profile: report.profile.as_ref().map(|profile| ProfileSeen {
            name: profile.name.clone(),
            vendor: profile.vendor.label().to_owned(),
            because: profile.because.clone(),
        }),
        slots: report.slots.iter().map(slot).collect(),
        media_plan: report.media_plan.as_ref().map(forecast),
        boot: report.boot.as_ref().map(|boot| BootSeen {
            strategy: boot.strategy.clone(),
            target: boot.target.clone(),
            mode: boot.mode.clone(),
        }),
        licence_hint: report.licence_hint.clone(),
        problems: report.problems.iter().map(findings::of_found).collect(),
        warnings: report.warnings.clone(),
    }
}

fn tls(report: &Examination) -> TlsSeen {
    let tls = &report.tls;
    let own = tls.chain.first();
    let name = |name: &String| Some(name.clone()).filter(|name| !name.is_empty());
    TlsSeen {
        policy: match serde_json::to_value(tls.policy) {
            Ok(serde_json::Value::String(policy)) => policy,
            _ => String::new(),
        },
        accepted: tls.accepted,
        sha256: own.map(|own| own.sha256.to_string()),
        key_sha256: own.and_then(|own| own.spki_sha256).map(|key| key.to_string()),
        subject: own.and_then(|own| name(&own.subject)),
        issuer: own.and_then(|own| name(&own.issuer)),
        names: own.map(|own| own.names.clone()).unwrap_or_default(),
        not_after: own.and_then(|own| own.not_after),
        expires_in_days: tls.expires_in_days,
    }
}

fn login(report: &Examination) -> LoginSeen {
    LoginSeen {
        state: match report.login.state {
            Login::Accepted => LoginState::Accepted,
            Login::Refused => LoginState::Refused,
            Login::Stopped => LoginState::Stopped,
            _ => LoginState::NotTried,
        },
        form: report.login.form.and_then(|form| match form {
            LoginForm::Session => Some("session".to_owned()),
            LoginForm::Basic => Some("basic".to_owned()),
            _ => None,
        }),
        refused: report.login.refused,
    }
}

/// The machine, with the words for what is recorded of it.
pub(super) fn machine(
    discovery: &Discovery,
    serial_is: Option<&str>,
    recorded: &str,
) -> MachineSeen {
    MachineSeen {
        seen: hardware(discovery),
        bmc_model: discovery.manager_model.clone(),
        serial_is: serial_is.map(str::to_owned),
        recorded: recorded.to_owned(),
        expected: None,
        power: power(discovery.power).to_owned(),
        other_systems: discovery.other_systems.iter().map(|(path, _)| path.clone()).collect(),
    }
}

fn power(power: Power) -> &'static str {
    match power {
        Power::On => "on",
        Power::Off => "off",
        Power::TurningOn => "turning_on",
        Power::TurningOff => "turning_off",
        Power::Unknown => "unknown",
    }
}

pub(super) fn media(plan: &Plan) -> MediaForecast {
    forecast(&MediaSeen::of(plan.clone()))
}

fn forecast(media: &MediaSeen) -> MediaForecast {
    let class = match media.class {
        Class::TwoCd => MediaClass::TwoCd,
        Class::CdPlusUsb => MediaClass::CdPlusUsb,
        Class::SingleCombined => MediaClass::SingleCombined,
    };
    MediaForecast {
        class,
        boot_slot: name(&media.boot_slot),
        task_slot: media.task_slot.as_deref().map(name),
        boot_scheme: media.boot_scheme.to_string(),
        task_scheme: media.task_scheme.map(|scheme| scheme.to_string()),
        prefetches: media.fetches_whole,
        notes: media.warnings.clone(),
    }
}

fn name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// A slot, and why a plan uses it or not.
fn slot(slot: &shoal_redfish::SlotSeen) -> SlotSeen {
    SlotSeen {
        id: slot.id.clone(),
        media_types: slot.media_types.clone(),
        image: slot.image.clone(),
        chosen: slot.chosen.map(|role| match role {
            Role::Boot => "boot".to_owned(),
            Role::Task => "task".to_owned(),
        }),
        because: slot.because.clone(),
    }
}
