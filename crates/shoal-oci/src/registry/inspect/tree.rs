//! A manifest with everything below it, for people: what its own text says of its parts, and what of
//! that is there.

use std::io::Read as _;

use serde::{Deserialize, Serialize};

use super::{Registry, blocking};
use crate::catalogue::ManifestRow;
use crate::digest::Digest;
use crate::error::Error;
use crate::name::{Reference, Repository, Tag};

/// Manifests told of one tree, and parts of one manifest.
const PARTS_MAX: usize = 500;

/// How deep indexes and referrers are followed.
const DEPTH_MAX: usize = 8;

/// Longest text of a manifest that is read.
const TEXT_MAX: u64 = 64 << 20;

/// A manifest, what it needs, and what refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestTree {
    /// Its digest.
    pub digest: Digest,
    /// Its type; empty when it is not in the repository.
    pub media_type: String,
    /// What kind of artifact it says to be.
    pub artifact_type: Option<String>,
    /// The platform its index says it is for, such as `linux/amd64`.
    pub platform: Option<String>,
    /// Bytes of the manifest itself.
    pub bytes: u64,
    /// When it was pushed, Unix seconds; none when it is not in the repository.
    pub pushed_at: Option<i64>,
    /// Tags that point at it, at most a hundred.
    pub tags: Vec<Tag>,
    /// The manifest it refers to.
    pub subject: Option<Digest>,
    /// Config and layers.
    pub contents: Vec<ContentState>,
    /// The manifests it lists.
    pub manifests: Vec<Self>,
    /// Manifests that refer to it.
    pub referrers: Vec<Self>,
    /// Its text could not be read, or there is more below it than is told.
    pub incomplete: bool,
}

/// A config or a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentState {
    /// `config`, `layer` or `blob`.
    pub role: &'static str,
    /// Its digest.
    pub digest: Digest,
    /// Its type.
    pub media_type: String,
    /// Bytes, as the manifest says.
    pub bytes: u64,
    /// What its annotations call it, such as a file name.
    pub title: Option<String>,
    /// Whether this repository can be asked for it.
    pub present: bool,
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
    platform: Option<Platform>,
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Platform {
    fn word(&self) -> String {
        let Self { os, architecture, variant } = self;
        let variant = variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("{os}/{architecture}{variant}")
    }
}

impl Registry {
    /// A manifest with everything below it, as far as eight levels and some hundred manifests.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`], [`Error::Database`].
    pub async fn tree(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<ManifestTree, Error> {
        let unknown = || Error::ManifestUnknown { reference: reference.clone() };
        let stored = self.inner.catalogue.manifest(repository, reference).await?;
        let digest = stored.ok_or_else(unknown)?.digest;
        let (registry, repository) = (self.clone(), repository.clone());
        blocking(move || {
            let mut growing = Growing { registry: &registry, repository, left: PARTS_MAX };
            growing.grow(digest, None, 0)
        })
        .await
    }
}

/// A tree being made.
struct Growing<'a> {
    registry: &'a Registry,
    repository: Repository,
    /// Manifests that may still be told.
    left: usize,
}

impl Growing<'_> {
    fn grow(
        &mut self,
        digest: Digest,
        platform: Option<String>,
        depth: usize,
    ) -> Result<ManifestTree, Error> {
        self.left = self.left.saturating_sub(1);
        let mut tree = ManifestTree {
            digest,
            media_type: String::new(),
            artifact_type: None,
            platform,
            bytes: 0,
            pushed_at: None,
            tags: Vec::new(),
            subject: None,
            contents: Vec::new(),
            manifests: Vec::new(),
            referrers: Vec::new(),
            incomplete: false,
        };
        let Some(row) = self.registry.inner.catalogue.manifest_row(&self.repository, digest)?
        else {
            tree.incomplete = true;
            return Ok(tree);
        };
        let ManifestRow { referrers, size, pushed_at, .. } = row;
        (tree.media_type, tree.artifact_type) = (row.media_type, row.artifact_type);
        (tree.bytes, tree.pushed_at, tree.tags) = (size, Some(pushed_at), row.tags);
        tree.subject = row.subject;
        let text = self.text(digest);
        tree.incomplete = text.is_none();
        let text = text.unwrap_or_default();
        self.fill(&mut tree, &text)?;
        let children = text.manifests.unwrap_or_default();
        let children = children.iter().filter_map(|part| {
            Some((part.digest.parse().ok()?, part.platform.as_ref().map(Platform::word)))
        });
        for (child, platform) in children {
            match self.deeper(depth) {
                Some(depth) => tree.manifests.push(self.grow(child, platform, depth)?),
                None => tree.incomplete = true,
            }
        }
        for referrer in referrers {
            match self.deeper(depth) {
                Some(depth) => tree.referrers.push(self.grow(referrer, None, depth)?),
                None => tree.incomplete = true,
            }
        }
        Ok(tree)
    }

    /// The next level, if there may be one.
    fn deeper(&self, depth: usize) -> Option<usize> {
        (self.left > 0 && depth < DEPTH_MAX).then_some(depth + 1)
    }

    fn fill(&self, tree: &mut ManifestTree, text: &Text) -> Result<(), Error> {
        let layers = text.layers.iter().flatten().map(|part| ("layer", part));
        let blobs = text.blobs.iter().flatten().map(|part| ("blob", part));
        let parts = text.config.iter().map(|part| ("config", part)).chain(layers).chain(blobs);
        for (role, part) in parts {
            let Ok(digest) = part.digest.parse::<Digest>() else { continue };
            if tree.contents.len() >= PARTS_MAX {
                tree.incomplete = true;
                return Ok(());
            }
            let title = part.annotations.as_ref();
            let title = title.and_then(|all| all.get("org.opencontainers.image.title")).cloned();
            tree.contents.push(ContentState {
                role,
                digest,
                media_type: part.media_type.clone(),
                bytes: part.size,
                title,
                present: self.registry.inner.catalogue.serves_blob(&self.repository, digest)?,
            });
        }
        Ok(())
    }

    /// What the manifest says; none if its file cannot be read.
    fn text(&self, digest: Digest) -> Option<Text> {
        let (file, _) = self.registry.inner.layout.open_blob(&digest).ok()?;
        let mut bytes = Vec::new();
        file.take(TEXT_MAX).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}
