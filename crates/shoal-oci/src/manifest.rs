//! What a manifest says, as far as the registry has to know: what it needs, whom it refers to, and
//! what a listing of referrers shows of it. The bytes themselves are never rewritten.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::{BadDigest, Digest};

const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI index, which is also what lists referrers.
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Longest media type and artifact type, in bytes, as RFC 6838 has it with some room.
const TYPE_LENGTH_MAX: usize = 255;

/// Layers of these types are kept elsewhere by whoever may distribute them.
const FOREIGN_LAYERS: [&str; 4] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// A manifest cannot be accepted as what it is pushed as.
#[derive(Debug, thiserror::Error)]
pub enum BadManifest {
    /// It is no JSON of the right shape.
    #[error("understand the manifest")]
    Json(#[from] serde_json::Error),
    /// Neither the request nor the manifest says what it is.
    #[error("tell what the manifest is: send a Content-Type")]
    NoMediaType,
    /// It is of a kind whose references are not known here.
    #[error("understand a manifest of type {0:?}")]
    UnknownMediaType(String),
    /// The request and the manifest disagree.
    #[error("tell what the manifest is: Content-Type says {header:?}, mediaType {body:?}")]
    MediaTypeMismatch {
        /// The request's.
        header: String,
        /// The manifest's.
        body: String,
    },
    /// It is of another version.
    #[error("understand schema version {0}: it must be 2")]
    SchemaVersion(u64),
    /// An image without a config.
    #[error("find the config of the image manifest")]
    NoConfig,
    /// A digest in it is none.
    #[error("understand the digest {text:?}")]
    Digest {
        /// What is there instead.
        text: String,
        /// Why it is none.
        source: BadDigest,
    },
    /// A media type or artifact type in it is no such thing.
    #[error("understand the media type {0:?}")]
    OddType(String),
}

/// Content that must be in the repository before the manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A config or a layer.
    Blob(Digest),
    /// A manifest listed in an index.
    Manifest(Digest),
}

impl Need {
    pub(crate) fn digest(&self) -> &Digest {
        match self {
            Self::Blob(digest) | Self::Manifest(digest) => digest,
        }
    }

    /// The word in the catalogue.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Blob(_) => "blob",
            Self::Manifest(_) => "manifest",
        }
    }
}

/// What the registry knows of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) artifact_type: Option<String>,
    pub(crate) subject: Option<Digest>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) needs: Vec<Need>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    blobs: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
}

impl Descriptor {
    fn digest(&self) -> Result<Digest, BadManifest> {
        let text = &self.digest;
        text.parse().map_err(|source| BadManifest::Digest { text: text.clone(), source })
    }

    fn is_foreign(&self) -> bool {
        FOREIGN_LAYERS.contains(&self.media_type.as_str())
    }
}

impl Manifest {
    /// Understands a manifest pushed with this `Content-Type`, if any.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(content_type: Option<&str>, content: &[u8]) -> Result<Self, BadManifest> {
        let document: Document = serde_json::from_slice(content)?;
        let media_type = media_type(content_type, document.media_type.as_deref())?;
        let kind = Kind::of(&media_type)
            .ok_or_else(|| BadManifest::UnknownMediaType(media_type.clone()))?;
        if let Some(version) = document.schema_version.filter(|version| *version != 2) {
            return Err(BadManifest::SchemaVersion(version));
        }
        let needs = needs(kind, &document)?;
        let config_type = document.config.map(|config| config.media_type);
        let artifact_type = document
            .artifact_type
            .filter(|it| !it.is_empty())
            .or(config_type.filter(|it| kind == Kind::Image && !it.is_empty()));
        if let Some(odd) = artifact_type.as_ref().filter(|it| !is_type(it)) {
            return Err(BadManifest::OddType(odd.clone()));
        }
        Ok(Self {
            media_type,
            artifact_type,
            subject: document.subject.as_ref().map(Descriptor::digest).transpose()?,
            annotations: document.annotations.unwrap_or_default(),
            needs,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Index,
    Artifact,
}

impl Kind {
    fn of(media_type: &str) -> Option<Self> {
        match media_type {
            OCI_IMAGE | DOCKER_IMAGE => Some(Self::Image),
            OCI_INDEX | DOCKER_LIST => Some(Self::Index),
            OCI_ARTIFACT => Some(Self::Artifact),
            _ => None,
        }
    }
}

fn needs(kind: Kind, document: &Document) -> Result<Vec<Need>, BadManifest> {
    let of = |list: &Option<Vec<Descriptor>>, need: fn(Digest) -> Need| {
        let entries = list.iter().flatten().filter(|descriptor| !descriptor.is_foreign());
        entries.map(|descriptor| Ok(need(descriptor.digest()?))).collect::<Result<Vec<_>, _>>()
    };
    match kind {
        Kind::Image => {
            let config = document.config.as_ref().ok_or(BadManifest::NoConfig)?.digest()?;
            let mut needs = of(&document.layers, Need::Blob)?;
            needs.push(Need::Blob(config));
            Ok(needs)
        }
        Kind::Index => of(&document.manifests, Need::Manifest),
        Kind::Artifact => of(&document.blobs, Need::Blob),
    }
}

/// What the manifest is: the request's word, or its own when the request is silent. Where both
/// speak they must agree, or two readers would take it for two things.
fn media_type(header: Option<&str>, body: Option<&str>) -> Result<String, BadManifest> {
    let bare = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    let header = header.map(bare).filter(|it| !it.is_empty());
    let body = body.filter(|it| !it.is_empty()).map(ToOwned::to_owned);
    let media_type = match (header, body) {
        (Some(header), Some(body)) if header != body => {
            return Err(BadManifest::MediaTypeMismatch { header, body });
        }
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => return Err(BadManifest::NoMediaType),
    };
    if is_type(&media_type) { Ok(media_type) } else { Err(BadManifest::OddType(media_type)) }
}

/// Whether a text may stand in a header.
fn is_type(text: &str) -> bool {
    text.len() <= TYPE_LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::digest::Algorithm;

    fn digest(content: &str) -> Digest {
        Digest::of(Algorithm::Sha256, content.as_bytes())
    }

    fn descriptor(media_type: &str, content: &str) -> serde_json::Value {
        json!({"mediaType": media_type, "digest": digest(content).to_string(), "size": 1})
    }

    fn parse(document: &serde_json::Value) -> Result<Manifest, BadManifest> {
        Manifest::parse(document["mediaType"].as_str(), document.to_string().as_bytes())
    }

    #[test]
    fn an_image_needs_its_config_and_its_layers_but_no_foreign_ones_and_no_subject() {
        let manifest = parse(&json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": descriptor("application/vnd.shoal.config", "config"),
            "layers": [descriptor("a/b", "one"), descriptor(FOREIGN_LAYERS[1], "elsewhere")],
            "subject": descriptor(OCI_IMAGE, "subject"),
            "annotations": {"a": "b"},
        }))
        .unwrap();
        assert_eq!(manifest.needs, [Need::Blob(digest("one")), Need::Blob(digest("config"))]);
        assert_eq!(manifest.subject, Some(digest("subject")));
        assert_eq!(manifest.artifact_type.as_deref(), Some("application/vnd.shoal.config"));
    }

    #[test]
    fn the_artifact_type_wins_over_the_type_of_the_config() {
        let manifest = parse(&json!({
            "schemaVersion": 2, "mediaType": OCI_IMAGE, "artifactType": "x/y",
            "config": descriptor("application/vnd.oci.empty.v1+json", "{}"), "layers": [],
        }));
        assert_eq!(manifest.unwrap().artifact_type.as_deref(), Some("x/y"));
    }

    #[test]
    fn an_index_needs_its_manifests_and_may_be_empty() {
        let index = |manifests: serde_json::Value| {
            parse(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}))
        };
        assert_eq!(index(json!([])).unwrap().needs, []);
        let full = index(json!([descriptor(OCI_IMAGE, "child")])).unwrap();
        assert_eq!(full.needs, [Need::Manifest(digest("child"))]);
        assert_eq!(full.artifact_type, None);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        let image = json!({"schemaVersion": 2, "config": descriptor("a/b", "c"), "layers": []});
        let text = image.to_string();
        let parse = |content_type, text: &str| Manifest::parse(content_type, text.as_bytes());
        assert!(parse(Some(OCI_IMAGE), &text).is_ok());
        assert!(parse(Some("application/vnd.oci.image.manifest.v1+json; x=y"), &text).is_ok());
        assert!(matches!(parse(None, &text), Err(BadManifest::NoMediaType)));
        assert!(matches!(parse(Some("a/b"), &text), Err(BadManifest::UnknownMediaType(_))));
        assert!(matches!(parse(Some(OCI_IMAGE), "{}"), Err(BadManifest::NoConfig)));
        assert!(matches!(parse(Some(OCI_IMAGE), "[]"), Err(BadManifest::Json(_))));
        assert!(matches!(parse(Some(OCI_IMAGE), &text.repeat(2)), Err(BadManifest::Json(_))));
        let old = text.replace(":2", ":1");
        assert!(matches!(parse(Some(OCI_IMAGE), &old), Err(BadManifest::SchemaVersion(1))));
        let odd = text.replace("sha256:", "../");
        assert!(matches!(parse(Some(OCI_IMAGE), &odd), Err(BadManifest::Digest { .. })));
        let mut both = image;
        both["mediaType"] = json!(OCI_INDEX);
        let told = parse(Some(OCI_IMAGE), &both.to_string());
        assert!(matches!(told, Err(BadManifest::MediaTypeMismatch { .. })));
    }

    /// What one descriptor says: its media type and its content.
    fn part() -> impl Strategy<Value = (String, String)> {
        let foreign = proptest::sample::select(&FOREIGN_LAYERS).prop_map(str::to_owned);
        (prop_oneof![3 => "[a-z]{1,8}/[a-z.+]{1,8}", 1 => foreign], "[0-9]{1,3}")
    }

    proptest! {
        #[test]
        fn what_is_understood_names_all_that_it_needs(
            config in "[0-9]{1,3}",
            parts in proptest::collection::vec(part(), 0..8),
            subject in proptest::option::of("[0-9]{1,3}"),
            kind in 0..3_usize,
        ) {
            let (media_type, list, need) = [
                (OCI_IMAGE, "layers", Need::Blob as fn(Digest) -> Need),
                (OCI_INDEX, "manifests", Need::Manifest),
                (OCI_ARTIFACT, "blobs", Need::Blob),
            ][kind];
            let listed: Vec<_> = parts.iter().map(|(it, content)| descriptor(it, content)).collect();
            let mut document = json!({"schemaVersion": 2, "mediaType": media_type, list: listed});
            if media_type == OCI_IMAGE {
                document["config"] = descriptor("a/b", &config);
            }
            if let Some(subject) = &subject {
                document["subject"] = descriptor(OCI_IMAGE, subject);
            }
            let manifest = parse(&document);
            prop_assert!(manifest.is_ok(), "{manifest:?}");
            let manifest = manifest.unwrap();
            let here = parts.iter().filter(|(it, _)| !FOREIGN_LAYERS.contains(&it.as_str()));
            let mut needed: Vec<_> = here.map(|(_, content)| need(digest(content))).collect();
            needed.extend((media_type == OCI_IMAGE).then(|| Need::Blob(digest(&config))));
            prop_assert_eq!(manifest.needs, needed);
            prop_assert_eq!(manifest.subject, subject.as_deref().map(digest));
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_refused(bytes: Vec<u8>, text in "\\PC{0,64}") {
            prop_assert!(Manifest::parse(None, &bytes).is_err());
            prop_assert!(Manifest::parse(Some(&text), text.as_bytes()).is_err());
        }
    }
}
