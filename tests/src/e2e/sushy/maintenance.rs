//! The maintenance OS where there is no host: the files of the task medium are taken out by a
//! foreign tool, and the real dispatcher and reporter do the rest.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{
    medium::{self, run},
    suite::Place,
};

/// Does what a machine would do with this medium, up to its report of success.
pub(super) async fn report_success(place: &Place, disc: &Path, uuid: &str) -> Result<()> {
    let own = place.directory.join("maintenance");
    let (root, files) = (own.join("root"), own.join("medium"));
    let (units, identity) = (root.join("etc/systemd/system"), root.join("sys/class/dmi/id"));
    for directory in [&units, &identity, &root.join("run")] {
        fs::create_dir_all(directory).context("make the machine's directories")?;
    }
    for unit in ["install-linux.target", "partition.service", "image-linux.service"] {
        fs::write(units.join(unit), "[Unit]\n").context("write a unit")?;
    }
    fs::write(identity.join("product_uuid"), format!("{uuid}\n")).context("write the UUID")?;
    let systemctl = stand_in(&own)?;
    medium::extract(disc, &files).await?;
    let dispatch = [
        "run".as_ref(),
        "--root".as_ref(),
        root.as_os_str(),
        "--medium".as_ref(),
        files.as_os_str(),
        "--systemctl".as_ref(),
        systemctl.as_os_str(),
    ];
    run(&place.programs.dispatcher, &dispatch).await?;
    let calls = fs::read_to_string(own.join("systemctl.log")).context("read what was started")?;
    ensure!(calls.contains("install-linux.target"), "the dispatcher started {calls:?}");
    let report = [
        "report".as_ref(),
        "--root".as_ref(),
        root.as_os_str(),
        "--status".as_ref(),
        "success".as_ref(),
    ];
    run(&place.programs.reporter, &report).await
}

/// A `systemctl` that writes down how it was called.
fn stand_in(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("systemctl");
    let script = "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"${0%/*}/systemctl.log\"\n";
    fs::write(&path, script).context("write a stand-in for systemctl")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).context("make it executable")?;
    Ok(path)
}
