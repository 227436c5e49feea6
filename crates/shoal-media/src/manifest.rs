//! `shoal.json`: what a boot medium says about itself, so that reads of it can be understood. It is
//! written by whoever builds the image and checked here before anything relies on it.

use serde::{Deserialize, Serialize};

use crate::extent::Extent;
use crate::milestone::{Milestone, Tripwire};

/// Longest manifest read, in bytes.
pub const MAX_MANIFEST_LEN: u64 = 64 * 1024;

/// The reserved extent starts and ends on a sector of the disc.
const ALIGNMENT: u64 = 2048;
const MAX_MILESTONES: usize = 64;

/// A checked manifest: every extent lies inside the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Version of the boot medium, for people.
    pub version: String,
    /// SHA-256 its builder states, in lower-case hex. Carried, not checked here.
    pub sha256: Option<String>,
    /// Task targets it can run, as in a recipe's `task_target`.
    pub targets: Vec<String>,
    /// Where task bytes may be laid over it, for BMCs with one slot.
    pub reserved: Option<Extent>,
    /// Its tripwires.
    pub tripwires: Vec<Tripwire>,
}

/// Why a manifest is not to be relied on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is longer than 64 KiB.
    #[error("accept manifest of {len} bytes")]
    TooLong {
        /// Its length in bytes.
        len: u64,
    },
    /// It is not the JSON it should be.
    #[error("parse manifest")]
    Json(#[source] serde_json::Error),
    /// An extent is empty or lies outside the medium.
    #[error("find {field} extent at {offset}+{length} in a medium of {medium_len} bytes")]
    Outside {
        /// `reserved` or the milestone's word.
        field: &'static str,
        /// First byte.
        offset: u64,
        /// Length in bytes.
        length: u64,
        /// Length of the medium in bytes.
        medium_len: u64,
    },
    /// The reserved extent does not start and end on a 2 KiB sector.
    #[error("align reserved extent at {offset}+{length} to {ALIGNMENT} bytes")]
    Unaligned {
        /// First byte.
        offset: u64,
        /// Length in bytes.
        length: u64,
    },
    /// A milestone's bytes would be replaced by task bytes.
    #[error("keep {} apart from the reserved extent", milestone.as_str())]
    Overlaid {
        /// The milestone.
        milestone: Milestone,
    },
    /// More than 64 milestone extents.
    #[error("accept {count} milestone extents")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// The milestone is not one a boot medium's bytes can mean.
    #[error("place {} on a boot medium", milestone.as_str())]
    NotOnBootMedium {
        /// The milestone.
        milestone: Milestone,
    },
}

/// The JSON. Unknown fields are left alone, so that newer images work with older controllers.
#[derive(Serialize, Deserialize)]
struct Wire {
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(default)]
    targets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<WireExtent>,
    #[serde(default)]
    milestones: Vec<WireMilestone>,
}

#[derive(Serialize, Deserialize)]
struct WireExtent {
    offset: u64,
    length: u64,
}

#[derive(Serialize, Deserialize)]
struct WireMilestone {
    milestone: Milestone,
    #[serde(flatten)]
    extent: WireExtent,
}

impl Manifest {
    /// Reads a manifest of a medium of `medium_len` bytes.
    pub fn parse(json: &[u8], medium_len: u64) -> Result<Self, ManifestError> {
        let len = json.len() as u64;
        if len > MAX_MANIFEST_LEN {
            return Err(ManifestError::TooLong { len });
        }
        let wire: Wire = serde_json::from_slice(json).map_err(ManifestError::Json)?;
        if wire.milestones.len() > MAX_MILESTONES {
            return Err(ManifestError::TooMany { count: wire.milestones.len() });
        }
        let reserved = wire.reserved.as_ref().map(|r| reserved(r, medium_len)).transpose()?;
        let tripwires = wire.milestones.iter().map(|m| tripwire(m, reserved, medium_len));
        Ok(Self {
            tripwires: tripwires.collect::<Result<_, _>>()?,
            version: wire.version,
            sha256: wire.sha256,
            targets: wire.targets,
            reserved,
        })
    }

    /// The JSON an image builder writes; [`Manifest::parse`] reads it back.
    pub fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        let extent = |e: &Extent| WireExtent { offset: e.offset(), length: e.len() };
        let milestone = |wire: &Tripwire| WireMilestone {
            milestone: wire.milestone,
            extent: extent(&wire.extent),
        };
        let wire = Wire {
            version: self.version.clone(),
            sha256: self.sha256.clone(),
            targets: self.targets.clone(),
            reserved: self.reserved.as_ref().map(extent),
            milestones: self.tripwires.iter().map(milestone).collect(),
        };
        serde_json::to_vec_pretty(&wire).map_err(ManifestError::Json)
    }
}

fn reserved(wire: &WireExtent, medium_len: u64) -> Result<Extent, ManifestError> {
    let extent = inside("reserved", wire, medium_len)?;
    if extent.offset() % ALIGNMENT != 0 || extent.len() % ALIGNMENT != 0 {
        let (offset, length) = (wire.offset, wire.length);
        return Err(ManifestError::Unaligned { offset, length });
    }
    Ok(extent)
}

fn tripwire(
    wire: &WireMilestone,
    reserved: Option<Extent>,
    medium_len: u64,
) -> Result<Tripwire, ManifestError> {
    let milestone = wire.milestone;
    if !milestone.is_proved_by_place() || milestone == Milestone::TaskRead {
        return Err(ManifestError::NotOnBootMedium { milestone });
    }
    let extent = inside(milestone.as_str(), &wire.extent, medium_len)?;
    if reserved.is_some_and(|reserved| reserved.touches(&extent)) {
        return Err(ManifestError::Overlaid { milestone });
    }
    Ok(Tripwire { milestone, extent })
}

fn inside(
    field: &'static str,
    wire: &WireExtent,
    medium_len: u64,
) -> Result<Extent, ManifestError> {
    let (offset, length) = (wire.offset, wire.length);
    Extent::new(offset, length)
        .filter(|extent| extent.end() <= medium_len)
        .ok_or(ManifestError::Outside { field, offset, length, medium_len })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u64 = 64 * 1024 * 1024;

    fn parse(reserved: &str, milestones: &str) -> Result<Manifest, ManifestError> {
        let json = format!(
            r#"{{"version":"2026.11","targets":["install-linux.target"],"later":1,
                "reserved":{reserved},"milestones":[{milestones}]}}"#
        );
        Manifest::parse(json.as_bytes(), LEN)
    }

    const RESERVED: &str = r#"{"offset":2048000,"length":16777216}"#;
    const BOOT: &str = r#"{"milestone":"boot_image_read","offset":65536,"length":4096}"#;

    #[test]
    fn a_manifest_is_read_and_written_back() {
        let manifest = parse(RESERVED, BOOT).unwrap();
        assert_eq!(manifest.reserved, Extent::new(2_048_000, 16 * 1024 * 1024));
        let boot = Tripwire {
            milestone: Milestone::BootImageRead,
            extent: Extent::new(65536, 4096).unwrap(),
        };
        assert_eq!(manifest.tripwires, [boot]);
        assert_eq!(Manifest::parse(&manifest.to_json().unwrap(), LEN).unwrap(), manifest);
    }

    #[test]
    fn a_manifest_without_extents_is_one() {
        let manifest = Manifest::parse(br#"{"version":"1"}"#, LEN).unwrap();
        assert_eq!((manifest.reserved, manifest.tripwires), (None, vec![]));
    }

    #[test]
    fn extents_that_do_not_fit_are_refused() {
        let outside = parse(r#"{"offset":67106816,"length":4096}"#, "").unwrap_err();
        assert!(matches!(outside, ManifestError::Outside { field: "reserved", .. }));
        let huge = format!(r#"{{"offset":{},"length":2048}}"#, u64::MAX - 1);
        assert!(matches!(parse(&huge, ""), Err(ManifestError::Outside { .. })));
        let unaligned = parse(r#"{"offset":100,"length":2048}"#, "").unwrap_err();
        assert!(matches!(unaligned, ManifestError::Unaligned { offset: 100, .. }));
        let inside = r#"{"milestone":"payload","offset":2048000,"length":1}"#;
        assert!(matches!(parse(RESERVED, inside), Err(ManifestError::Overlaid { .. })));
        let empty = r#"{"milestone":"payload","offset":5,"length":0}"#;
        assert!(matches!(parse(RESERVED, empty), Err(ManifestError::Outside { .. })));
    }

    #[test]
    fn only_what_boot_bytes_can_mean_is_accepted() {
        for word in ["opened", "reopened", "boot_again", "task_read"] {
            let wire = format!(r#"{{"milestone":"{word}","offset":0,"length":1}}"#);
            let error = parse("null", &wire).unwrap_err();
            assert!(matches!(error, ManifestError::NotOnBootMedium { .. }), "{word}");
        }
        let many = vec![BOOT; 65].join(",");
        assert!(matches!(parse("null", &many), Err(ManifestError::TooMany { count: 65 })));
        assert!(matches!(Manifest::parse(b"{}", LEN), Err(ManifestError::Json(_))));
        let long = vec![b' '; 65537];
        assert!(matches!(Manifest::parse(&long, LEN), Err(ManifestError::TooLong { .. })));
    }
}
