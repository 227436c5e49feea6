//! What the caller asks, by flags and by the environment systemd gives a failure handler.

use std::path::PathBuf;

use shoal_webhook::{Message, Name, Percent};

use crate::flags::{BadFlags, Flags, Takes};

const FLAGS: &[(&str, Takes)] = &[
    ("--root", Takes::Value),
    ("--status", Takes::Value),
    ("--failed-step", Takes::Value),
    ("--unit", Takes::Value),
    ("--step", Takes::Value),
    ("--percent", Takes::Value),
    ("--bytes", Takes::Value),
    ("--message", Takes::Value),
    ("--once", Takes::Nothing),
];

/// Service results which mean that the unit itself failed (systemd.exec, `$SERVICE_RESULT`).
///
/// A unit that only depended on the failed one keeps the result `success`, and a skipped
/// one has `exec-condition`.
const OWN_FAILURES: &[&str] = &[
    "exit-code",
    "signal",
    "core-dump",
    "timeout",
    "watchdog",
    "oom-kill",
    "start-limit-hit",
    "resources",
    "protocol",
];

/// The parsed command line.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) root: PathBuf,
    pub(super) wanted: Wanted,
    pub(super) message: Option<Message>,
    pub(super) once: bool,
}

/// Which report is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// No `--status`: failed if anything says so, else success.
    AsFound,
    Success,
    Failed {
        failed_step: Option<Name>,
        unit: Option<Name>,
    },
    Progress {
        step: Option<Name>,
        percent: Option<Percent>,
        bytes: Option<u64>,
    },
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Self, BadFlags> {
        let flags = Flags::parse(args, FLAGS)?;
        Ok(Self {
            root: flags.text("--root").unwrap_or("/").into(),
            wanted: wanted(&flags)?,
            message: flags.text("--message").map(Message::cut),
            once: flags.has("--once"),
        })
    }

    pub(super) fn is_progress(&self) -> bool {
        matches!(self.wanted, Wanted::Progress { .. })
    }

    /// Whether this call may be one of the many handlers of one failure.
    pub(super) fn may_be_multiplied(&self) -> bool {
        matches!(self.wanted, Wanted::AsFound | Wanted::Failed { .. })
    }
}

fn wanted(flags: &Flags) -> Result<Wanted, BadFlags> {
    let any = |names: &[&str]| names.iter().any(|name| flags.has(name));
    let of_failed = any(&["--failed-step", "--unit"]);
    let of_progress = any(&["--step", "--percent", "--bytes"]);
    let status = flags.text("--status");
    if of_failed && status != Some("failed") {
        return Err(BadFlags::Contradiction("--failed-step and --unit need --status failed"));
    }
    if of_progress && status != Some("progress") {
        return Err(BadFlags::Contradiction(
            "--step, --percent and --bytes need --status progress",
        ));
    }
    let number = |text: &str| text.parse::<u64>();
    match status {
        None => Ok(Wanted::AsFound),
        Some("success") => Ok(Wanted::Success),
        Some("failed") => Ok(Wanted::Failed {
            failed_step: flags.parsed("--failed-step", Name::parse)?,
            unit: flags.parsed("--unit", Name::parse)?,
        }),
        Some("progress") => Ok(Wanted::Progress {
            step: flags.parsed("--step", Name::parse)?,
            percent: flags.parsed("--percent", |text| {
                number(text)
                    .map_err(|e| e.to_string())
                    .and_then(|n| Percent::new(n).map_err(|code| code.to_string()))
            })?,
            bytes: flags.parsed("--bytes", number)?,
        }),
        Some(_) => Err(BadFlags::Value {
            flag: "--status",
            problem: "must be success, failed or progress".to_owned(),
        }),
    }
}

/// What systemd tells a handler about the unit that triggered it.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    pub(super) result: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) exit_status: Option<String>,
}

impl Monitor {
    pub(super) fn from_env(env: impl Fn(&str) -> Option<String>) -> Self {
        let read = |key| env(key).filter(|value| !value.is_empty());
        Self {
            result: read("MONITOR_SERVICE_RESULT"),
            unit: read("MONITOR_UNIT"),
            exit_status: read("MONITOR_EXIT_STATUS"),
        }
    }

    /// The handler of a unit that did not fail itself.
    pub(super) fn unit_did_not_fail(&self) -> bool {
        self.result.as_deref().is_some_and(|result| !OWN_FAILURES.contains(&result))
    }

    /// The handler of a unit that did.
    pub(super) fn unit_failed(&self) -> bool {
        self.result.is_some() && !self.unit_did_not_fail()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, BadFlags> {
        Options::parse(&args.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn flags_of_another_status_are_refused() {
        for args in [
            &["--unit", "u"][..],
            &["--status", "success", "--failed-step", "s"],
            &["--status", "failed", "--percent", "3"],
            &["--status", "done"],
            &["--status", "progress", "--percent", "101"],
            &["--status", "progress", "--percent", "-1"],
            &["--status", "progress", "--bytes", "many"],
            &["--status", "failed", "--failed-step", ""],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn without_flags_the_files_of_this_machine_decide() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.root, PathBuf::from("/"));
        assert_eq!(options.wanted, Wanted::AsFound);
        assert!(!options.once);
    }

    #[test]
    fn only_results_of_the_units_own_failure_count() {
        let monitor =
            |result: &str| Monitor { result: Some(result.to_owned()), ..Monitor::default() };
        for result in OWN_FAILURES {
            assert!(monitor(result).unit_failed() && !monitor(result).unit_did_not_fail());
        }
        for result in ["success", "exec-condition", "dependency"] {
            assert!(!monitor(result).unit_failed() && monitor(result).unit_did_not_fail());
        }
        let unset = Monitor::from_env(|_| Some(String::new()));
        assert!(!unset.unit_failed() && !unset.unit_did_not_fail());
    }
}
