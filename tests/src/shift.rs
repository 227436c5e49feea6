//! The controller's clocks, moved from outside while it runs: an hour passes at once, or the wall
//! clock jumps. `libfaketime` stands between the process and the kernel and reads its orders from a
//! file, at every look at a clock, so that whoever wrote the file knows that it holds.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::Config;

/// Where distributions put their libraries; each architecture has a directory of its own there.
const PLACES: [&str; 2] = ["/usr/lib", "/usr/lib64"];
/// The build for programs of several threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Which clocks move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// The wall clock alone, as when somebody sets it.
    Wall,
    /// Wall clock and monotonic clock, as when time passes.
    Time,
}

/// The hand on one controller's clocks. It survives the process.
#[derive(Clone, Debug)]
pub struct Shift {
    library: PathBuf,
    orders: PathBuf,
    moves: Moves,
}

impl Shift {
    /// A hand whose orders are kept in `directory`, which exists; the clocks go right at first.
    ///
    /// # Errors
    /// When `libfaketime` is not installed.
    pub fn new(directory: &Path, moves: Moves) -> Result<Self> {
        let library = library().context(
            "libfaketime is not installed, which moves the clocks of a process: \
             apt-get install -y faketime",
        )?;
        let shift = Self { library, orders: directory.join("clock-shift"), moves };
        shift.to(0)?;
        Ok(shift)
    }

    /// The configuration of a controller whose clocks this hand moves.
    #[must_use]
    pub fn on(&self, config: Config) -> Config {
        let config = config
            .set("LD_PRELOAD", self.library.display().to_string())
            .set("FAKETIME_TIMESTAMP_FILE", self.orders.display().to_string())
            .set("FAKETIME_NO_CACHE", "1")
            .set("NO_FAKE_STAT", "1");
        match self.moves {
            Moves::Wall => config.set("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            Moves::Time => config,
        }
    }

    /// From now on the clocks are this many seconds ahead of ours, or behind.
    pub fn to(&self, seconds: i64) -> Result<()> {
        let draft = self.orders.with_extension("new");
        fs::write(&draft, format!("{seconds:+}"))
            .and_then(|()| fs::rename(&draft, &self.orders))
            .with_context(|| format!("write {}", self.orders.display()))
    }
}

fn library() -> Option<PathBuf> {
    let directories = PLACES.iter().flat_map(|place| {
        let inner = fs::read_dir(place).into_iter().flatten();
        let inner = inner.filter_map(|entry| Some(entry.ok()?.path()));
        inner.chain([PathBuf::from(place)])
    });
    directories.map(|directory| directory.join(LIBRARY)).find(|library| library.is_file())
}
