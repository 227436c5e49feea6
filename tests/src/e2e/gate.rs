//! A gate before a machine's word: its report of success waits until the test lets it through, so
//! that what is done meanwhile is done while the machine installs, however long it takes.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use anyhow::{Context, Result};

use crate::suite::Place;

/// Stands in for the reporter, which lies beside it. A lock ends with whoever holds it, so nothing
/// waits for a test that is gone.
const REPORTER: &str = "#!/bin/sh
at=${0%/*}
case \" $* \" in
*' --status success '*) exec flock --no-fork --shared \"$at/gate\" \"$at/shoal-tool\" \"$@\" ;;
esac
exec \"$at/shoal-tool\" \"$@\"
";

/// A gate that is shut. It opens at the latest when it is dropped.
#[derive(Debug)]
pub(crate) struct Gate {
    lock: File,
    reporter: PathBuf,
}

impl Gate {
    /// Shuts a gate for the machines of a stage.
    pub(crate) fn shut(place: &Place) -> Result<Self> {
        let directory = place.directory.join("gate");
        fs::create_dir_all(&directory).context("make a place for a gate")?;
        let lock = File::create(directory.join("gate")).context("make a gate")?;
        lock.lock().context("shut a gate")?;
        let reporter = directory.join("reporter");
        fs::write(&reporter, REPORTER).context("write a stand-in for the reporter")?;
        fs::set_permissions(&reporter, fs::Permissions::from_mode(0o755))
            .context("make the stand-in executable")?;
        symlink(&place.programs.reporter, directory.join("shoal-tool"))
            .context("put the reporter beside its stand-in")?;
        Ok(Self { lock, reporter })
    }

    /// What machines are to report with.
    pub(crate) fn reporter(&self) -> PathBuf {
        self.reporter.clone()
    }

    /// Lets the reports through.
    pub(crate) fn open(self) -> Result<()> {
        self.lock.unlock().context("open a gate")
    }
}
