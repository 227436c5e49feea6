//! `shoal.json` of a boot medium, read for the one question the host has: which stretches of the
//! disc are read, in which order, and where a task medium may lie inside.

use serde::Deserialize;

/// A stretch of the disc.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Extent {
    /// First byte.
    pub(super) offset: u64,
    /// Number of bytes.
    #[serde(rename = "length")]
    pub(super) len: u64,
}

/// A stretch whose reading means something.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Milestone {
    /// What its reading means.
    #[serde(rename = "milestone")]
    pub(super) name: String,
    /// Where it lies.
    #[serde(flatten)]
    pub(super) extent: Extent,
}

/// What the host takes from `shoal.json`; other fields are passed over.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The milestones in the order in which they are read.
    #[serde(default)]
    pub(super) milestones: Vec<Milestone>,
    /// Where a task medium may be overlaid.
    pub(super) reserved: Option<Extent>,
}

impl Manifest {
    /// Reads the manifest; `None` when it is not one.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_keep_their_order() {
        let text = br#"{"version": "1", "reserved": {"offset": 8192, "length": 4096},
            "milestones": [{"milestone": "payload", "offset": 4096, "length": 10},
                           {"milestone": "boot_image_read", "offset": 2048, "length": 20}]}"#;
        let manifest = Manifest::parse(text).unwrap();
        let names: Vec<&str> = manifest.milestones.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["payload", "boot_image_read"]);
        assert_eq!(manifest.milestones[0].extent, Extent { offset: 4096, len: 10 });
        assert_eq!(manifest.reserved, Some(Extent { offset: 8192, len: 4096 }));
    }

    #[test]
    fn anything_else_is_not_a_manifest() {
        for text in ["", "7", r#"{"milestones": 3}"#, r#"{"milestones": [{"milestone": "x"}]}"#] {
            assert_eq!(Manifest::parse(text.as_bytes()), None, "{text}");
        }
    }
}
