//! The task target decides which workflow a job follows and therefore how its end is recognised.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::problem::quoted;

/// systemd's limit is 255; targets are also shown in tables.
const MAX_TARGET_BYTES: usize = 128;

/// Targets that every systemd machine has and that end or hijack the maintenance OS.
const RESERVED: [&str; 16] = [
    "ctrl-alt-del",
    "default",
    "emergency",
    "exit",
    "factory-reset",
    "final",
    "halt",
    "hibernate",
    "kexec",
    "poweroff",
    "reboot",
    "rescue",
    "shutdown",
    "sleep",
    "suspend",
    "umount",
];

/// The systemd target that the maintenance OS starts for a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TaskTarget {
    /// `install-linux.target`
    InstallLinux,
    /// `install-windows.target`
    InstallWindows,
    /// `install-esxi.target`
    InstallEsxi,
    /// `supermicro-update.target`
    SupermicroUpdate,
    /// Any other `*.target` that the maintenance image offers, by its unit name.
    Other(String),
}

/// How a job is carried out and how its end is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// Partition, image, bootloader, config drive; ends with a webhook.
    Linux,
    /// Partition, apply a WIM, bootloader, answer file; ends with a webhook.
    Windows,
    /// The vendor's installer runs by itself; the end is seen from outside.
    Esxi,
    /// Firmware is flashed; ends with a webhook, and power must not be cut before it.
    Firmware,
    /// A target that Shoal does not know: what it does is its own affair; ends with a webhook.
    Maintenance,
}

/// Why a text is not a [`TaskTarget`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskTargetError {
    /// Not a plain target name.
    #[error(
        "{} is not a target name; use lower case letters, digits, dots and dashes, starting with a \
         letter or digit and ending with .target, at most 128 bytes", quoted(.0)
    )]
    Form(String),
    /// One of systemd's own targets that would end the maintenance OS.
    #[error("{0} would stop the maintenance OS; name a target that does work")]
    Reserved(String),
}

impl TaskTarget {
    /// The unit name, ending with `.target`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => known.label(),
        }
    }

    /// A value for metric labels: the unit name for targets known by name, `synthetic` for the one of
    /// drills, whose jobs count towards no objective, and `other` for the rest, so that users cannot
    /// add label values.
    pub fn label(&self) -> &'static str {
        match self {
            Self::InstallLinux => "install-linux.target",
            Self::InstallWindows => "install-windows.target",
            Self::InstallEsxi => "install-esxi.target",
            Self::SupermicroUpdate => "supermicro-update.target",
            Self::Other(name) if name == "synthetic.target" => "synthetic",
            Self::Other(_) => "other",
        }
    }

    /// The workflow that jobs with this target follow.
    pub fn workflow(&self) -> Workflow {
        match self {
            Self::InstallLinux => Workflow::Linux,
            Self::InstallWindows => Workflow::Windows,
            Self::InstallEsxi => Workflow::Esxi,
            Self::SupermicroUpdate => Workflow::Firmware,
            Self::Other(_) => Workflow::Maintenance,
        }
    }
}

impl FromStr for TaskTarget {
    type Err = TaskTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form_error = || TaskTargetError::Form(text.to_owned());
        let stem = text.strip_suffix(".target").ok_or_else(form_error)?;
        // A leading dash would read as an option of systemctl, a leading dot as a hidden file.
        let is_plain = stem.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && stem.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
            });
        if !is_plain || text.len() > MAX_TARGET_BYTES {
            return Err(form_error());
        }
        if RESERVED.contains(&stem) {
            return Err(TaskTargetError::Reserved(text.to_owned()));
        }
        Ok(match stem {
            "install-linux" => Self::InstallLinux,
            "install-windows" => Self::InstallWindows,
            "install-esxi" => Self::InstallEsxi,
            "supermicro-update" => Self::SupermicroUpdate,
            _ => Self::Other(text.to_owned()),
        })
    }
}

impl TryFrom<String> for TaskTarget {
    type Error = TaskTargetError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TaskTarget> for String {
    fn from(target: TaskTarget) -> Self {
        target.as_str().to_owned()
    }
}

impl fmt::Display for TaskTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_targets_have_their_workflow_and_others_are_maintenance() {
        for (text, workflow, label) in [
            ("install-linux.target", Workflow::Linux, "install-linux.target"),
            ("install-windows.target", Workflow::Windows, "install-windows.target"),
            ("install-esxi.target", Workflow::Esxi, "install-esxi.target"),
            ("supermicro-update.target", Workflow::Firmware, "supermicro-update.target"),
            ("wipe-disks.target", Workflow::Maintenance, "other"),
            ("synthetic.target", Workflow::Maintenance, "synthetic"),
        ] {
            let target: TaskTarget = text.parse().unwrap();

            assert_eq!((target.workflow(), target.label()), (workflow, label));
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn options_paths_and_shutdown_targets_are_refused() {
        for text in ["--force.target", ".target", "..target", "a/b.target", "A.target", "a.service"]
        {
            assert!(matches!(text.parse::<TaskTarget>(), Err(TaskTargetError::Form(_))), "{text}");
        }
        for text in ["poweroff.target", "reboot.target", "emergency.target"] {
            assert!(matches!(text.parse::<TaskTarget>(), Err(TaskTargetError::Reserved(_))));
        }
    }
}
