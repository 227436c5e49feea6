//! The use cases: one method per verb of the protocol, each with the error it can end in. Nothing
//! here knows HTTP; nothing outside knows files and rows.

mod check;
mod collect;
mod delete;
mod inspect;
mod list;
mod open;
mod pull;
mod pulls;
mod push;
mod push_manifest;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::catalogue::Catalogue;
use crate::config::{Config, Limits, Policy};
use crate::error::Error;
use crate::export::Export;
use crate::layout::Layout;
use crate::lease::Leases;
use crate::name::Repository;
use crate::quota;
use crate::space::Space;
use crate::upload::{Places, Receiving, Uploads};

use pulls::Pulls;

pub(crate) use check::digest_of;
pub use check::{Checked, Damage, Fault, Healed};
pub(crate) use collect::UNCONFIRMED;
pub use inspect::{
    Asked, ContentState, ManifestTree, RepositoryUsage, UploadInspected, Usage, Verdicts,
};
pub use list::UploadState;
pub use pull::{Blob, Content};
pub use push::{ContentRange, Incoming, Started};
pub use push_manifest::Pushed;

/// An open registry. Clones share it.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    catalogue: Catalogue,
    leases: Arc<Leases>,
    uploads: Uploads,
    places: Arc<Places>,
    space: Space,
    pulls: Pulls,
    export: Export,
    settings: RwLock<Arc<Settings>>,
    /// The settings are not what they were.
    reconfigured: Notify,
    /// One collection at a time.
    collecting: Mutex<()>,
}

/// What can be changed while the registry runs.
#[derive(Debug, Clone)]
struct Settings {
    limits: Limits,
    policy: Policy,
    gc_interval: Option<Duration>,
}

impl Registry {
    /// The directory.
    pub fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    /// The truth about what is in it.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// The promises made to clients.
    pub fn leases(&self) -> &Arc<Leases> {
        &self.inner.leases
    }

    /// Changes limits, policy, grace and interval of a running registry; requests under way keep theirs. The
    /// directory stays.
    pub fn reconfigure(&self, config: &Config) {
        self.inner.leases.set_grace(config.grace);
        self.inner.space.set_headroom(config.limits.headroom_bytes);
        let (limits, policy) = (config.limits.clone(), config.policy.clone());
        let mut settings = self.inner.settings.write().unwrap_or_else(PoisonError::into_inner);
        *settings = Arc::new(Settings { limits, policy, gc_interval: config.gc_interval });
        self.inner.reconfigured.notify_waiters();
    }

    /// Most bytes of a manifest.
    pub fn manifest_bytes_max(&self) -> usize {
        self.settings().limits.manifest_bytes
    }

    /// How long a sender may be silent.
    pub(crate) fn idle(&self) -> Duration {
        self.settings().limits.idle
    }

    /// How long a receiver may take nothing.
    pub(crate) fn stall(&self) -> Duration {
        self.settings().limits.stall
    }

    /// A place among those who send content.
    ///
    /// # Errors
    /// [`Error::TooManyUploads`].
    pub(crate) async fn enter(&self) -> Result<Receiving, Error> {
        let Limits { receiving, patience, .. } = self.settings().limits;
        self.inner.places.enter(receiving, patience).await
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.inner.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether content may be put into the repository.
    fn admit_push(&self, repository: &Repository) -> Result<Arc<Settings>, Error> {
        let settings = self.settings();
        if settings.policy.read_only {
            return Err(Error::ReadOnly);
        }
        if !settings.policy.may_push(repository) {
            return Err(Error::PushDenied { repository: repository.clone() });
        }
        Ok(settings)
    }

    /// Whether the repository holds no more than it may; what it may hold.
    async fn admit_quota(
        &self,
        settings: &Settings,
        repository: &Repository,
    ) -> Result<Option<u64>, Error> {
        let quota = quota::limit_of(&settings.policy.quotas, repository);
        if quota.is_some() {
            quota::admit(repository, quota, self.inner.catalogue.usage(repository).await?)?;
        }
        Ok(quota)
    }

    /// Whether anything may be deleted.
    fn admit_delete(&self) -> Result<(), Error> {
        let settings = self.settings();
        if settings.policy.read_only {
            return Err(Error::ReadOnly);
        }
        if settings.policy.allow_delete { Ok(()) } else { Err(Error::DeleteDisabled) }
    }
}

/// Carries on to the end even if nobody waits any more: of a client that hangs up only the answer may
/// be lost, never a part of what its request does.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work.in_current_span()).await.unwrap_or(Err(Error::Closed))
}

/// Runs what blocks on a thread that may, to its end even if nobody waits any more.
async fn blocking<T: Send + 'static>(
    body: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(body).await.unwrap_or(Err(Error::Closed))
}
