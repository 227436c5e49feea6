//! What is installed on what: a workflow on a kind of BMC, what such a job goes through, and what must
//! be true when it is over.

use std::time::Duration;

use anyhow::{Result, ensure};
use shoal_redfish_mock::{BootFrom, EffectKind, Ending, HostScript, Restart};
use shoal_tests::{Follow, Job, Kickstart, Machine, Workflow};

use crate::{
    BY_IMPORT, CD_AND_USB, PERSONAS, SINGLE_SLOT, proof,
    stage::{Stage, host},
};

/// How long a machine is somewhere where its BMC is to be asked meanwhile, in its own time: six seconds
/// of ours, in which even a busy controller looks, who would look every second.
const SEEN: Duration = Duration::from_mins(2);

/// A host that installs, and restarts, for long enough to be seen at both.
pub(crate) fn seen(script: HostScript) -> HostScript {
    HostScript { post: SEEN, install: SEEN, ..script }
}

/// A workflow on a kind of BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) workflow: Workflow,
    pub(crate) persona: &'static str,
}

/// A write to the BMC, counted among those of its kind in one job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) name: &'static str,
    pub(crate) kind: EffectKind,
    pub(crate) nth: u32,
}

impl Course {
    /// Every course there is: an ESXi installer needs two slots.
    pub(crate) fn all() -> Vec<Self> {
        let of = |workflow| PERSONAS.map(|persona| Self { workflow, persona });
        let mut all = Workflow::ALL.map(of).concat();
        all.retain(|course| course.workflow != Workflow::Esxi || course.has_two_slots());
        all
    }

    pub(crate) fn has_two_slots(self) -> bool {
        !SINGLE_SLOT.contains(&self.persona)
    }

    /// Where an ESXi installer finds its kickstart file on this kind of BMC.
    pub(crate) fn kickstart(self) -> Option<Kickstart> {
        let on_usb = CD_AND_USB.contains(&self.persona);
        let slot = if on_usb { Kickstart::Usb } else { Kickstart::Cd };
        (self.workflow == Workflow::Esxi).then_some(slot)
    }

    /// A host that does its part, and whose restart its BMC can see.
    pub(crate) fn host(self) -> HostScript {
        let restart = match self.persona {
            // It shows neither the time of the last reset nor how far the boot is.
            "xcc" => Restart::Cold(SEEN),
            _ => Restart::Warm,
        };
        let script = HostScript { restart, ..host(Ending::Succeed) };
        if self.workflow == Workflow::Esxi { seen(script) } else { script }
    }

    /// The installer alone restarts the machine, and the controller never touches power after it.
    fn ends_by_itself(self) -> bool {
        self.workflow == Workflow::Esxi
    }

    /// The phases of such a job, on a machine that was on. A phase is entered the moment its
    /// beginning is committed.
    pub(crate) fn phases(self) -> Vec<&'static str> {
        let mut phases = vec!["discover", "build", "power_off", "clear_media"];
        if self.has_two_slots() {
            phases.push("insert_task");
        }
        phases.extend(["insert_boot", "boot_once", "power_on", "await_boot"]);
        phases.push(match self.workflow {
            Workflow::Linux | Workflow::Windows => "await_report",
            Workflow::Firmware => "await_flash",
            Workflow::Esxi => "await_installer",
        });
        if self.ends_by_itself() {
            phases.extend(["clean_media", "clean_override"]);
        } else {
            phases.extend(["settle", "clean_power", "clean_media", "clean_override", "deliver"]);
        }
        phases
    }

    /// Every write of such a job on a machine that was on and whose slots were empty.
    pub(crate) fn writes(self) -> Vec<Write> {
        let write = |name, kind, nth| Write { name, kind, nth };
        let mut writes =
            vec![write("login", EffectKind::Login, 1), write("power off", EffectKind::PowerOff, 1)];
        let slots = if self.has_two_slots() { 2 } else { 1 };
        if slots == 2 {
            writes.push(write("insert the task medium", EffectKind::Insert, 1));
        }
        writes.extend([
            write("insert the boot medium", EffectKind::Insert, slots),
            write("boot once", EffectKind::BootOnce, 1),
        ]);
        if self.persona == BY_IMPORT {
            writes.push(write("import the boot override", EffectKind::BootOnce, 2));
        }
        writes.push(write("power on into the installer", EffectKind::PowerOn, 1));
        if !self.ends_by_itself() {
            writes.push(write("power off after the report", EffectKind::PowerOff, 2));
        }
        writes.push(write("eject the first medium", EffectKind::Eject, 1));
        if slots == 2 {
            writes.push(write("eject the second medium", EffectKind::Eject, 2));
        }
        if !self.ends_by_itself() {
            writes.push(write("power on into the installed system", EffectKind::PowerOn, 2));
        }
        writes
    }

    /// The job succeeded, the machine was installed once and is as such a job leaves it.
    pub(crate) async fn check_done(
        self,
        stage: &Stage,
        job: &str,
        machine: &Machine,
        follow: &Follow,
    ) -> Result<Job> {
        let job = proof::succeeded(&stage.api, job, follow).await?;
        if self.workflow == Workflow::Firmware {
            let boots = machine.boots_from(BootFrom::BootMedium);
            ensure!(boots == 1, "the maintenance system was booted {boots} times");
            ensure!(machine.mock().state().on, "the machine was left off");
            machine.check_clean()?;
        } else {
            proof::provisioned(machine, &job).await?;
        }
        Ok(job)
    }

    /// How often the controller switches the machine on in such a job.
    pub(crate) fn power_ons(self) -> usize {
        if self.ends_by_itself() { 1 } else { 2 }
    }
}
