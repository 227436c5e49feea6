//! What the content costs: which repositories hold most, how much of that others have as well, and
//! what a collection would free now or once nobody may count on it any more.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::{Registry, blocking};
use crate::catalogue::RepositoryState;
use crate::error::{Error, failed};
use crate::quota;

/// What is stored, and what of it could go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Blobs, manifests included.
    pub blobs: u64,
    /// Their bytes, each blob once.
    pub bytes: u64,
    /// Repositories.
    pub repositories: u64,
    /// Bytes of uploads that have not ended.
    pub upload_bytes: u64,
    /// Bytes of damaged files that were put away.
    pub quarantine_bytes: u64,
    /// Bytes that a collection would free now, those that retention rules would give up excepted.
    pub reclaimable_bytes: u64,
    /// Bytes that nothing needs and a client may still count on.
    pub leased_bytes: u64,
    /// Bytes of the file system that are free.
    pub free_bytes: u64,
    /// Bytes of the file system.
    pub disk_bytes: u64,
    /// Bytes that uploads leave free.
    pub headroom_bytes: u64,
    /// The repositories that hold most, the largest first.
    pub top: Vec<RepositoryUsage>,
}

/// What one repository costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryUsage {
    /// What it holds.
    #[serde(flatten)]
    pub state: RepositoryState,
    /// Bytes that no other repository has: what would be free if it were gone.
    pub own_bytes: u64,
    /// Bytes that other repositories have as well.
    pub shared_bytes: u64,
    /// Bytes among its own that a collection would free now.
    pub reclaimable_bytes: u64,
    /// Most bytes it may hold.
    pub quota_bytes: Option<u64>,
}

impl Registry {
    /// What is stored, and the `top` repositories that hold most.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Storage`].
    pub async fn usage(&self, top: u32) -> Result<Usage, Error> {
        let registry = self.clone();
        blocking(move || registry.usage_now(top)).await
    }

    fn usage_now(&self, top: u32) -> Result<Usage, Error> {
        let inner = &*self.inner;
        let settings = self.settings();
        let mut repositories = Vec::new();
        for (row, state) in inner.catalogue.largest(top)? {
            let share = inner.catalogue.share(row, &inner.leases)?;
            repositories.push(RepositoryUsage {
                own_bytes: share.own,
                shared_bytes: state.bytes.saturating_sub(share.own),
                reclaimable_bytes: share.reclaimable,
                quota_bytes: quota::limit_of(&settings.policy.quotas, &state.repository),
                state,
            });
        }
        let (reclaimable_bytes, leased_bytes) = self.garbage_bytes()?;
        let (blobs, bytes) = inner.catalogue.totals();
        let (free_bytes, disk_bytes) = inner.space.look()?;
        Ok(Usage {
            blobs,
            bytes,
            repositories: inner.catalogue.repository_count()?,
            upload_bytes: self.uploads().iter().map(|upload| upload.received).sum(),
            quarantine_bytes: bytes_in(&inner.layout.root().join("quarantine"))?,
            reclaimable_bytes,
            leased_bytes,
            free_bytes,
            disk_bytes,
            headroom_bytes: settings.limits.headroom_bytes,
            top: repositories,
        })
    }

    /// Bytes of blobs that nothing needs: those that can go now, and those somebody may count on.
    fn garbage_bytes(&self) -> Result<(u64, u64), Error> {
        let (mut now, mut later) = (0, 0);
        let mut last = String::new();
        loop {
            let page = self.inner.catalogue.garbage(&last, "[]")?;
            let Some(end) = page.last() else { return Ok((now, later)) };
            last = end.digest.to_string();
            for garbage in page.iter().filter(|garbage| garbage.whole) {
                let leased = self.inner.leases.is_leased(&garbage.digest);
                *(if leased { &mut later } else { &mut now }) += garbage.size;
            }
        }
    }
}

/// Bytes of the files of a directory.
fn bytes_in(directory: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        bytes += entry.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}
