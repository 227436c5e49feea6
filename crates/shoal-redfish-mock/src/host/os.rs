//! The maintenance OS of the simulated host: finds the task medium by its label, copies its
//! files, and runs the real dispatcher on them in a root directory of its own.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Run, child,
    firmware::{self, Maintenance},
    workflow,
};
use crate::{
    board::HostPhase,
    disc::{Disc, DiscError},
    medium::Window,
    timeline::{BootFrom, Event, Part},
};

const TASK_LABEL: &str = "TASK_";
const MAX_TASK_BYTES: u64 = 64 << 20;

/// Units that exist in the maintenance OS.
const UNITS: [&str; 10] = [
    "install-linux.target",
    "install-windows.target",
    "supermicro-update.target",
    "partition.service",
    "image-linux.service",
    "bootloader-linux.service",
    "config-drive.service",
    "image-windows.service",
    "bootloader-windows.service",
    "firmware.service",
];

/// A stand-in for `systemctl` that writes down how it was called.
const SYSTEMCTL: &str = "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"${0%/*}/systemctl.log\"\n";

/// Directories of one boot.
pub(super) struct Place {
    /// Root directory of the maintenance OS.
    pub(super) root: PathBuf,
    /// The files of the task medium.
    medium: PathBuf,
    /// The stand-in.
    systemctl: PathBuf,
    /// How it was called.
    calls: PathBuf,
    /// What the programs printed.
    pub(super) log: PathBuf,
}

struct TaskMedium {
    slot: String,
    disc: Disc,
    overlaid: bool,
}

/// Writes what every boot uses; once, so that no boot executes a file that is being written.
pub(crate) fn prepare_scratch(scratch: &Path) -> io::Result<()> {
    fs::create_dir_all(scratch)?;
    let stand_in = scratch.join("systemctl");
    fs::write(&stand_in, SYSTEMCTL)?;
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755))
}

/// Runs the maintenance OS.
pub(super) async fn run(run: &mut Run, booted: Maintenance) {
    run.pass(run.script.os_start).await;
    let place = match prepare(run).await {
        Ok(place) => place,
        Err(error) => {
            tracing::warn!(%error, "the maintenance OS has no place to run in");
            return run.enter(HostPhase::Hung, Event::Hung);
        }
    };
    let up = Event::MaintenanceOsUp { root: place.root.clone() };
    run.enter(HostPhase::MaintenanceOs, up);
    let Some(task) = find_task_medium(run, &booted).await else { return };
    if let Err(error) = copy_files(run, &task, &place.medium).await {
        return firmware::read_failed(run, &task.slot, &error);
    }
    dispatch(run, &place).await;
}

async fn dispatch(run: &mut Run, place: &Place) {
    let Some(dispatcher) = run.bmc.host.dispatcher.clone() else { return };
    let arguments = [
        "run".as_ref(),
        "--root".as_ref(),
        place.root.as_os_str(),
        "--medium".as_ref(),
        place.medium.as_os_str(),
        "--systemctl".as_ref(),
        place.systemctl.as_os_str(),
    ];
    let code = child::run(&dispatcher, &arguments, &place.log, run.bmc.host.child_limit).await;
    run.note(Event::Dispatched { code });
    if code != Some(0) {
        if place.root.join("run/provision/failure.json").exists() {
            workflow::report(run, place, "failure-file", &[]).await;
        }
        return;
    }
    let calls = fs::read_to_string(&place.calls).unwrap_or_default();
    let Some(target) = started_target(&calls) else { return };
    run.note(Event::TargetStarted(target.to_owned()));
    workflow::run(run, place, target).await;
}

/// The target of the last `start` among the recorded calls.
fn started_target(calls: &str) -> Option<&str> {
    let starts = calls.lines().rev().filter(|line| line.split(' ').any(|word| word == "start"));
    starts.flat_map(|line| line.split(' ')).find(|word| word.ends_with(".target"))
}

async fn prepare(run: &Run) -> io::Result<Place> {
    let boots = run.bmc.board().boots.clone();
    let number = boots.iter().filter(|boot| boot.from == BootFrom::BootMedium).count();
    let bmc = Arc::clone(&run.bmc);
    let work = move || {
        let own = bmc.host.scratch.join(format!("boot-{number}"));
        if own.exists() {
            fs::remove_dir_all(&own)?;
        }
        let place = Place {
            root: own.join("root"),
            medium: own.join("medium"),
            systemctl: own.join("systemctl"),
            calls: own.join("systemctl.log"),
            log: own.join("programs.log"),
        };
        let units = place.root.join("etc/systemd/system");
        let identity = place.root.join("sys/class/dmi/id");
        for directory in [&units, &identity, &place.medium, &place.root.join("run")] {
            fs::create_dir_all(directory)?;
        }
        for unit in UNITS {
            fs::write(units.join(unit), format!("[Unit]\nDescription={unit}\n"))?;
        }
        fs::write(identity.join("product_serial"), format!("{}\n", bmc.serial))?;
        fs::write(identity.join("product_uuid"), format!("{}\n", bmc.uuid))?;
        symlink("../systemctl", &place.systemctl)?;
        Ok(place)
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Looks for the label on every medium, and inside the boot medium's reserved extent.
async fn find_task_medium(run: &Run, booted: &Maintenance) -> Option<TaskMedium> {
    let mut windows: Vec<(String, Window, bool)> = firmware::media(run)
        .into_iter()
        .map(|(slot, medium)| (run.bmc.slot_id(slot), Window::whole(medium), false))
        .collect();
    if let Some(reserved) = booted.reserved {
        let inside = booted.disc.window().part(reserved.offset, reserved.len);
        windows.push((booted.slot.clone(), inside, true));
    }
    let mut found: Option<TaskMedium> = None;
    for (slot, window, overlaid) in windows {
        let disc = match Disc::open(window).await {
            Ok(disc) if disc.label().starts_with(TASK_LABEL) => disc,
            Ok(_) | Err(DiscError::NotADisc) => continue,
            Err(error) => {
                firmware::read_failed(run, &slot, &error);
                continue;
            }
        };
        if found.as_ref().is_some_and(|other| other.disc.label() != disc.label()) {
            run.note(Event::TaskMediumAmbiguous);
            return None;
        }
        found.get_or_insert(TaskMedium { slot, disc, overlaid });
    }
    match &found {
        Some(task) => run.note(Event::TaskMediumFound {
            label: task.disc.label().to_owned(),
            slot: task.slot.clone(),
            overlaid: task.overlaid,
        }),
        None => run.note(Event::TaskMediumMissing),
    }
    found
}

async fn copy_files(run: &Run, task: &TaskMedium, to: &Path) -> Result<(), DiscError> {
    let mut room = MAX_TASK_BYTES;
    let mut total = 0;
    for file in task.disc.files().await? {
        let content = task.disc.read(&file, room).await?;
        room -= file.len;
        total += file.len;
        let path = to.join(&file.path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| DiscError::Medium(crate::medium::MediumError::Copy(error)))?;
    }
    run.read(&task.slot, Part::Files, total);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_started_target_is_taken_from_the_calls() {
        let calls = "daemon-reload\nstart --no-block install-linux.target\nis-active x.target\n";
        assert_eq!(started_target(calls), Some("install-linux.target"));
        assert_eq!(started_target("status install-linux.target\n"), None);
        assert_eq!(started_target(""), None);
    }
}
