//! What belongs to an artifact: its manifest, those below it, those that refer to it, and the blobs of
//! all of them. Manifests are small and are held until they are pushed; blobs are only named.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::CopyError;
use super::digest::Digest;
use super::remote::Remote;

/// Manifests that are copied at once.
const MANIFESTS_MAX: usize = 10_000;

/// Bytes of all of them.
const BYTES_MAX: usize = 256 << 20;

/// A manifest as it is stored.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) text: Vec<u8>,
}

/// A blob as manifests name it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Everything an artifact consists of.
#[derive(Debug)]
pub(super) struct Collected {
    /// The manifest that was asked for.
    pub(super) root: Digest,
    /// Each after those it lists.
    pub(super) manifests: Vec<Manifest>,
    /// Each once.
    pub(super) blobs: Vec<Blob>,
    /// Layers that registries do not hold.
    pub(super) foreign: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Text {
    config: Option<Part>,
    layers: Option<Vec<Part>>,
    blobs: Option<Vec<Part>>,
    manifests: Option<Vec<Part>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part {
    media_type: String,
    digest: String,
    size: u64,
}

impl Part {
    /// Layers that only whoever may distribute them holds.
    fn is_foreign(&self) -> bool {
        self.media_type.contains(".nondistributable.") || self.media_type.contains(".foreign.")
    }
}

/// What is still to be done with a manifest.
enum Step {
    Look(String),
    Keep(Manifest),
}

/// Collects what `reference` consists of, with its referrers if they are wanted.
pub(super) async fn collect(
    source: &Remote,
    reference: &str,
    referrers: bool,
) -> Result<Collected, CopyError> {
    let first = source.manifest(reference).await?;
    let root = first.digest.clone();
    let mut open = Vec::new();
    let mut gathering = Gathering::default();
    gathering.seen.insert(root.to_string());
    gathering.enter(first, &mut open, referrers.then_some(source)).await?;
    while let Some(step) = open.pop() {
        match step {
            Step::Keep(manifest) => gathering.manifests.push(manifest),
            Step::Look(reference) => {
                if gathering.seen.insert(reference.clone()) {
                    let manifest = source.manifest(&reference).await?;
                    gathering.enter(manifest, &mut open, referrers.then_some(source)).await?;
                }
            }
        }
    }
    let blobs = gathering.blobs.into_iter().map(|(digest, size)| Blob { digest, size }).collect();
    let Gathering { manifests, foreign, .. } = gathering;
    Ok(Collected { root, manifests, blobs, foreign })
}

#[derive(Default)]
struct Gathering {
    seen: HashSet<String>,
    manifests: Vec<Manifest>,
    blobs: BTreeMap<Digest, u64>,
    bytes: usize,
    foreign: usize,
}

impl Gathering {
    /// Notes what a manifest needs, and that it is kept once that was looked at.
    async fn enter(
        &mut self,
        manifest: Manifest,
        open: &mut Vec<Step>,
        referrers_at: Option<&Remote>,
    ) -> Result<(), CopyError> {
        let digest = manifest.digest.clone();
        self.bytes += manifest.text.len();
        if self.seen.len() > MANIFESTS_MAX || self.bytes > BYTES_MAX {
            let what = "its manifests are too many or too large";
            return Err(CopyError::TooMuch { digest: digest.to_string(), what });
        }
        let text: Text = serde_json::from_slice(&manifest.text).map_err(|_| {
            let (registry, call) = (digest.to_string(), "GET manifest".to_owned());
            CopyError::BadAnswer { registry, call, why: "it is no manifest" }
        })?;
        open.push(Step::Keep(manifest));
        let parts = text.config.into_iter().chain(text.layers.into_iter().flatten());
        for part in parts.chain(text.blobs.into_iter().flatten()) {
            match part.digest.parse() {
                Ok(_) if part.is_foreign() => self.foreign += 1,
                Ok(digest) => drop(self.blobs.insert(digest, part.size)),
                Err(()) => return Err(odd(&digest)),
            }
        }
        for child in text.manifests.into_iter().flatten() {
            let child: Digest = child.digest.parse().map_err(|()| odd(&digest))?;
            open.push(Step::Look(child.to_string()));
        }
        if let Some(source) = referrers_at {
            let referrers = source.referrers(&digest).await?;
            open.extend(referrers.into_iter().map(|it| Step::Look(it.to_string())));
        }
        Ok(())
    }
}

/// A manifest that names something by a hash nobody here knows.
fn odd(digest: &Digest) -> CopyError {
    let (registry, call) = (digest.to_string(), "GET manifest".to_owned());
    CopyError::BadAnswer { registry, call, why: "a digest in it is none" }
}

/// The digests an index lists.
pub(super) fn listed(index: &[u8]) -> Option<Vec<Digest>> {
    let text: Text = serde_json::from_slice(index).ok()?;
    text.manifests.unwrap_or_default().iter().map(|part| part.digest.parse().ok()).collect()
}
