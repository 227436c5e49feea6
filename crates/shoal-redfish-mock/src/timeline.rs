//! What happened at the machine, in order and with clock time, so that a test waits for a fact
//! and not for a while.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::Step;

/// Where a boot came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BootFrom {
    /// A medium in a virtual slot: the installer.
    BootMedium,
    /// The disk: the installed system.
    Disk,
    /// Firmware found nothing to boot.
    Nothing,
}

/// One boot of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Where it came from.
    pub from: BootFrom,
    /// When, in clock time.
    pub at: Duration,
}

/// What of a medium was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The first descriptors.
    Descriptors,
    /// `shoal.json`.
    Manifest,
    /// An extent named there, such as the boot image.
    Extent(String),
    /// The boot image that an El Torito catalogue names.
    BootImage,
    /// Every file.
    Files,
    /// `BOOT.CFG`, by which an ESXi loader knows what to load.
    BootConfig,
    /// The kernel named there.
    Kernel,
    /// The modules named there, as the loader reads them.
    Modules,
    /// `KS.CFG`.
    Kickstart,
    /// The modules again, as the installer copies them to the disk.
    Payload,
}

/// One fact about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The BMC opened a medium: asked for its size and read its beginning, or all of it.
    MediumOpened {
        /// The slot.
        slot: String,
        /// Size of the medium in bytes.
        bytes: u64,
        /// Whether all of it was downloaded.
        whole: bool,
    },
    /// The host has power and began its POST.
    PoweredOn,
    /// The host lost power by the BMC's hand.
    PoweredOff,
    /// The host switched itself off.
    SwitchedItselfOff,
    /// Mains power failed.
    PowerLost,
    /// Firmware used up a one-time override.
    OverrideConsumed,
    /// Firmware decided.
    Booted(BootFrom),
    /// The host read from a medium.
    Read {
        /// The slot.
        slot: String,
        /// What.
        part: Part,
        /// How many bytes.
        bytes: u64,
    },
    /// A read did not succeed.
    ReadFailed {
        /// The slot.
        slot: String,
        /// Why, without the URL.
        why: String,
    },
    /// The host stands still until its power is cut.
    Hung,
    /// The maintenance OS runs with this directory as its root.
    MaintenanceOsUp {
        /// Its root directory.
        root: PathBuf,
    },
    /// A task medium was found by its label.
    TaskMediumFound {
        /// The volume label.
        label: String,
        /// The slot.
        slot: String,
        /// Whether it lies inside the boot medium's reserved extent.
        overlaid: bool,
    },
    /// No medium carries a task label.
    TaskMediumMissing,
    /// Two different media carry a task label.
    TaskMediumAmbiguous,
    /// The dispatcher ended; `None` when it was killed or could not be run.
    Dispatched {
        /// Exit code.
        code: Option<i32>,
    },
    /// The dispatcher started this target.
    TargetStarted(String),
    /// A step began.
    StepStarted(Step),
    /// A step ended well.
    StepDone(Step),
    /// A step failed.
    StepFailed(Step),
    /// The reporter ran and ended with this exit code.
    Reported {
        /// `progress`, `success`, `failed`, or `failure-file` when it read the dispatcher's own.
        status: &'static str,
        /// Exit code; `None` when it was killed or could not be run.
        code: Option<i32>,
    },
    /// The host restarts without losing power, or as part of its own restart.
    Restarted,
    /// A foreign installer runs.
    InstallerUp,
    /// The installer found its kickstart file.
    KickstartFound {
        /// The slot whose medium has it.
        slot: String,
        /// The label of that medium.
        label: String,
    },
    /// The installer is done and the disk holds a system.
    InstallerDone,
    /// The installer shows an error and waits for somebody.
    InstallerStopped {
        /// What it shows.
        why: String,
    },
    /// The installed system runs.
    InstalledOsUp,
    /// The BMC answers the network no more.
    BmcAway,
    /// The BMC answers the network again.
    BmcBack,
    /// Another BMC answers at the same address.
    BmcReplaced,
}

/// An event with its place in the order and its clock time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Position among all events, from 1.
    pub seq: u64,
    /// Clock time.
    pub at: Duration,
    /// What happened.
    pub event: Event,
}

/// An event that was waited for did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("the expected event was not among the {} that happened, the last being {:?}", .seen.len(), .seen.last())]
pub struct NotSeen {
    /// Everything that happened.
    pub seen: Vec<Moment>,
}

#[derive(Debug)]
pub(crate) struct Timeline {
    moments: Mutex<Vec<Moment>>,
    grown: watch::Sender<()>,
}

impl Timeline {
    pub(crate) fn new() -> Self {
        Self { moments: Mutex::new(Vec::new()), grown: watch::Sender::new(()) }
    }

    pub(crate) fn push(&self, at: Duration, event: Event) {
        tracing::debug!(?event, at_ms = at.as_millis(), "mock machine");
        {
            let mut moments = self.moments();
            let seq = moments.len() as u64 + 1;
            moments.push(Moment { seq, at, event });
        }
        self.grown.send_replace(());
    }

    pub(crate) fn all(&self) -> Vec<Moment> {
        self.moments().clone()
    }

    /// The first matching event, past or future, unless `limit` of real time passes.
    pub(crate) async fn wait_for(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&Moment) -> bool,
    ) -> Result<Moment, NotSeen> {
        let mut grown = self.grown.subscribe();
        let search = async {
            let mut looked_at = 0;
            loop {
                grown.mark_unchanged();
                let fresh: Vec<Moment> = self.moments().iter().skip(looked_at).cloned().collect();
                looked_at += fresh.len();
                if let Some(found) = fresh.into_iter().find(|moment| wanted(moment)) {
                    return found;
                }
                // The sender is a field of this timeline and outlives the wait.
                let _ = grown.changed().await;
            }
        };
        tokio::time::timeout(limit, search).await.map_err(|_| NotSeen { seen: self.all() })
    }

    fn moments(&self) -> MutexGuard<'_, Vec<Moment>> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
