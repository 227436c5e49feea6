//! `index.json`: the catalogue's manifests as an OCI image layout shows them. It is an export for
//! other tools and for the day the database is lost, never read while there is a database. It is
//! replaced as a whole, and not more often than it is worth.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use shoal_sqlite::rusqlite::Transaction;

use crate::catalogue::{Catalogue, Size};
use crate::digest::Digest;
use crate::error::Error;
use crate::layout::Layout;
use crate::manifest::OCI_INDEX;

/// At least this long between two exports, and this many times as long as the last one took.
const PAUSE_LEAST: Duration = Duration::from_secs(5);
const PAUSE_TIMES: u32 = 20;

/// The annotation that says which repository a manifest belongs to.
pub(crate) const REPOSITORY: &str = "dev.shoal.repository";
/// The annotation that names a tagged manifest, as `repository:tag`.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that orders the tags of a repository by when they were pushed.
pub(crate) const PUSHED: &str = "dev.shoal.pushed";

/// Whether the file is behind the catalogue, and when it may follow.
#[derive(Debug, Default)]
pub(crate) struct Export {
    behind: AtomicBool,
    not_before: Mutex<Option<Instant>>,
}

impl Export {
    /// The catalogue's manifests or tags changed.
    pub(crate) fn note_change(&self) {
        self.behind.store(true, Ordering::Release);
    }

    /// Writes the file if something changed and the last time is long enough ago. Blocks.
    pub(crate) fn write_if_due(&self, layout: &Layout, catalogue: &Catalogue) -> Result<(), Error> {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let due = not_before.is_none_or(|time| time <= Instant::now());
        if due { self.write_if_behind(layout, catalogue) } else { Ok(()) }
    }

    /// Writes the file if something changed. Blocks.
    pub(crate) fn write_if_behind(
        &self,
        layout: &Layout,
        catalogue: &Catalogue,
    ) -> Result<(), Error> {
        if self.behind.load(Ordering::Acquire) { self.write(layout, catalogue) } else { Ok(()) }
    }

    /// Writes the file. Blocks.
    pub(crate) fn write(&self, layout: &Layout, catalogue: &Catalogue) -> Result<(), Error> {
        let started = Instant::now();
        // What changes from here on may be missing in the file, so it counts as changed again.
        self.behind.store(false, Ordering::Release);
        let written = catalogue
            .database()
            .read_blocking(|tx| layout.replace("index.json", |file| write_index(tx, file)));
        if written.is_err() {
            self.behind.store(true, Ordering::Release);
        }
        let pause = PAUSE_LEAST.max(started.elapsed() * PAUSE_TIMES);
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = Some(Instant::now() + pause);
        written
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: String,
    size: u64,
    annotations: serde_json::Map<String, serde_json::Value>,
}

/// One descriptor per tag, and one per manifest without any.
fn write_index(tx: &Transaction<'_>, file: &mut File) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write!(out, r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":["#)?;
    let mut query = tx
        .prepare_cached(
            "SELECT repositories.name, tags.name, manifests.digest, media_type, size, tags.pushed
             FROM manifests
             JOIN repositories ON repositories.id = manifests.repository
             JOIN blobs ON blobs.digest = manifests.digest
             LEFT JOIN tags ON tags.manifest = manifests.id
             ORDER BY manifests.id, tags.name",
        )
        .map_err(io::Error::other)?;
    let mut rows = query.query([]).map_err(io::Error::other)?;
    let mut first = true;
    while let Some(row) = rows.next().map_err(io::Error::other)? {
        let read = || -> shoal_sqlite::rusqlite::Result<_> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        };
        let (repository, tag, digest, media_type, size, pushed): (
            String,
            Option<String>,
            Digest,
            String,
            Size,
            Option<i64>,
        ) = read().map_err(io::Error::other)?;
        let mut annotations = serde_json::Map::new();
        if let Some(tag) = tag {
            annotations.insert(REF_NAME.to_owned(), format!("{repository}:{tag}").into());
        }
        if let Some(pushed) = pushed {
            annotations.insert(PUSHED.to_owned(), pushed.to_string().into());
        }
        annotations.insert(REPOSITORY.to_owned(), repository.into());
        let digest = digest.to_string();
        if !std::mem::take(&mut first) {
            out.write_all(b",\n")?;
        }
        serde_json::to_writer(
            &mut out,
            &Descriptor { media_type: &media_type, digest, size: size.0, annotations },
        )?;
    }
    out.write_all(b"]}")?;
    out.flush()
}
