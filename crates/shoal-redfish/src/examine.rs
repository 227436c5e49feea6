//! Looking at a BMC for an operator: reach it, read what a plan needs, plan, and explain all of it.
//! A failure on the way is a finding, not an error, because "it cannot be reached" is what was asked.

use std::time::{Instant, SystemTime};

use crate::{
    bmc::Bmc,
    discover::Discovery,
    endpoint::Tls,
    error::Error,
    examination::{
        BootSeen, Examination, Finding, InsertForm, LoginState, MachineSeen, MediaSeen,
        ProfileSeen, SlotSeen, TlsPolicy, TlsSeen,
    },
    inventory::Slot,
    kind::Kind,
    plan::{ForeignMedia, Plan, PlanRequest, Reason, Refusal, Role},
    slot::{InsertBy, SlotKind},
};

const DAY: i64 = 86_400;
/// Days before a certificate's end from which it is worth a warning.
const ENDS_SOON: i64 = 30;

/// An examination and what plans can be made from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Examined {
    /// What an operator should know.
    pub report: Examination,
    /// What the BMC is and can do; none if it could not be read.
    pub discovery: Option<Discovery>,
}

impl Bmc {
    /// Looks at the BMC without changing anything and tells what provisioning as in `request` would
    /// meet. Sends reads, and one login where no session is open; another login follows only where an
    /// answer was lost, the BMC was not ready or a token was refused, and none once the lockout guard
    /// has tripped. Bound its time with [`Bmc::within`], and log out with [`Bmc::close`] afterwards. A
    /// connection from [`Bmc::prepare`] is enough.
    pub async fn examine(&self, request: &PlanRequest) -> Examined {
        let started = Instant::now();
        let before = self.requests().total;
        let mut report = Examination::default();
        self.inner.wire.address_shown().clone_into(&mut report.address);
        let discovery = match self.look_closely(&mut report, request).await {
            Ok(discovery) => {
                report.login.state = LoginState::Accepted;
                describe(&mut report, &discovery, request);
                Some(discovery)
            }
            Err(error) => {
                report.login.state = login_after(&error);
                // A refused login proves that somebody is there.
                report.reachable |= report.login.state != LoginState::NotTried;
                report.problems.push(Finding::of_error(&error));
                None
            }
        };
        report.login.form = self.login_form().await;
        report.login.refused = self.refused_logins().await;
        report.ready = report.media_plan.is_some() && report.problems.is_empty();
        report.requests = self.requests().total - before;
        report.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Examined { report, discovery }
    }

    async fn look_closely(
        &self,
        report: &mut Examination,
        request: &PlanRequest,
    ) -> Result<Discovery, Error> {
        let reached = self.reach().await;
        report.tls = self.tls_seen(reached.as_ref().err());
        warn_of_certificate(report);
        reached?;
        report.reachable = true;
        match request.machine.as_ref().or(request.expected_serial.as_ref()) {
            Some(name) => self.discover_machine(name).await,
            None => self.discover().await,
        }
    }

    fn tls_seen(&self, failed: Option<&Error>) -> TlsSeen {
        let policy = match self.inner.wire.policy() {
            None => TlsPolicy::None,
            Some(Tls::Ca(_)) => TlsPolicy::Ca,
            Some(Tls::Pin(_)) => TlsPolicy::Pin,
            Some(Tls::Insecure { .. }) => TlsPolicy::Insecure,
        };
        let chain = self.certificates();
        let refused = failed.is_some_and(|error| matches!(error.kind(), Kind::Tls(_)));
        let own = chain.first();
        let left = own.and_then(|own| Some((own.not_after? - seconds_now()?).div_euclid(DAY)));
        TlsSeen {
            policy,
            accepted: own.is_some().then_some(!refused),
            expires_in_days: left,
            pin: own.map(|own| own.spki_sha256.unwrap_or(own.sha256)),
            chain,
        }
    }
}

fn warn_of_certificate(report: &mut Examination) {
    if report.tls.policy == TlsPolicy::None {
        report.warnings.push("the BMC is asked over plain HTTP: its password travels open".into());
    }
    if report.tls.policy == TlsPolicy::Insecure
        && let Some(pin) = report.tls.pin
    {
        report.warnings.push(format!("nobody checks the BMC's certificate; pin {pin}"));
    }
    match report.tls.expires_in_days {
        Some(days) if days < 0 => report.warnings.push("the BMC's certificate has ended".into()),
        Some(days) if days < ENDS_SOON => {
            report.warnings.push(format!("the BMC's certificate ends in {days} days"));
        }
        _ => {}
    }
}

fn login_after(error: &Error) -> LoginState {
    match error.kind() {
        // A missing privilege is told by a BMC that knows us.
        Kind::Auth if error.status() == Some(403) && error.method() == "GET" => {
            LoginState::Accepted
        }
        Kind::Auth => LoginState::Refused,
        Kind::LockedOut => LoginState::Stopped,
        _ => LoginState::NotTried,
    }
}

fn describe(report: &mut Examination, discovery: &Discovery, request: &PlanRequest) {
    report.clock_ahead_seconds = discovery.clock_ahead_seconds;
    let expected = request.expected_serial.clone();
    let expected_is = expected.as_deref().and_then(|serial| discovery.named_by(serial));
    report.machine = Some(MachineSeen {
        system: discovery.system.clone(),
        manager: discovery.managers.first().cloned(),
        manufacturer: discovery.manufacturer.clone(),
        model: discovery.model.clone(),
        bmc_model: discovery.manager_model.clone(),
        firmware: discovery.firmware.clone(),
        identity: discovery.identity.clone(),
        serial_fields: discovery.profile.identity.serial.clone(),
        expected,
        expected_is: expected_is.map(str::to_owned),
        power: discovery.power,
        other_systems: discovery.other_systems.iter().map(|(path, _)| path.clone()).collect(),
    });
    report.profile = Some(ProfileSeen {
        name: discovery.profile.name.clone(),
        vendor: discovery.vendor,
        because: discovery.profile.reason(),
    });
    report.licence_hint.clone_from(&discovery.profile.media.licence);
    let (plan, refusals) = plan_if_mended(discovery, request);
    report.problems.extend(refusals.iter().map(Finding::of_refusal));
    report.slots = discovery.slots.iter().map(|slot| slot_seen(slot, plan.as_ref())).collect();
    report.warnings.extend(discovery.diagnostics.iter().cloned());
    let Some(plan) = plan else {
        report.warnings.extend(discovery.clock_warning());
        return;
    };
    report.boot = Some(BootSeen {
        strategy: plan.boot.strategy.clone(),
        resource: plan.boot.resource.clone(),
        target: plan.boot.target.clone(),
        mode: plan.boot.mode.clone(),
    });
    report.media_plan = Some(MediaSeen::of(plan));
}

/// A refusal names the first reason only. Those which somebody could mend are therefore set aside
/// one by one, so that an operator learns all of them, and the plan behind them, at once.
fn plan_if_mended(discovery: &Discovery, request: &PlanRequest) -> (Option<Plan>, Vec<Refusal>) {
    let mut request = request.clone();
    let mut refusals = Vec::new();
    loop {
        let refusal = match discovery.plan(&request) {
            Ok(plan) => return (Some(plan), refusals),
            Err(refusal) => refusal,
        };
        let mendable = match &refusal.reason {
            Reason::WrongMachine { expected } | Reason::UnknownMachine { expected } => {
                let set_aside = |name: &mut Option<String>| {
                    name.take_if(|name| name.trim() == expected).is_some()
                };
                // One name that is both is refused once.
                set_aside(&mut request.expected_serial) | set_aside(&mut request.machine)
            }
            Reason::ForeignMedia => {
                let before = std::mem::replace(&mut request.foreign_media, ForeignMedia::Eject);
                before != ForeignMedia::Eject
            }
            _ => false,
        };
        refusals.push(refusal);
        if !mendable {
            return (None, refusals);
        }
    }
}

impl MediaSeen {
    /// A plan's media.
    pub fn of(plan: Plan) -> Self {
        Self {
            class: plan.media.class,
            boot_slot: plan.media.boot_slot.path,
            task_slot: plan.media.task_slot.map(|slot| slot.path),
            boot_scheme: plan.boot_scheme,
            task_scheme: plan.task_scheme,
            fetches_whole: plan.profile.media.fetches_whole,
            warnings: plan.warnings,
        }
    }
}

fn slot_seen(slot: &Slot, plan: Option<&Plan>) -> SlotSeen {
    let (chosen, because) = choice(slot, plan);
    SlotSeen {
        id: slot.id.clone(),
        path: slot.path.clone(),
        media_types: slot.media_types.clone(),
        insert: slot.insert.as_ref().map(|insert| match insert {
            InsertBy::Action(_) => InsertForm::Action,
            InsertBy::Patch => InsertForm::Patch,
        }),
        image: slot.image.clone(),
        chosen,
        because,
    }
}

/// Why a plan uses a slot or not.
fn choice(slot: &Slot, plan: Option<&Plan>) -> (Option<Role>, String) {
    if let Some(why) = &slot.rejected {
        return (None, why.clone());
    }
    let Some(plan) = plan else {
        return (None, "usable, but there is no plan".to_owned());
    };
    if plan.media.boot_slot.path == slot.path {
        let why = match plan.profile.media.boot_slot {
            Some(_) => "the only slot this firmware boots from",
            None => "the first that takes a bootable CD",
        };
        return (Some(Role::Boot), why.to_owned());
    }
    if let Some(task) = plan.media.task_slot.as_ref().filter(|task| task.path == slot.path) {
        let why = match task.kind {
            SlotKind::Cd => "the next that takes a CD",
            SlotKind::Usb => "takes the task medium as a USB stick",
        };
        return (Some(Role::Task), why.to_owned());
    }
    let emptied = plan.media.also_empty.iter().any(|other| other.path == slot.path);
    if plan.media.spare_slots.iter().any(|spare| spare.path == slot.path) {
        return (None, "a spare one, should a planned slot refuse its image".to_owned());
    }
    let why = match (emptied, plan.profile.media.most) {
        (true, _) => "not needed; what is in it is ejected, as the host might boot it".to_owned(),
        (false, most) if most < 2 => "this BMC holds one image at a time".to_owned(),
        _ => "not needed".to_owned(),
    };
    (None, why)
}

fn seconds_now() -> Option<i64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}
