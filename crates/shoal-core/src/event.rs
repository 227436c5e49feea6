//! Facts that can be folded into a job, and the answers commands give.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{command::Command, fault::Fault, plan::MediaPlan, step::StepKey, time::millis};

/// One fact about a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A worker took the job out of the queue.
    Claimed,
    /// A fenced command is about to be sent. Stored before it is.
    Intended {
        /// The sequence the command was issued under.
        seq: u64,
    },
    /// A command was answered, or not.
    Answered {
        /// The sequence the command was issued under; another one is stale.
        seq: u64,
        /// The command that was performed.
        command: Command,
        /// The answer.
        verdict: Verdict,
    },
    /// Our media server is about to send bytes that prove something.
    MediaRead {
        /// The attempt whose medium is read.
        attempt: u32,
        /// What the bytes prove.
        milestone: Milestone,
    },
    /// The machine reported how its install ended. Its token was verified by the caller.
    Reported {
        /// The attempt the token belongs to.
        attempt: u32,
        /// What it said.
        report: Report,
    },
    /// A report came with a secret that every machine has, and nothing shows that this one booted.
    Unproven {
        /// The attempt it would have counted for.
        attempt: u32,
    },
    /// The machine reported that it is getting on, or media bytes were served.
    Progressed {
        /// The attempt the token belongs to.
        attempt: u32,
        /// What it said.
        activity: Activity,
    },
    /// A deadline lies in the past.
    DeadlinePassed {
        /// The sequence the deadline belonged to.
        seq: u64,
    },
    /// A pause that was asked for is over.
    Elapsed {
        /// The sequence the pause belonged to.
        seq: u64,
    },
    /// An operator wants the job to end.
    StopRequested {
        /// As what.
        stop: StopAs,
        /// Also where that may brick a machine that is being flashed.
        force: bool,
    },
    /// The controller was away.
    Resumed {
        /// For how long.
        #[serde(rename = "gap_ms", with = "millis")]
        gap: Duration,
    },
    /// The wall clock was stepped.
    ClockStepped {
        /// By how many milliseconds.
        delta: i64,
    },
    /// The server's record was changed; a wait for better times may be over.
    ServerChanged,
    /// An operator answered for a held job.
    Decided {
        /// The answer.
        decision: Decision,
    },
}

impl Event {
    /// The event's name in stored events and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Intended { .. } => "intended",
            Self::Answered { .. } => "answered",
            Self::MediaRead { .. } => "media_read",
            Self::Reported { .. } => "reported",
            Self::Unproven { .. } => "unproven",
            Self::Progressed { .. } => "progressed",
            Self::DeadlinePassed { .. } => "deadline_passed",
            Self::Elapsed { .. } => "elapsed",
            Self::StopRequested { .. } => "stop_requested",
            Self::Resumed { .. } => "resumed",
            Self::ClockStepped { .. } => "clock_stepped",
            Self::ServerChanged => "server_changed",
            Self::Decided { .. } => "decided",
        }
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It took effect, and that was verified.
    Done {
        /// What was seen on the way.
        seen: Seen,
    },
    /// It certainly did not take effect.
    Refused {
        /// Why.
        fault: Fault,
    },
    /// It was sent, and nobody knows.
    Unknown {
        /// What went wrong, for people.
        detail: String,
    },
}

impl Verdict {
    /// Done, with nothing to tell.
    pub const DONE: Self = Self::Done { seen: Seen::Nothing };
}

/// What a performed command saw.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum Seen {
    /// Nothing beyond its effect.
    Nothing,
    /// The BMC, and how both media get into it.
    Bmc {
        /// The plan made from what was seen.
        media: MediaPlan,
    },
    /// The task medium that was built.
    Medium {
        /// Its size in bytes.
        bytes: u64,
        /// Its SHA-256, lower-case hex.
        sha256: String,
    },
    /// The slot a medium went into.
    Inserted {
        /// Its name.
        slot: String,
    },
    /// The machine was on before a power-on, and nothing was sent.
    AlreadyOn,
    /// The state of the machine.
    Machine {
        /// Its power and boot state.
        sight: Sight,
    },
}

/// What BMCs say while a machine boots, in the order in which it comes: Redfish's `BootProgress`
/// (DSP2046, `ComputerSystem`), and the `PostState` of BMCs that have no other.
const BOOT_STAGES: &[&[&str]] = &[
    &["None", "Off", "PowerOff", "Reset"],
    &[
        "InPost",
        "PrimaryProcessorInitializationStarted",
        "BusInitializationStarted",
        "MemoryInitializationStarted",
        "SecondaryProcessorInitializationStarted",
        "PCIResourceConfigStarted",
    ],
    &["InPostDiscoveryComplete", "SystemHardwareInitializationComplete", "SetupEntered"],
    &["FinishedPost", "OSBootStarted"],
    &["OSRunning"],
];

/// One look at a machine through its BMC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sight {
    /// The power state.
    pub power: Power,
    /// The BMC's own account of the last reset; only compared, never parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reset: Option<String>,
    /// The BMC's own account of how far the boot is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_progress: Option<String>,
}

/// Power as a BMC tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// On, or on its way there.
    On,
    /// Off.
    Off,
    /// On its way to off, or the BMC does not say.
    Unclear,
}

/// What a read of our media proves. At most eight are stored per attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The BMC opened the boot medium (at insertion, before any boot).
    Opened,
    /// Firmware read the boot image.
    BootImageRead,
    /// The operating system on the boot medium is loading.
    OsLoading,
    /// The task medium's recipe (or kickstart) was read.
    TaskRead,
    /// The installer's payload was read.
    Payload,
    /// Descriptors were read again after a long quiet: firmware looks at the disc anew.
    Reopened,
    /// The boot image was read a second time: the machine boots the installer again.
    BootAgain,
}

impl Milestone {
    /// All, in the order in which an install meets them.
    pub const ALL: [Self; 7] = [
        Self::Opened,
        Self::BootImageRead,
        Self::OsLoading,
        Self::TaskRead,
        Self::Payload,
        Self::Reopened,
        Self::BootAgain,
    ];

    /// The word used in the API, SQL and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::BootImageRead => "boot_image_read",
            Self::OsLoading => "os_loading",
            Self::TaskRead => "task_read",
            Self::Payload => "payload",
            Self::Reopened => "reopened",
            Self::BootAgain => "boot_again",
        }
    }

    /// Whether the machine's firmware must have booted from the medium to cause this read.
    pub const fn proves_boot(self) -> bool {
        match self {
            Self::Opened | Self::Reopened => false,
            Self::BootImageRead
            | Self::OsLoading
            | Self::TaskRead
            | Self::Payload
            | Self::BootAgain => true,
        }
    }
}

/// How the machine says its install ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Report {
    /// All steps done.
    Success,
    /// A step failed.
    Failed {
        /// Which, in the taxonomy.
        step: StepKey,
        /// The unit as the machine named it.
        unit: Option<String>,
        /// What the machine said, for people.
        message: Option<String>,
    },
}

/// A sign that the machine is getting on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Activity {
    /// The step it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How far that step is, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Bytes done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// As what an operator ends a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopAs {
    /// Nobody's fault.
    Cancelled,
    /// It counts as failed.
    Failed,
}

/// An operator's answer for a held job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on; where power was already asked for, start a new attempt.
    Retry,
    /// It failed.
    Failed,
    /// It succeeded, whatever we could see.
    Succeeded,
}

impl Sight {
    /// A sight that tells only the power state.
    pub const fn of(power: Power) -> Self {
        Self { power, last_reset: None, boot_progress: None }
    }

    /// Whether `self` shows that the machine was reset since `earlier` was seen.
    pub(crate) fn reset_since(&self, earlier: &Self) -> bool {
        let differs =
            |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if a != b);
        differs(&earlier.last_reset, &self.last_reset) || self.boot_began_anew(earlier)
    }

    /// Whether the boot progress went back. That it went on is what an installer's own boot does.
    fn boot_began_anew(&self, earlier: &Self) -> bool {
        let stage = |sight: &Self| {
            let said = sight.boot_progress.as_deref()?;
            BOOT_STAGES.iter().position(|stages| stages.contains(&said))
        };
        matches!((stage(earlier), stage(self)), (Some(before), Some(now)) if now < before)
    }
}
