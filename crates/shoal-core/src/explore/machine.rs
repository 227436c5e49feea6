//! The machine and its BMC: what commands do to them, and what the machine does by itself.

use std::time::Duration;

use super::world::{Harm, Made, SETTLE, Setting, World};
use crate::{
    Command, Event, MediaClass, MediaPlan, Milestone, Power, Purpose, Seen, Sight, Workflow,
    plan::InstallerEnd,
};

/// The machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    Off,
    /// Firmware runs and will boot the medium or the disk.
    Post {
        medium: bool,
    },
    /// Booted from the boot medium: cutting power now ruins an install.
    Live {
        read: bool,
    },
    /// The installer is done and says so until it is heard.
    Done {
        success: bool,
    },
    /// Runs from its disk, or has nothing to run.
    Idle {
        installed: bool,
    },
}

/// Whether the machine got the bytes it asked for.
enum Read {
    Served,
    Refused,
    /// Nobody is there to serve them: the machine waits.
    Nobody,
}

impl World {
    pub(super) fn perform(&mut self, command: Command, setting: Setting) -> Made<Seen> {
        match command {
            Command::ReadBmc => return Ok(Seen::Bmc { media: media_plan() }),
            Command::BuildMedium => return Ok(Seen::Medium { bytes: 1, sha256: String::new() }),
            // What a lagging BMC tells as off is left as it is.
            Command::EnsureOff { .. } if !self.told_on() => {}
            Command::EnsureOff { .. } => self.cut_power(setting)?,
            Command::EnsureEjected { .. } => (self.boot_slot, self.task_slot) = (0, 0),
            Command::EnsureTaskInserted => self.task_slot = self.job.attempt(),
            Command::EnsureBootInserted => self.insert_boot(setting)?,
            Command::EnsureBootOnce => self.armed = true,
            Command::EnsureOverrideOff { .. } => self.armed = false,
            Command::PowerOn { purpose } => {
                let empty = self.boot_slot == 0 || self.task_slot == 0;
                if purpose == Purpose::Install && empty {
                    return Err(Harm("switched on into the installer without media"));
                }
                if self.told_on() {
                    return Ok(Seen::AlreadyOn);
                }
                self.switch_on(setting);
            }
            Command::Look => {
                let power = if self.told_on() { Power::On } else { Power::Off };
                return Ok(Seen::Machine { sight: Sight::of(power) });
            }
        }
        Ok(Seen::Nothing)
    }

    /// What the BMC says, which may be what was true a moment ago.
    fn told_on(&self) -> bool {
        let lagging = self.lag.filter(|(_, until)| self.now < *until);
        lagging.map_or(self.machine != Machine::Off, |(old, _)| old)
    }

    fn insert_boot(&mut self, setting: Setting) -> Made {
        let attempt = self.job.attempt();
        self.boot_slot = attempt;
        if setting.prefetches && !setting.external {
            for milestone in [Milestone::Opened, Milestone::BootImageRead, Milestone::OsLoading] {
                self.fold(&Event::MediaRead { attempt, milestone })?;
            }
        }
        Ok(())
    }

    fn cut_power(&mut self, setting: Setting) -> Made {
        let ruins = matches!(self.machine, Machine::Live { .. } | Machine::Done { .. })
            || self.machine == Machine::Post { medium: true } && !self.medium_is_closed(setting);
        if ruins && self.job.outcome().is_none() && !self.allowed {
            return Err(Harm("power cut into a live install without an outcome"));
        }
        let flashing = matches!(self.machine, Machine::Live { .. });
        if flashing && self.job.plan().workflow == Workflow::Firmware && !self.allowed {
            return Err(Harm("power cut while firmware is written, and nobody allowed it"));
        }
        self.machine = Machine::Off;
        self.lag = None;
        self.late_on = false;
        if self.job.outcome().is_none() {
            self.allowed = false;
        }
        Ok(())
    }

    /// Firmware that is about to boot what is in the slot will be refused its bytes: the medium is
    /// that of an attempt which was given up.
    fn medium_is_closed(&self, setting: Setting) -> bool {
        let ours = !setting.external && !setting.prefetches;
        ours && self.boot_slot != self.job.attempt()
    }

    pub(super) fn lose_power(&mut self) {
        self.machine = Machine::Off;
        self.lag = None;
    }

    pub(super) fn switch_on(&mut self, setting: Setting) {
        if self.machine != Machine::Off {
            return;
        }
        let medium = self.armed && self.boot_slot != 0;
        if !setting.sticky_override {
            self.armed = false;
        }
        self.machine = Machine::Post { medium };
        let lag = if setting.lag_beyond_settle {
            SETTLE * 20
        } else {
            SETTLE.saturating_sub(Duration::from_millis(1))
        };
        self.lag = Some((false, self.now + lag));
    }

    pub(super) fn machine_goes_on(&mut self, setting: Setting, success: bool) -> Made {
        match self.machine {
            Machine::Post { medium: true } => self.boots_medium(setting)?,
            Machine::Post { medium: false } => {
                self.machine = Machine::Idle { installed: self.installed };
            }
            Machine::Live { read: false } => self.reads_task(setting)?,
            Machine::Live { read: true } if setting.workflow == Workflow::Esxi => {
                self.installed = true;
                self.machine = match setting.installer_end {
                    InstallerEnd::PowerOff => Machine::Off,
                    InstallerEnd::Restart => {
                        Machine::Post { medium: self.armed && self.boot_slot != 0 }
                    }
                };
            }
            Machine::Live { read: true } => self.machine = Machine::Done { success },
            Machine::Done { success } if self.up => {
                self.installed = success;
                // The task medium that was booted carries the token of its own attempt.
                if self.task_slot != 0 {
                    self.hear(self.task_slot, success)?;
                }
                self.machine = Machine::Idle { installed: success };
            }
            Machine::Done { .. } | Machine::Off | Machine::Idle { .. } => {}
        }
        Ok(())
    }

    fn boots_medium(&mut self, setting: Setting) -> Made {
        let again = self.job.evidence().milestones.contains_key(&Milestone::BootImageRead);
        let milestone = if again { Milestone::BootAgain } else { Milestone::BootImageRead };
        match self.read(self.boot_slot, milestone, setting)? {
            Read::Served => self.machine = Machine::Live { read: false },
            Read::Refused => self.machine = Machine::Idle { installed: self.installed },
            Read::Nobody => {}
        }
        Ok(())
    }

    fn reads_task(&mut self, setting: Setting) -> Made {
        match self.read(self.task_slot, Milestone::TaskRead, setting)? {
            Read::Served => {
                self.read(self.boot_slot, Milestone::Payload, setting)?;
                self.machine = Machine::Live { read: true };
            }
            Read::Refused => self.machine = Machine::Idle { installed: false },
            Read::Nobody => {}
        }
        Ok(())
    }

    /// Bytes that prove `milestone` are asked for. They are sent only if the milestone is stored.
    fn read(&mut self, attempt: u32, milestone: Milestone, setting: Setting) -> Made<Read> {
        if attempt == 0 {
            return Ok(Read::Refused);
        }
        if setting.external || setting.prefetches {
            return Ok(Read::Served);
        }
        if !self.up {
            return Ok(Read::Nobody);
        }
        let stored = self.fold(&Event::MediaRead { attempt, milestone })?;
        let duplicate = attempt == self.job.attempt()
            && self.job.media_open()
            && self.job.evidence().milestones.contains_key(&milestone);
        Ok(if stored || duplicate { Read::Served } else { Read::Refused })
    }
}

fn media_plan() -> MediaPlan {
    MediaPlan {
        class: MediaClass::TwoCd,
        boot_slot: String::new(),
        task_slot: Some(String::new()),
        spare_slots: Vec::new(),
        prefetches: false,
        settle: SETTLE,
        notes: Vec::new(),
        carried_by: String::new(),
    }
}
