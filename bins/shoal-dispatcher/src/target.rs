//! The last step: is the target there, and did systemd start it. When a unit that the target
//! requires is missing, systemd refuses the start and runs no failure handler, so nobody else would
//! notice.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use shoal_recipe::TaskTarget;

use crate::exit::{Exit, Failure, STEPS};
use crate::options::Options;

/// Where units are looked for, in the order in which systemd lets one hide the other.
const UNIT_DIRECTORIES: [&str; 3] =
    ["etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"];
/// How much of what a program said is repeated.
const MAX_SAID: usize = 300;

/// Makes sure that this image has the target.
pub(crate) fn check(options: &Options, target: &TaskTarget) -> Result<(), Failure> {
    let unit = UNIT_DIRECTORIES
        .iter()
        .map(|directory| options.under_root(directory).join(target.as_str()))
        .find(|path| fs::symlink_metadata(path).is_ok());
    let missing = match unit {
        None => "does not have it",
        // A link to /dev/null masks the unit.
        Some(path) if fs::read_link(&path).is_ok_and(|to| to == Path::new("/dev/null")) => {
            "has it masked"
        }
        Some(_) => return Ok(()),
    };
    Err(Failure::new(
        Exit::RecipeInvalid,
        format!("/task_target: {target} is asked for, but this maintenance image {missing}"),
    ))
}

/// Starts the target and waits until systemd says whether it was reached.
pub(crate) fn start(options: &Options, target: &TaskTarget) -> Result<(), Failure> {
    let output = systemctl(options, &["start", target.as_str()]).map_err(|error| {
        let program = options.systemctl.display();
        Failure::new(Exit::Systemctl, format!("failed to run {program}: {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = first_line(&output.stderr);
    let unit = missing_unit(&said).or_else(|| failed_step_unit(options));
    let message = format!("failed to start {target} ({}): {said}", output.status);
    Err(Failure { unit, ..Failure::new(Exit::Systemctl, message) })
}

fn systemctl(options: &Options, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(&options.systemctl).args(arguments).stdin(Stdio::null()).output()
}

/// The unit in systemd's message `Unit NAME not found.`
fn missing_unit(said: &str) -> Option<String> {
    let (before, _) = said.split_once(" not found")?;
    let (_, unit) = before.rsplit_once("Unit ")?;
    unit.ends_with(".service").then(|| unit.to_owned())
}

/// The step among the failed units. Units that are no steps are not blamed: they may have failed
/// long before and for other reasons.
fn failed_step_unit(options: &Options) -> Option<String> {
    let arguments = ["list-units", "--state=failed", "--plain", "--no-legend", "--full"];
    let output = systemctl(options, &arguments).ok()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let units = listed.lines().filter_map(|line| line.split_whitespace().next());
    units
        .filter(|unit| unit.strip_suffix(".service").is_some_and(|stem| STEPS.contains(&stem)))
        .map(str::to_owned)
        .next()
}

/// The first line that a program printed, cut.
pub(crate) fn first_line(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    line.trim().chars().take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_unit_is_read_from_systemds_words() {
        let said = "Failed to start install-linux.target: Unit partition.service not found.";

        assert_eq!(missing_unit(said).as_deref(), Some("partition.service"));
        assert_eq!(missing_unit("Unit install-linux.target not found."), None);
        assert_eq!(missing_unit("A dependency job for x.target failed."), None);
    }
}
