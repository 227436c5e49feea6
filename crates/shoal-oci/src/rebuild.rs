//! A new catalogue for a directory whose database was lost: the files say what content there is, the
//! exported index says which repositories and tags it belonged to. What the index does not know any
//! more, or not yet, belongs to nobody, so nothing is collected until somebody has looked at it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Arrival, Catalogue, Push};
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, failed};
use crate::export::{PUSHED, REF_NAME, REPOSITORY};
use crate::layout::{Layout, remove};
use crate::manifest::Manifest;
use crate::name::{Repository, Tag};
use crate::registry::{UNCONFIRMED, digest_of};
use crate::upload::{JOURNALED_MAX, Watch};

/// Rows written in one transaction.
const BATCH: usize = 256;

/// Most bytes of what is taken for a manifest.
const MANIFEST_MAX: u64 = 64 << 20;

/// What a rebuild found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Blobs, manifests included.
    pub blobs: u64,
    /// Manifests of all repositories.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Manifests the index names that are gone or damaged.
    pub lost: Vec<Digest>,
    /// Manifests of which some content is gone.
    pub incomplete: Vec<Digest>,
    /// Small files that were damaged and put away. Large ones were not read; check them.
    pub damaged: Vec<Digest>,
    /// Blobs that no manifest needs as far as is known.
    pub unclaimed: u64,
    /// Their bytes.
    pub unclaimed_bytes: u64,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Entry {
    /// The repository and the tag, if it has any.
    fn names(&self) -> Option<(Repository, Option<Tag>)> {
        let named = self.annotations.get(REF_NAME).and_then(|name| name.rsplit_once(':'));
        let repository = match (self.annotations.get(REPOSITORY), named) {
            (Some(name), _) => name,
            (None, Some((name, _))) => name,
            (None, None) => return None,
        };
        Some((repository.parse().ok()?, named.and_then(|(_, tag)| tag.parse().ok())))
    }

    /// When its tag was pushed, as a place in the order of all.
    fn pushed(&self) -> u64 {
        self.annotations.get(PUSHED).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Makes the catalogue of a directory anew. No process has the registry open, and its database is
/// gone or was moved away. Killed in between, it can be done again, and nothing else can be done
/// before. Blocks.
///
/// # Errors
/// [`Error::CatalogueExists`], [`Error::BadIndex`], [`Error::Storage`], [`Error::Database`].
pub fn rebuild(root: &Path) -> Result<Rebuilt, Error> {
    let layout = Layout::open(root, Watch::default())?;
    let database = root.join("registry.db");
    if database.exists() && !layout.is_rebuilding() {
        return Err(Error::CatalogueExists { path: database });
    }
    let index = read_index(&root.join("index.json"))?;
    layout.begin_rebuild()?;
    if !database.exists() {
        // What is left of the lost database would be taken for a part of the new one.
        remove(&root.join("registry.db-wal"))?;
        remove(&root.join("registry.db-shm"))?;
    }
    let catalogue = Catalogue::open(root)?;
    catalogue.set_state(UNCONFIRMED, String::new())?;
    let mut rebuilt = Rebuilt::default();
    for algorithm in Algorithm::ALL {
        adopt_files(&layout, &catalogue, algorithm, &mut rebuilt)?;
    }
    adopt_entries(&layout, &catalogue, index, &mut rebuilt)?;
    (rebuilt.unclaimed, rebuilt.unclaimed_bytes) = catalogue.unclaimed()?;
    layout.end_rebuild()?;
    Ok(rebuilt)
}

fn read_index(path: &Path) -> Result<Vec<Entry>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let index: Index = serde_json::from_reader(BufReader::new(file))
        .map_err(|source| Error::BadIndex { path: path.to_owned(), source })?;
    let mut entries = index.manifests;
    entries.sort_by_key(Entry::pushed);
    Ok(entries)
}

fn adopt_files(
    layout: &Layout,
    catalogue: &Catalogue,
    algorithm: Algorithm,
    rebuilt: &mut Rebuilt,
) -> Result<(), Error> {
    let directory = layout.blobs(algorithm);
    let mut batch = Vec::with_capacity(BATCH);
    for entry in fs::read_dir(&directory).map_err(failed("list", &directory))? {
        let name = entry.map_err(failed("list", &directory))?.file_name();
        let parsed = name.to_str().map(|hex| format!("{algorithm}:{hex}").parse::<Digest>());
        let Some(Ok(digest)) = parsed else { continue };
        let path = layout.blob(&digest);
        let (file, size) = layout.open_blob(&digest).map_err(failed("open", &path))?;
        // Larger ones were flushed before they got their names.
        let doubtful = size <= JOURNALED_MAX;
        let found = || digest_of(&file, &digest, || true).map_err(failed("read", &path));
        if doubtful && found()? != Some(digest) {
            tracing::error!(%digest, size, "blob is damaged: it is put away");
            layout.quarantine(&digest)?;
            rebuilt.damaged.push(digest);
            continue;
        }
        batch.push((digest, size));
        if batch.len() >= BATCH {
            rebuilt.blobs += catalogue.adopt_blobs(std::mem::take(&mut batch))?;
        }
    }
    rebuilt.blobs += catalogue.adopt_blobs(batch)?;
    Ok(())
}

fn adopt_entries(
    layout: &Layout,
    catalogue: &Catalogue,
    index: Vec<Entry>,
    rebuilt: &mut Rebuilt,
) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    let mut batch = Vec::new();
    for entry in index {
        let (Ok(digest), Some((repository, tag))) = (entry.digest.parse(), entry.names()) else {
            continue;
        };
        let Some((manifest, size)) = read_manifest(layout, digest, &entry.media_type) else {
            rebuilt.lost.push(digest);
            continue;
        };
        rebuilt.manifests += u64::from(seen.insert((repository.clone(), digest)));
        rebuilt.tags += u64::from(tag.is_some());
        batch.push(Push {
            repository,
            manifest,
            arrival: Arrival { digest, size, unsettled: None },
            tags: tag.into_iter().collect(),
            tags_may_move: true,
            quota: None,
        });
        if batch.len() >= BATCH {
            adopt_batch(catalogue, std::mem::take(&mut batch), rebuilt)?;
        }
    }
    adopt_batch(catalogue, batch, rebuilt)
}

fn adopt_batch(
    catalogue: &Catalogue,
    batch: Vec<Push>,
    rebuilt: &mut Rebuilt,
) -> Result<(), Error> {
    let digests: Vec<_> = batch.iter().map(|push| push.arrival.digest).collect();
    for (digest, missing) in digests.into_iter().zip(catalogue.adopt_manifests(batch)?) {
        if missing && !rebuilt.incomplete.contains(&digest) {
            rebuilt.incomplete.push(digest);
        }
    }
    Ok(())
}

/// A manifest that is there, whole, and can be understood.
fn read_manifest(layout: &Layout, digest: Digest, media_type: &str) -> Option<(Manifest, u64)> {
    let (file, size) = layout.open_blob(&digest).ok()?;
    let mut content = Vec::new();
    file.take(MANIFEST_MAX).read_to_end(&mut content).ok()?;
    if Digest::of(digest.algorithm(), &content) != digest {
        return None;
    }
    Some((Manifest::parse(Some(media_type), &content).ok()?, size))
}
