//! The command line. It is read by hand, as the dispatcher has one command and few options, and is
//! part of an image where every megabyte is copied to RAM.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Virtual media may appear long after the system is up: the BMC mounts them over the network.
const DEFAULT_WAIT: Duration = Duration::from_mins(5);
/// Longer waits would outlast every deadline of the controller.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// What the dispatcher was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Prefix of `/run`, `/dev`, `/sys`, `/etc` and `/usr`.
    pub root: PathBuf,
    /// A task medium that is already mounted or extracted.
    pub medium: Option<PathBuf>,
    /// The task bytes as a file of the boot medium, for machines with a single slot.
    pub overlay: PathBuf,
    /// Program that starts units.
    pub systemctl: PathBuf,
    /// Program that reads DMI tables when sysfs does not tell the serial number; none for a root
    /// other than `/`, whose machine is not the one the program would look at.
    pub dmidecode: Option<PathBuf>,
    /// How long to wait for the medium.
    pub wait: Duration,
    /// Serial number to use whatever the machine says.
    pub serial_override: Option<String>,
    /// Refuse to work without a serial number and a positive identification of the machine.
    pub strict_serial: bool,
}

/// Why the command line cannot be followed; displays the usage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "shoal-dispatcher: {0}\n\nusage: shoal-dispatcher run [--root DIR] [--medium DIR] [--overlay FILE]\n    \
     [--systemctl PROGRAM] [--dmidecode PROGRAM] [--wait SECONDS]\n    \
     [--serial-override SERIAL] [--strict-serial]"
)]
pub struct Usage(String);

impl Options {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    ///
    /// [`Usage`] for an unknown command or option, or a value that is missing or malformed.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Usage> {
        let mut arguments = arguments.into_iter();
        if arguments.next().as_deref() != Some("run".as_ref()) {
            return Err(Usage("the command must be run".to_owned()));
        }
        let mut given = Given::default();
        while let Some(option) = arguments.next() {
            let name = option.to_string_lossy().into_owned();
            let mut value = || {
                let missing = || Usage(format!("{name} needs a value"));
                arguments.next().filter(|value| !value.is_empty()).ok_or_else(missing)
            };
            match name.as_str() {
                "--root" => given.root = Some(value()?.into()),
                "--medium" => given.medium = Some(value()?.into()),
                "--overlay" => given.overlay = Some(value()?.into()),
                "--systemctl" => given.systemctl = Some(value()?.into()),
                "--dmidecode" => given.dmidecode = Some(value()?.into()),
                "--wait" => given.wait = Some(seconds(&value()?)?),
                "--serial-override" => given.serial_override = Some(serial(&value()?)?),
                "--strict-serial" => given.strict_serial = true,
                _ => return Err(Usage(format!("{name} is not an option"))),
            }
        }
        Ok(given.with_defaults())
    }

    /// A path below the root.
    pub(crate) fn under_root(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

#[derive(Default)]
struct Given {
    root: Option<PathBuf>,
    medium: Option<PathBuf>,
    overlay: Option<PathBuf>,
    systemctl: Option<PathBuf>,
    dmidecode: Option<PathBuf>,
    wait: Option<Duration>,
    serial_override: Option<String>,
    strict_serial: bool,
}

impl Given {
    fn with_defaults(self) -> Options {
        let root = self.root.unwrap_or_else(|| PathBuf::from("/"));
        let own_machine = root == Path::new("/");
        Options {
            overlay: self.overlay.unwrap_or_else(|| root.join("run/shoal/boot/task.img")),
            medium: self.medium,
            systemctl: self.systemctl.unwrap_or_else(|| "systemctl".into()),
            dmidecode: self.dmidecode.or_else(|| own_machine.then(|| "dmidecode".into())),
            wait: self.wait.unwrap_or(DEFAULT_WAIT),
            serial_override: self.serial_override,
            strict_serial: self.strict_serial,
            root,
        }
    }
}

fn seconds(value: &OsString) -> Result<Duration, Usage> {
    let number = value.to_str().and_then(|text| text.parse().ok()).map(Duration::from_secs);
    number
        .filter(|wait| *wait <= MAX_WAIT)
        .ok_or_else(|| Usage("--wait needs a number of seconds up to a day".to_owned()))
}

fn serial(value: &OsString) -> Result<String, Usage> {
    let text = value.to_str().map(str::trim).filter(|text| !text.is_empty());
    text.filter(|text| !text.chars().any(char::is_control))
        .map(str::to_owned)
        .ok_or_else(|| Usage("--serial-override needs a serial number".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, Usage> {
        Options::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn paths_follow_the_root_and_the_real_machine_is_asked_only_for_itself() {
        let real = parse(&["run"]).unwrap();
        let scratch = parse(&["run", "--root", "/scratch", "--wait", "0"]).unwrap();

        assert_eq!(real.under_root("run/provision"), Path::new("/run/provision"));
        assert_eq!(real.dmidecode.as_deref(), Some(Path::new("dmidecode")));
        assert_eq!(scratch.overlay, Path::new("/scratch/run/shoal/boot/task.img"));
        assert_eq!((scratch.dmidecode, scratch.wait), (None, Duration::ZERO));
    }

    #[test]
    fn anything_unknown_or_incomplete_is_refused() {
        for arguments in [
            &[][..],
            &["start"],
            &["run", "--rot", "/"],
            &["run", "--root"],
            &["run", "--root", ""],
            &["run", "--wait", "soon"],
            &["run", "--wait", "86401"],
            &["run", "--serial-override", "a\nb"],
            &["run", "extra"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
        assert!(parse(&["run", "--wait"]).unwrap_err().to_string().contains("usage:"));
    }
}
