//! Live effects: the only place where protocol types meet the engine's.
//!
//! Every command of the engine becomes calls of the Redfish client, the medium builder and the
//! store; every protocol error becomes a verdict.

mod bmc;
mod fault;
mod learned;
mod medium;
mod probe;
mod transcript;
mod turn;

use std::sync::Arc;

use shoal_core::{
    Cleaning, Command, Fault, MediaClass, MediaPlan, Power, Purpose, Seen, Sight, Verdict,
};
use shoal_engine::Effects;
use shoal_redfish::{Bmc, MediaUrl, Plan, PowerOn, Reason, Role};
use shoal_store::{Frozen, HardwareCheck, Record, Store};
use tracing::Instrument as _;

use crate::trace::{self, Trace};

pub(crate) use bmc::{Bmcs, Offered};
pub(crate) use fault::chain;
pub(crate) use learned::known as learned;
pub(crate) use medium::{Built, Making, Mediums, boot_object};
pub(crate) use probe::Looks;

use bmc::Reach;
use fault::{lost_or_refused, store_fault};
use turn::Turn;

/// Performs the engine's commands for real.
pub(crate) struct Live {
    pub(crate) store: Store,
    pub(crate) bmcs: Arc<Bmcs>,
    pub(crate) mediums: Arc<Mediums>,
    pub(crate) trace: Trace,
}

/// What a command came to before it is a verdict.
type Performed = Result<Verdict, Reach>;

impl Effects for Live {
    async fn perform(&self, record: &Record, command: Command) -> Verdict {
        let span = self.trace.phase(record, command).await;
        let performed = async {
            match command {
                Command::BuildMedium => self.build_medium(record).await,
                other => self.at_bmc(record, other).await,
            }
        };
        let performed = performed.instrument(span.clone()).await;
        let verdict = performed.unwrap_or_else(|reach| verdict(command, &reach));
        trace::answered(&span, &verdict);
        if matches!(verdict, Verdict::Done { .. }) {
            span.in_scope(|| tell(record, command));
        }
        verdict
    }
}

/// What of a job's machine is as wanted now, in the words operators look for: emptied slots, and how
/// the cleanup left the power.
fn tell(record: &Record, command: Command) {
    let reset = |reset| tracing::info!(reset, "the power is as the cleanup wants it");
    match command {
        Command::EnsureEjected { .. } => {
            let slots = record.job.media().map(|media| {
                let slots = [Some(media.boot_slot.as_str()), media.task_slot.as_deref()];
                slots.into_iter().flatten().collect::<Vec<_>>().join(",")
            });
            tracing::info!(slots, "both media are ejected");
        }
        Command::EnsureOff { cleaning: Cleaning::After } => reset("off"),
        Command::PowerOn { purpose: Purpose::Deliver } => reset("on"),
        Command::ReadBmc
        | Command::BuildMedium
        | Command::EnsureOff { cleaning: Cleaning::Before }
        | Command::EnsureTaskInserted
        | Command::EnsureBootInserted
        | Command::EnsureBootOnce
        | Command::EnsureOverrideOff { .. }
        | Command::Look
        | Command::PowerOn { purpose: Purpose::Install } => {}
    }
}

impl Live {
    /// Performs what needs the BMC, when it is this job's turn.
    async fn at_bmc(&self, record: &Record, command: Command) -> Performed {
        let turn = self.bmcs.turn(record.job.serial()).await?;
        turn.let_through()?;
        let performed = match command {
            Command::ReadBmc => self.read_bmc(&turn, record).await,
            Command::BuildMedium => self.build_medium(record).await,
            Command::Look => self.look(&turn, record).await,
            Command::EnsureOff { .. } => self.ensure_off(&turn, record).await,
            Command::EnsureEjected { .. } => self.ensure_ejected(&turn, record).await,
            Command::EnsureTaskInserted => self.ensure_inserted(&turn, record, Role::Task).await,
            Command::EnsureBootInserted => self.ensure_inserted(&turn, record, Role::Boot).await,
            Command::EnsureBootOnce => self.ensure_boot_once(&turn, record).await,
            Command::EnsureOverrideOff { .. } => self.ensure_override_off(&turn, record).await,
            Command::PowerOn { .. } => self.power_on(&turn, record).await,
        };
        if let Err(failed) = &performed {
            self.keep_transcript(&turn, record, command, failed).await;
        }
        self.bmcs.settle(&turn).await;
        performed
    }

    /// Reads what the BMC is and has, and makes the media plan. Changes nothing, unless remote media
    /// are off and hide the slots.
    async fn read_bmc(&self, turn: &Turn, record: &Record) -> Performed {
        let serial = record.job.serial();
        let discovery = self.bmcs.discover(turn).await?;
        if bmc::is_ambiguous(&discovery, serial) {
            let why = "the BMC has several machines and none of them has this serial; register each \
                 under its serial, SKU or UUID";
            return Err(Fault::operator(why).into());
        }
        let hardware = bmc::hardware(&discovery);
        let now = self.bmcs.now();
        match self.store.set_hardware(serial, hardware, now).await.map_err(|e| store_fault(&e))? {
            HardwareCheck::FirstSeen | HardwareCheck::Same => {}
            HardwareCheck::Mismatch { .. } => {
                let why = "the BMC belongs to another machine than the one recorded for this serial; \
                     correct the address, or remove and add the server again";
                return Err(Fault::operator(why).into());
            }
        }
        let request = self.bmcs.plan_request(&turn.server, record.into());
        let plan = match discovery.plan(&request) {
            Err(refusal) if refusal.reason == Reason::MediaOff => {
                // The slots show only when they are on; nothing else is changed by that.
                self.bmcs.line(turn).await?.ensure_media_on(&discovery).await?;
                self.bmcs.discover(turn).await?.plan(&request)
            }
            plan => plan,
        };
        let plan =
            plan.map_err(|refusal| fault::of_refusal(&refusal, record.job.plan().workflow))?;
        tracing::info!(
            op = "discover",
            vendor = plan.vendor.label(),
            profile = plan.profile.name,
            "the BMC was read"
        );
        Ok(Verdict::Done { seen: Seen::Bmc { media: media_plan(&plan, record)? } })
    }

    async fn build_medium(&self, record: &Record) -> Performed {
        let plan = carried(record)?;
        match self.mediums.build(record, &plan).await {
            Ok(built) => Ok(Verdict::Done {
                seen: Seen::Medium { bytes: built.bytes, sha256: built.sha256 },
            }),
            Err(error) => Err(error.into_fault().into()),
        }
    }

    async fn look(&self, turn: &Turn, record: &Record) -> Performed {
        let sight = self.connection(turn, record).await?.look().await?;
        Ok(Verdict::Done { seen: Seen::Machine { sight: seen(sight) } })
    }

    async fn ensure_off(&self, turn: &Turn, record: &Record) -> Performed {
        let (bmc, plan) = self.planned(turn, record).await?;
        bmc.ensure_off(&plan).await?;
        Ok(Verdict::DONE)
    }

    async fn ensure_ejected(&self, turn: &Turn, record: &Record) -> Performed {
        let (bmc, plan) = self.planned(turn, record).await?;
        bmc.ensure_ejected(&plan).await?;
        let serial = record.job.serial();
        self.store.clear_residue(serial).await.map_err(|error| store_fault(&error))?;
        Ok(Verdict::DONE)
    }

    async fn ensure_inserted(&self, turn: &Turn, record: &Record, role: Role) -> Performed {
        let frozen = self.frozen(record).await?;
        let url = match role {
            Role::Boot => Some(frozen.boot_url),
            Role::Task => frozen.task_url,
        };
        let text = url.ok_or_else(|| Fault::permanent("the plan has no slot for this medium"))?;
        let url = MediaUrl::parse(&text).map_err(|error| Fault::permanent(error.to_string()))?;
        let (bmc, plan) = self.planned(turn, record).await?;
        let inserted = bmc.ensure_inserted(&plan, role, &url).await?;
        let slot = slot_name(&inserted.path);
        let planned = plan.slot(role).is_some_and(|planned| planned.path == inserted.path);
        tracing::info!(slot, planned, "the medium is in its slot");
        Ok(Verdict::Done { seen: Seen::Inserted { slot } })
    }

    async fn ensure_boot_once(&self, turn: &Turn, record: &Record) -> Performed {
        let (bmc, plan) = self.planned(turn, record).await?;
        bmc.ensure_boot_once(&plan).await?;
        Ok(Verdict::DONE)
    }

    async fn ensure_override_off(&self, turn: &Turn, record: &Record) -> Performed {
        let (bmc, plan) = self.planned(turn, record).await?;
        bmc.ensure_override_cleared(&plan).await?;
        Ok(Verdict::DONE)
    }

    async fn power_on(&self, turn: &Turn, record: &Record) -> Performed {
        let (bmc, plan) = self.planned(turn, record).await?;
        Ok(match bmc.power_on(&plan).await? {
            PowerOn::Started => Verdict::DONE,
            PowerOn::WasOn => Verdict::Done { seen: Seen::AlreadyOn },
        })
    }

    async fn frozen(&self, record: &Record) -> Result<Frozen, Fault> {
        let attempt = record.job.attempt();
        self.store
            .frozen(record.job.id(), attempt)
            .await
            .map_err(|error| store_fault(&error))?
            .ok_or_else(|| Fault::permanent(format!("attempt {attempt} was never frozen")))
    }

    async fn connection(&self, turn: &Turn, record: &Record) -> Result<Bmc, Reach> {
        let plan = carried(record)?;
        let bmc = self.bmcs.resume(turn, &plan).await?;
        Ok(if record.job.outcome().is_some() { bmc.for_cleanup() } else { bmc })
    }

    async fn planned(&self, turn: &Turn, record: &Record) -> Result<(Bmc, Plan), Reach> {
        Ok((self.connection(turn, record).await?, carried(record)?))
    }
}

/// What a command that failed comes to. A look that failed says nothing, so that the machine's state
/// stays unknown.
fn verdict(command: Command, reach: &Reach) -> Verdict {
    match reach {
        Reach::Fault(fault) if command == Command::Look => {
            Verdict::Unknown { detail: fault.summary.clone() }
        }
        Reach::Bmc(error) if command == Command::Look => {
            Verdict::Unknown { detail: error.to_string() }
        }
        Reach::Fault(fault) => Verdict::Refused { fault: fault.clone() },
        Reach::Bmc(error) => lost_or_refused(error),
    }
}

/// The Redfish layer's own plan, as stored with the job.
fn carried(record: &Record) -> Result<Plan, Fault> {
    let media = record.job.media().ok_or_else(|| Fault::permanent("the job has no media plan"))?;
    serde_json::from_str(&media.carried_by).map_err(|error| {
        Fault::permanent("the stored media plan cannot be read").because(error.to_string())
    })
}

fn media_plan(plan: &Plan, record: &Record) -> Result<MediaPlan, Fault> {
    let carried_by = serde_json::to_string(plan).map_err(|error| {
        Fault::permanent("the media plan cannot be stored").because(error.to_string())
    })?;
    Ok(MediaPlan {
        class: match plan.media.class {
            shoal_redfish::MediaClass::TwoCd => MediaClass::TwoCd,
            shoal_redfish::MediaClass::CdPlusUsb => MediaClass::CdPlusUsb,
            shoal_redfish::MediaClass::SingleCombined => MediaClass::SingleCombined,
        },
        boot_slot: slot_name(&plan.media.boot_slot.path),
        task_slot: plan.media.task_slot.as_ref().map(|slot| slot_name(&slot.path)),
        spare_slots: plan.media.spare_slots.iter().map(|slot| slot_name(&slot.path)).collect(),
        prefetches: plan.profile.media.fetches_whole,
        settle: bmc::POWER_LAG,
        notes: notes(plan, record),
        carried_by,
    })
}

fn slot_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// What an operator should know of a plan: also where nothing will be seen of the machine's reads.
fn notes(plan: &Plan, record: &Record) -> Vec<String> {
    let mut notes = plan.warnings.clone();
    if plan.profile.media.fetches_whole {
        notes.push(
            "this BMC fetches media whole at insertion: what it reads proves nothing".to_owned(),
        );
    }
    if record.boot_url.is_some() {
        notes.push(
            "the boot medium is at an outside address: what is read of it is not seen here"
                .to_owned(),
        );
    }
    notes
}

fn seen(sight: shoal_redfish::Sight) -> Sight {
    use shoal_redfish::Power as Told;
    Sight {
        power: match sight.power {
            Told::On | Told::TurningOn => Power::On,
            Told::Off => Power::Off,
            Told::TurningOff | Told::Unknown => Power::Unclear,
        },
        last_reset: sight.last_reset_time,
        boot_progress: sight.boot_progress,
    }
}
