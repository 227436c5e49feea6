//! What a look showed, in the API's words.

use shoal_api::{LoginState, MediaForecast, Probe, ProfileSeen, SlotSeen};
use shoal_core::{MediaClass, Time};
use shoal_redfish::{Certificate, Discovery, Error, Kind, MediaClass as Class, Plan, Power};
use shoal_redfish::{SlotKind, SlotRef};
use shoal_store::TlsPolicy;

const DAY: i64 = 86_400;

pub(super) fn policy(policy: &TlsPolicy) -> &'static str {
    match policy {
        TlsPolicy::Ca { .. } => "ca",
        TlsPolicy::Pin { .. } => "pin",
        TlsPolicy::Insecure { .. } => "insecure",
    }
}

/// Tells the certificate of the last handshake, and warns of one that ends soon.
pub(super) fn certificate(
    probe: &mut Probe,
    shown: Option<Certificate>,
    failed: Option<&Error>,
    now: Time,
) {
    let tls = &mut probe.tls;
    let refused = failed.is_some_and(|error| matches!(error.kind(), Kind::Tls(_)));
    tls.accepted = shown.is_some().then_some(!refused);
    let Some(shown) = shown else { return };
    tls.sha256 = Some(shown.sha256.to_string());
    tls.key_sha256 = shown.spki_sha256.map(|key| key.to_string());
    tls.not_after = shown.not_after;
    let seconds = i64::try_from(now.as_millis() / 1000).unwrap_or(i64::MAX);
    tls.expires_in_days = shown.not_after.map(|end| end.saturating_sub(seconds).div_euclid(DAY));
    match tls.expires_in_days {
        Some(days) if days < 0 => probe.warnings.push("the BMC's certificate has ended".to_owned()),
        Some(days) if days < 30 => {
            probe.warnings.push(format!("the BMC's certificate ends in {days} days"));
        }
        _ => {}
    }
}

pub(super) fn login_failed(probe: &mut Probe, error: &Error) {
    match error.kind() {
        // A missing privilege is told by a BMC that knows us.
        Kind::Auth if error.status() == Some(403) && error.method() == "GET" => {
            probe.login.state = LoginState::Accepted;
        }
        Kind::Auth => probe.login.state = LoginState::Refused,
        Kind::LockedOut => probe.login.state = LoginState::Stopped,
        _ => {}
    }
}

pub(super) fn power(power: Power) -> &'static str {
    match power {
        Power::On => "on",
        Power::Off => "off",
        Power::TurningOn => "turning_on",
        Power::TurningOff => "turning_off",
        Power::Unknown => "unknown",
    }
}

pub(super) fn profile(discovery: &Discovery) -> ProfileSeen {
    ProfileSeen {
        name: discovery.profile.name.clone(),
        vendor: discovery.vendor.label().to_owned(),
        because: discovery.profile.reason(),
    }
}

pub(super) fn media(plan: &Plan) -> MediaForecast {
    let class = match plan.media.class {
        Class::TwoCd => MediaClass::TwoCd,
        Class::CdPlusUsb => MediaClass::CdPlusUsb,
        Class::SingleCombined => MediaClass::SingleCombined,
    };
    MediaForecast {
        class,
        boot_slot: name(&plan.media.boot_slot),
        task_slot: plan.media.task_slot.as_ref().map(name),
        boot_scheme: plan.boot_scheme.to_string(),
        task_scheme: plan.task_scheme.map(|scheme| scheme.to_string()),
        prefetches: plan.profile.media.fetches_whole,
        notes: plan.warnings.clone(),
    }
}

fn name(slot: &SlotRef) -> String {
    slot.path.rsplit('/').next().unwrap_or(&slot.path).to_owned()
}

/// Every slot, and why a plan uses it or not.
pub(super) fn slots(discovery: &Discovery, plan: Option<&Plan>) -> Vec<SlotSeen> {
    let used = |slot: &shoal_redfish::Slot| -> (Option<&str>, String) {
        if let Some(why) = &slot.rejected {
            return (None, why.clone());
        }
        let Some(plan) = plan else {
            return (None, "usable, but there is no plan".to_owned());
        };
        if plan.media.boot_slot.path == slot.path {
            let pinned = plan.profile.media.boot_slot.is_some();
            let why = if pinned {
                "the only slot this firmware boots from"
            } else {
                "the first that takes a bootable CD"
            };
            return (Some("boot"), why.to_owned());
        }
        match plan.media.task_slot.as_ref().filter(|task| task.path == slot.path) {
            Some(task) if task.kind == SlotKind::Cd => {
                (Some("task"), "the next that takes a CD".to_owned())
            }
            Some(_) => (Some("task"), "takes the task medium as a USB stick".to_owned()),
            None => (None, "not needed".to_owned()),
        }
    };
    let told = |slot: &shoal_redfish::Slot| {
        let (chosen, because) = used(slot);
        SlotSeen {
            id: slot.id.clone(),
            media_types: slot.media_types.clone(),
            image: slot.image.clone(),
            chosen: chosen.map(str::to_owned),
            because,
        }
    };
    discovery.slots.iter().map(told).collect()
}
