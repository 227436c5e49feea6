//! The whole of putting a machine onto its media, and of taking it off again, as two calls. Both
//! are compositions of the idempotent steps and differ from calling these only in how few requests
//! they need; the checkpoint they keep says whether the one step that must not be repeated was begun.

use serde::{Deserialize, Serialize};

use crate::{
    bmc::Bmc,
    boot::{BootOnce, OverrideCleared},
    error::Error,
    kind::Kind,
    media::Target,
    media_url::MediaUrl,
    node::same_path,
    ownership::{Own, Placed},
    plan::{Plan, Role},
    power::PowerOn,
    recent::Look,
    slot::{SlotKind, SlotRef},
    view::Power,
};

/// The images of one run.
#[derive(Clone, Debug)]
pub struct Urls {
    /// The boot medium.
    pub boot: MediaUrl,
    /// The task medium; unused where the plan has a single slot.
    pub task: Option<MediaUrl>,
}

/// How far a run has come. Store it whenever you are given it, and pass the last one after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    stage: Stage,
    /// Origins of the images we inserted, so that a later revert knows them as ours.
    origins: Vec<String>,
    /// What went into which slot, for slots that show file names only, and for spare ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    placed: Vec<Placed>,
}

/// The stages of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing that a repetition could harm.
    #[default]
    Preparing,
    /// The power-on may have been sent.
    PowerOnIntended,
    /// The host was seen on after it.
    Running,
    /// Media are out and the override is cleared.
    Reverted,
}

impl Checkpoint {
    /// How far the run has come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Allows another power-on after [`Kind::PowerOnUnsure`]. Call it only on evidence that the
    /// host did not run, or when running twice is harmless.
    pub fn rearm(&mut self) {
        self.stage = Stage::Preparing;
    }

    /// Notes what goes into a slot; false when it was noted before.
    fn note(&mut self, slot: &SlotRef, url: &MediaUrl) -> bool {
        let placed = Placed::new(slot, url);
        let new = !self.placed.contains(&placed);
        if new {
            self.placed.push(placed);
        }
        new
    }

    /// Whether a slot may have been filled by this run.
    fn filled(&self, slot: &SlotRef) -> bool {
        self.placed.iter().any(|placed| same_path(&placed.slot, &slot.path))
    }

    fn own(&self) -> Own<'_> {
        Own::new(&self.origins, &self.placed)
    }
}

/// What a run ended with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The steps, in order.
    pub steps: Vec<&'static str>,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// Media that are in another slot than planned, with its path, because theirs refused them.
    pub moved: Vec<(Role, String)>,
}

/// Stores a checkpoint. An error stops the run before the next step.
pub type Save<'a> = &'a mut (dyn FnMut(&Checkpoint) -> std::io::Result<()> + Send);

impl Bmc {
    /// Switches the host off, inserts the media, redirects the next boot and switches it on; each
    /// verified. Can be called again after any failure or restart with the last stored checkpoint.
    ///
    /// # Errors
    /// Those of the steps; `PowerOnUnsure` when an earlier call may have switched the host on and it
    /// is off now; `Checkpoint` when saving failed.
    pub async fn apply(
        &self,
        plan: &Plan,
        urls: &Urls,
        checkpoint: &mut Checkpoint,
        save: Save<'_>,
    ) -> Result<Report, Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.told(self.run(plan, urls, checkpoint, save).await)
    }

    async fn run(
        &self,
        plan: &Plan,
        urls: &Urls,
        checkpoint: &mut Checkpoint,
        save: Save<'_>,
    ) -> Result<Report, Error> {
        let mut report = Report { warnings: plan.warnings.clone(), ..Report::default() };
        match checkpoint.stage {
            Stage::Preparing | Stage::Reverted => {}
            Stage::Running => return Ok(report),
            Stage::PowerOnIntended => {
                self.confirm_running(plan, checkpoint, save).await?;
                report.steps.push("power_on");
                return Ok(report);
            }
        }
        let wanted = wanted(plan, urls, &mut report.warnings)?;
        checkpoint.stage = Stage::Preparing;
        for (_, url) in &wanted {
            let origin = url.origin();
            if !checkpoint.origins.iter().any(|known| known == origin) {
                checkpoint.origins.push(origin.to_owned());
            }
        }
        store(checkpoint, save)?;
        self.switch_off(plan).await?;
        report.steps.push("off");
        let mut stray: Vec<&SlotRef> = plan.media.also_empty.iter().collect();
        if plan.media.spare_slots.iter().any(|spare| checkpoint.filled(spare)) {
            // This time the medium may go where it was planned, and a host that finds it twice may
            // take the old one.
            stray.extend(self.spares_in_use(plan, &checkpoint.own()).await?);
        }
        self.empty(plan, &stray, &checkpoint.own()).await?;
        // What goes in from here on is not yet ours while room is made for it.
        let before = checkpoint.clone();
        let mut note = |slot: &SlotRef, url: &MediaUrl| {
            if checkpoint.note(slot, url) { store(checkpoint, save) } else { Ok(()) }
        };
        let targets = self.fill(plan, &wanted, &before.own(), &mut note).await?;
        for target in &targets {
            report.inserted(plan, target);
        }
        if self.redirect(plan).await? == BootOnce::Continuous {
            report.warnings.push("the BMC keeps the boot override until it is cleared".to_owned());
        }
        report.steps.push("boot_once");
        checkpoint.stage = Stage::PowerOnIntended;
        store(checkpoint, save)?;
        match self.switch_on(plan).await {
            Ok(PowerOn::Started) => {}
            Ok(PowerOn::WasOn) => {
                report.warnings.push("the host came on before it was switched on".to_owned());
            }
            Err(error) => {
                if !error.may_have_taken_effect() {
                    // The BMC said no: nothing was begun that must not be repeated.
                    checkpoint.stage = Stage::Preparing;
                    store(checkpoint, save)?;
                }
                return Err(error);
            }
        }
        checkpoint.stage = Stage::Running;
        store(checkpoint, save)?;
        report.steps.push("power_on");
        Ok(report)
    }

    /// Switches the host off, ejects the media and clears the override; each verified. The host
    /// stays off. Can be called again after any failure.
    ///
    /// # Errors
    /// Those of the steps.
    pub async fn revert(
        &self,
        plan: &Plan,
        checkpoint: &mut Checkpoint,
        save: Save<'_>,
    ) -> Result<Report, Error> {
        let cleanup = self.for_cleanup();
        let _turn = cleanup.inner.turn.lock().await;
        cleanup.adopt(plan);
        self.told(cleanup.undo(plan, checkpoint, save).await)
    }

    async fn undo(
        &self,
        plan: &Plan,
        checkpoint: &mut Checkpoint,
        save: Save<'_>,
    ) -> Result<Report, Error> {
        let mut report = Report::default();
        self.switch_off(plan).await?;
        report.steps.push("off");
        let mut slots = plan.slots();
        slots.extend(plan.media.spare_slots.iter().filter(|spare| checkpoint.filled(spare)));
        self.empty(plan, &slots, &checkpoint.own()).await?;
        report.steps.push("eject");
        if self.clear_override(plan, Look::Recent).await? == OverrideCleared::PointsAtDisk {
            report.warnings.push(
                "the BMC cannot switch its boot override off; it now names the disk".to_owned(),
            );
        }
        report.steps.push("clear_override");
        checkpoint.stage = Stage::Reverted;
        store(checkpoint, save)?;
        Ok(report)
    }

    /// An earlier call meant to switch on: the host's state is the only evidence of whether it did.
    async fn confirm_running(
        &self,
        plan: &Plan,
        checkpoint: &mut Checkpoint,
        save: Save<'_>,
    ) -> Result<(), Error> {
        let view = self.system(self.purpose.reset(), plan, Look::Fresh).await?;
        match view.power {
            Power::On | Power::TurningOn => {
                checkpoint.stage = Stage::Running;
                store(checkpoint, save)
            }
            Power::Off | Power::TurningOff | Power::Unknown => Err(Error::new(Kind::PowerOnUnsure)),
        }
    }
}

impl Report {
    fn inserted(&mut self, plan: &Plan, target: &Target<'_>) {
        let (refused, done) = match target.role {
            Role::Boot => ("boot_slot_refused", "insert_boot"),
            Role::Task => ("task_slot_refused", "insert_task"),
        };
        if target.woke {
            self.warnings.push("remote media were switched on, and stay on".to_owned());
        }
        if let Some(planned) = plan.slot(target.role).filter(|slot| slot.path != target.slot.path) {
            let (planned, used) = (&planned.path, &target.slot.path);
            self.steps.push(refused);
            self.warnings.push(format!("slot {planned} refused its image, which is in {used} now"));
            self.moved.push((target.role, used.clone()));
        }
        self.steps.push(done);
    }
}

/// The media in insertion order, the task medium first.
fn wanted<'a>(
    plan: &Plan,
    urls: &'a Urls,
    warnings: &mut Vec<String>,
) -> Result<Vec<(Role, &'a MediaUrl)>, Error> {
    let mut wanted = Vec::new();
    if let Some(slot) = plan.slot(Role::Task) {
        let missing = || {
            Error::new(Kind::MissingParameter { name: "the address of the task medium".to_owned() })
        };
        let task = urls.task.as_ref().ok_or_else(missing)?;
        if slot.kind == SlotKind::Usb && !task.file_name().to_ascii_lowercase().ends_with(".img") {
            warnings.push(
                "the task medium goes into a USB slot; some BMCs want its address to end in .img"
                    .to_owned(),
            );
        }
        wanted.push((Role::Task, task));
    }
    wanted.push((Role::Boot, &urls.boot));
    Ok(wanted)
}

fn store(
    checkpoint: &Checkpoint,
    save: &mut (dyn FnMut(&Checkpoint) -> std::io::Result<()> + Send),
) -> Result<(), Error> {
    save(checkpoint).map_err(|error| Error::new(Kind::Checkpoint { why: error.to_string() }))
}
