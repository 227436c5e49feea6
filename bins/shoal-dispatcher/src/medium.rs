//! Finding and mounting the task medium. It is known by its volume label alone: whether the BMC
//! shows it as a CD drive, a USB stick, or as a part of the boot medium is the BMC's affair.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::exit::{Exit, Failure};
use crate::options::Options;

/// What the volume ids of task media begin with.
const LABEL_PREFIX: &str = "TASK_";
/// How often to look.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The first volume descriptor of ISO 9660 lies in the 17th sector of 2 KiB.
const DESCRIPTOR_OFFSET: u64 = 16 * 2048;

/// A task medium that has been found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// A block device.
    Device(PathBuf),
    /// A file of the boot medium, over which the controller lays the task bytes.
    Overlay(PathBuf),
}

/// The directory with the content of the task medium, found and mounted if need be.
pub(crate) fn obtain(options: &Options) -> Result<PathBuf, Failure> {
    if let Some(directory) = &options.medium {
        return Ok(directory.clone());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(Exit::Privileges, "mounting the task medium needs root"));
    }
    let (label, source) = wait_for(options)?;
    let mount_point = options.under_root("run/shoal/task");
    fs::create_dir_all(&mount_point)
        .map_err(|error| Failure::new(Exit::Mount, format!("mount point: {error}")))?;
    // A run before this one may have left the medium mounted, perhaps of another device.
    let _ = unmount(&mount_point, UnmountFlags::DETACH);
    match source {
        Source::Device(device) => mount_device(&label, &device, &mount_point)?,
        Source::Overlay(file) => mount_overlay(&label, &file, &mount_point)?,
    }
    Ok(mount_point)
}

fn wait_for(options: &Options) -> Result<(String, Source), Failure> {
    let started = Instant::now();
    loop {
        let mut found = look(options);
        if found.len() > 1 {
            let labels: Vec<String> = found.into_keys().collect();
            let message = format!("different task media are present: {}", labels.join(", "));
            return Err(Failure::new(Exit::NoMedium, message));
        }
        if let Some(medium) = found.pop_first() {
            return Ok(medium);
        }
        let left = options.wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            let message =
                format!("no task medium appeared within {} seconds", options.wait.as_secs());
            return Err(Failure::new(Exit::NoMedium, message));
        }
        sleep(left.min(LOOK_INTERVAL));
    }
}

/// All task media by label. A device outranks an overlay with the same label: they are the same.
fn look(options: &Options) -> BTreeMap<String, Source> {
    let mut found = BTreeMap::new();
    if let Some(label) = volume_id(&options.overlay) {
        found.insert(label, Source::Overlay(options.overlay.clone()));
    }
    let entries = fs::read_dir(options.under_root("dev/disk/by-label")).into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(LABEL_PREFIX) {
            found.insert(name, Source::Device(entry.path()));
        }
    }
    found
}

/// The volume id of an ISO 9660 image, if the file is one and is a task medium. A boot medium without
/// overlay has zeros there.
fn volume_id(file: &Path) -> Option<String> {
    let mut descriptor = [0_u8; 72];
    File::open(file).ok()?.read_exact_at(&mut descriptor, DESCRIPTOR_OFFSET).ok()?;
    let id = descriptor.strip_prefix(b"\x01CD001")?.get(34..66)?;
    let label = std::str::from_utf8(id).ok()?.trim_end();
    label.starts_with(LABEL_PREFIX).then(|| label.to_owned())
}

fn mount_device(label: &str, device: &Path, mount_point: &Path) -> Result<(), Failure> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(device, mount_point, "iso9660", flags, None).map_err(|errno| {
        let exit = if matches!(errno, Errno::PERM | Errno::ACCESS) {
            Exit::Privileges
        } else {
            Exit::Mount
        };
        Failure::new(exit, format!("failed to mount {label}: {errno}"))
    })
}

/// A file needs a loop device, which the mount program of util-linux sets up and takes down.
fn mount_overlay(label: &str, file: &Path, mount_point: &Path) -> Result<(), Failure> {
    let output = Command::new("mount")
        .args(["-t", "iso9660", "-o", "loop,ro,nosuid,nodev,noexec"])
        .args([file, mount_point])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(Exit::Mount, format!("failed to run mount: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = crate::target::first_line(&output.stderr);
    Err(Failure::new(Exit::Mount, format!("failed to mount {label} from the boot medium: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_id_of_an_overlay_is_read_and_other_content_is_not_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("task.img");
        let image = |id: &str| {
            let mut bytes = vec![0; 16 * 2048];
            bytes.extend(format!("\u{1}CD001\u{1}\0{:32}{id:32}", "LINUX").bytes());
            fs::write(&file, bytes).unwrap();
            volume_id(&file)
        };

        assert_eq!(
            image("TASK_0199A7B23C4D7E5F8A6B1C2D3E4").as_deref(),
            Some("TASK_0199A7B23C4D7E5F8A6B1C2D3E4")
        );
        assert_eq!(image("DEBIAN"), None);
        fs::write(&file, vec![0; 1 << 20]).unwrap();
        assert_eq!(volume_id(&file), None);
        fs::write(&file, b"short").unwrap();
        assert_eq!(volume_id(&file), None);
        assert_eq!(volume_id(Path::new("/nonexistent")), None);
    }
}
