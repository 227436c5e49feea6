//! Free space, asked before content is accepted: an upload that cannot end is refused before it
//! fills the disk for everybody.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, failed};

/// The file system of the registry.
#[derive(Debug)]
pub(crate) struct Space {
    root: PathBuf,
    /// Bytes that stay free.
    headroom: AtomicU64,
}

impl Space {
    pub(crate) fn new(root: PathBuf, headroom: u64) -> Self {
        Self { root, headroom: AtomicU64::new(headroom) }
    }

    pub(crate) fn set_headroom(&self, bytes: u64) {
        self.headroom.store(bytes, Ordering::Relaxed);
    }

    /// Whether `bytes` more would leave the headroom free.
    pub(crate) fn admit(&self, bytes: u64) -> Result<(), Error> {
        let (free, _) = self.look()?;
        let needed = bytes.saturating_add(self.headroom.load(Ordering::Relaxed));
        if free < needed { Err(Error::DiskFull { free, needed }) } else { Ok(()) }
    }

    /// Bytes that are free, and bytes there are.
    pub(crate) fn look(&self) -> Result<(u64, u64), Error> {
        let found = rustix::fs::statvfs(&self.root)
            .map_err(|error| failed("ask for the free space of", &self.root)(error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok((bytes(found.f_bavail), bytes(found.f_blocks)))
    }
}
