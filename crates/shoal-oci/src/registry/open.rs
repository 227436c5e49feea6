//! Opening, the chores of a running registry, and closing. There is no recovery apart from this:
//! whatever a former process left behind is looked at here, in the ordinary way in.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::pulls::Pulls;
use super::{Inner, Registry, Settings, blocking};
use crate::catalogue::{Catalogue, UploadRow, now};
use crate::config::Config;
use crate::error::Error;
use crate::export::Export;
use crate::journal;
use crate::layout::Layout;
use crate::lease::Leases;
use crate::space::Space;
use crate::upload::{Desk, Session, Step, Uploads, Watch};

/// How often the chores are done.
const CHORES_EVERY: Duration = Duration::from_secs(2);

/// The key under which the catalogue remembers the boot it was last used in.
const BOOT: &str = "boot_id";

impl Registry {
    /// Opens the registry of a directory, or makes one. Blocks; call it before the runtime starts or
    /// from a blocking thread.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Database`], among others when another process has it open;
    /// [`Error::CatalogueLost`], [`Error::RebuildUnfinished`].
    pub fn open(config: Config) -> Result<Self, Error> {
        Self::open_with(config, Watch::default())
    }

    /// [`Registry::open`], telling `watch` of each step of every push, from the thread that does it.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn open_watched(
        config: Config,
        watch: impl Fn(Step) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::open_with(config, Watch::new(watch))
    }

    fn open_with(config: Config, watch: Watch) -> Result<Self, Error> {
        let Config { root, limits, policy, grace, gc_interval } = config;
        let layout = Layout::open(&root, watch)?;
        admit(&layout)?;
        // Opening the catalogue takes the instance lock: nothing is removed before.
        let catalogue = Catalogue::open(&root)?;
        let uploads = reopen_uploads(&layout, &catalogue)?;
        layout.empty_trash()?;
        journal::replay(&layout, &catalogue)?;
        let space = Space::new(root, limits.headroom_bytes);
        let inner = Inner {
            export: Export::default(),
            layout,
            catalogue,
            leases: Arc::new(Leases::new(grace)),
            uploads,
            places: Arc::default(),
            space,
            pulls: Pulls::default(),
            settings: RwLock::new(Arc::new(Settings { limits, policy, gc_interval })),
            reconfigured: Notify::new(),
            collecting: Mutex::new(()),
        };
        let registry = Self { inner: Arc::new(inner) };
        registry.inner.export.write(&registry.inner.layout, &registry.inner.catalogue)?;
        registry.inner.recall_collection()?;
        Ok(registry)
    }

    /// Does the chores until told to stop: stale uploads expire, small content is flushed, the index
    /// is exported, garbage is collected. A chore that fails is logged and tried again.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.run_chores(&stop), self.collect_in_turns(&stop));
    }

    async fn run_chores(&self, stop: &CancellationToken) {
        let mut turns = tokio::time::interval(CHORES_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(turns.tick()).await.is_some() {
            self.chores().await;
        }
    }

    /// Does each chore that is due, once.
    pub async fn chores(&self) {
        if let Err(error) = self.expire_uploads().await {
            tracing::warn!(%error, "stale uploads were not removed");
        }
        let registry = self.clone();
        let written = blocking(move || {
            let Inner { layout, catalogue, export, pulls, .. } = &*registry.inner;
            journal::settle(layout, catalogue)?;
            pulls.write_if_due(catalogue);
            export.write_if_due(layout, catalogue)
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "the registry's files were not brought up to date");
        }
    }

    /// Removes uploads that nobody touched for the configured time; how many.
    ///
    /// # Errors
    /// [`Error::Database`]; what was not removed is tried again.
    pub async fn expire_uploads(&self) -> Result<usize, Error> {
        let age = self.settings().limits.upload_age;
        let mut expired = 0;
        for session in self.inner.uploads.untouched_for(age) {
            let Some(claim) = session.try_claim() else { continue };
            self.give_up(claim).await?;
            expired += 1;
            tracing::info!(upload = %session.id, repository = %session.repository, "stale upload removed");
        }
        Ok(expired)
    }

    /// Brings the files up to date and closes the database. Requests under way fail.
    ///
    /// # Errors
    /// [`Error::Database`]; nothing is lost then.
    pub async fn close(&self) -> Result<(), Error> {
        self.chores().await;
        let registry = self.clone();
        blocking(move || {
            let Inner { layout, catalogue, export, pulls, .. } = &*registry.inner;
            pulls.write(catalogue);
            export.write_if_behind(layout, catalogue)
        })
        .await?;
        Ok(self.inner.catalogue.database().close().await?)
    }
}

/// An empty catalogue made beside content would have the next export and collection destroy what a
/// rebuild needs.
fn admit(layout: &Layout) -> Result<(), Error> {
    if layout.is_rebuilding() {
        return Err(Error::RebuildUnfinished);
    }
    let path = layout.root().join("registry.db");
    if layout.root().join("index.json").exists() && !path.exists() {
        return Err(Error::CatalogueLost { path });
    }
    Ok(())
}

/// The sessions of the former process, each with what is still certain of its bytes.
fn reopen_uploads(layout: &Layout, catalogue: &Catalogue) -> Result<Uploads, Error> {
    let rows = catalogue.uploads()?;
    let known: HashSet<_> = rows.iter().map(|row| row.id).collect();
    layout.remove_strays(|id| known.contains(&id))?;
    // While the machine was not restarted, what was written is in the file, flushed or not.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let same_boot = !boot.is_empty() && catalogue.state(BOOT)?.as_ref() == Some(&boot);
    if !same_boot {
        catalogue.set_state(BOOT, boot)?;
    }
    let uploads = Uploads::default();
    for row in rows {
        let session = reopen(layout, catalogue, &row, same_boot);
        uploads.open(session, usize::MAX)?;
    }
    Ok(uploads)
}

fn reopen(layout: &Layout, catalogue: &Catalogue, row: &UploadRow, same_boot: bool) -> Session {
    let written = std::fs::metadata(layout.upload(row.id)).map_or(0, |found| found.len());
    let offset = if same_boot { written } else { written.min(row.durable_bytes) };
    let desk = Desk::new(layout, row.id, row.algorithm, offset, Some(catalogue.clone()));
    // A clock that went back makes a session younger, never older.
    let idle = u64::try_from(now().saturating_sub(row.touched_at)).unwrap_or(0);
    Session::new(row.id, row.repository.clone(), desk, Duration::from_secs(idle))
}
