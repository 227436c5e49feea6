//! What the machine says about itself: whether it is the one the medium was made for, and the serial
//! number under which it reports.

use std::process::{Command, Stdio};

use shoal_recipe::{Dmi, JobFile, Verdict, match_machine};

use crate::exit::{Exit, Failure};
use crate::files::read_bounded;
use crate::options::Options;

/// Attributes of sysfs have one page.
const MAX_ATTRIBUTE_BYTES: u64 = 4096;
/// The serial number of a machine that has none.
const UNKNOWN: &str = "unknown";

/// The machine as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) dmi: Dmi,
    pub(crate) serial_number: String,
}

impl Machine {
    /// Asks the machine: the serial number is the one given on the command line, else the one in
    /// sysfs, else the one dmidecode reads, else `unknown`.
    pub(crate) fn look(options: &Options) -> Self {
        let attribute = |name: &str| {
            let path = options.under_root("sys/class/dmi/id").join(name);
            // sysfs attributes are regular files whose size says nothing about their content.
            String::from_utf8(read_bounded(&path, MAX_ATTRIBUTE_BYTES).ok()?).ok()
        };
        let (serial, uuid) = (attribute("product_serial"), attribute("product_uuid"));
        let dmi = Dmi::new(serial.as_deref(), uuid.as_deref());
        let serial_number = options
            .serial_override
            .clone()
            .or_else(|| dmi.serial().map(str::to_owned))
            .or_else(|| dmidecode(options))
            .filter(|serial| !serial.chars().any(char::is_control))
            .unwrap_or_else(|| UNKNOWN.to_owned());
        Self { dmi, serial_number }
    }

    /// Refuses the wrong machine; gives a warning when the right one could not be told.
    pub(crate) fn check(&self, job: &JobFile, strict: bool) -> Result<Option<String>, Failure> {
        let wrong = |message: &str| Err(Failure::new(Exit::WrongMachine, message));
        let verdict = match_machine(&job.identities, &self.dmi);
        if verdict == Verdict::Wrong {
            return Err(Failure::new(
                Exit::WrongMachine,
                format!(
                    "this machine (serial {}, UUID {}) is not the one the task medium was made for; \
                     check which server the BMC belongs to",
                    self.dmi.serial().unwrap_or(UNKNOWN),
                    self.dmi.uuid().unwrap_or(UNKNOWN)
                ),
            ));
        }
        if strict && self.serial_number == UNKNOWN {
            return wrong(
                "the serial number of this machine is not known, and --strict-serial is set",
            );
        }
        if strict && verdict == Verdict::Unverified {
            return wrong("this machine could not be identified, and --strict-serial is set");
        }
        let warning = "the machine could not be identified: too little is known about it";
        Ok((verdict == Verdict::Unverified).then(|| warning.to_owned()))
    }
}

fn dmidecode(options: &Options) -> Option<String> {
    let output = Command::new(options.dmidecode.as_ref()?)
        .args(["-s", "system-serial-number"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    // Comments precede the value when the tables are odd.
    let value = said.lines().find(|line| !line.starts_with('#'))?;
    Dmi::new(Some(value), None).serial().map(str::to_owned)
}
