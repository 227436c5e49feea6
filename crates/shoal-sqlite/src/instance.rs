//! The instance lock: one process per database, decided by the kernel and not by a pid file that a
//! crash leaves behind.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::filesystem::{failed, sibling};

/// A lock file is one line; whatever is longer is not ours.
const LONGEST_NOTE: u64 = 4096;

/// Who holds an instance lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id, in the holder's pid namespace. 0 when the note could not be read.
    pub pid: u32,
    /// The name the holder gave itself.
    pub instance: String,
    /// Unix seconds at which it took the lock.
    pub started_at: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a process that left no note");
        }
        write!(f, "pid {} ({}, since {})", self.pid, self.instance, self.started_at)
    }
}

/// The lock of one database; dropping it frees it. The file stays: removing it would let two
/// openers lock two different files of the same name.
#[derive(Debug)]
pub(crate) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock `<path>.lock` or says who has it. Never waits.
    pub(crate) fn take(path: &Path, instance: &str) -> Result<Self, Error> {
        let lock = sibling(path, ".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(failed("open", &lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Held { lock, holder: read_note(&file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &lock)(source)),
        }
        write_note(&mut file, instance).map_err(failed("write", &lock))?;
        Ok(Self { _file: file })
    }
}

fn write_note(file: &mut File, instance: &str) -> std::io::Result<()> {
    let holder = Holder {
        pid: std::process::id(),
        instance: instance.to_owned(),
        started_at: unix_seconds(),
    };
    let note = serde_json::to_vec(&holder)?;
    file.set_len(0)?;
    file.write_all(&note)
}

/// The holder may be between taking the lock and writing its note; then nobody is named.
fn read_note(file: &File) -> Holder {
    let mut note = Vec::new();
    match file.take(LONGEST_NOTE).read_to_end(&mut note) {
        Ok(_) => serde_json::from_slice(&note).unwrap_or_default(),
        Err(_) => Holder::default(),
    }
}

/// Wall time in whole seconds since 1970; 0 for a clock before that.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
