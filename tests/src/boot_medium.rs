//! The made-up maintenance image: nothing on it runs, but its `shoal.json` is true, so that reads of
//! it mean the same as reads of a real one.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use shoal_iso::{Content, FileName, Image, SourceDateEpoch, VolumeId};

const MIB: u32 = 1 << 20;

/// A file whose reading means something, and where it lies. Stretches are a MiB and more apart, so
/// that no reader's read-ahead swallows a neighbour.
struct Stretch {
    name: &'static str,
    milestone: &'static str,
    offset: u32,
    len: u32,
}

const STRETCHES: [Stretch; 3] = [
    Stretch { name: "efiboot.img", milestone: "boot_image_read", offset: 6 * MIB, len: MIB },
    Stretch { name: "vmlinuz", milestone: "os_loading", offset: 9 * MIB, len: 2 * MIB },
    Stretch { name: "rootfs.img", milestone: "payload", offset: 13 * MIB, len: 4 * MIB },
];

/// Where a task medium may be laid over this one.
const RESERVED: (&str, u32, u32) = ("task.img", 18 * MIB, 16 * MIB);

/// The boot medium of demonstrations and tests.
#[derive(Clone, Debug)]
pub struct BootMedium {
    path: PathBuf,
}

impl BootMedium {
    /// Its file name in the directory of static images.
    pub const NAME: &'static str = "maintenance.iso";
    /// Where firmware begins to read what it boots.
    pub const BOOT_IMAGE_AT: usize = 6 << 20;
    /// Where a task medium may be laid over it.
    pub const RESERVED_AT: usize = RESERVED.1 as usize;

    /// Writes the image into `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// When the file cannot be written, or the image would not lie as its manifest says.
    pub fn make(directory: &Path) -> Result<Self> {
        let image = build()?;
        fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        let path = directory.join(Self::NAME);
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        image.write_sparse(&file).with_context(|| format!("write {}", path.display()))?;
        Ok(Self { path })
    }

    /// The image file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn build() -> Result<Image> {
    let label = VolumeId::new("SHOAL_MAINT")?;
    let mut builder = Image::builder(label, SourceDateEpoch::new(1_700_000_000)?)
        .data_gap(MIB)
        .max_bytes(48 * MIB)
        .file(FileName::new("shoal.json")?, manifest());
    for stretch in &STRETCHES {
        let name = FileName::new(stretch.name)?;
        builder = builder.file_not_before(stretch.offset, name, filler(stretch));
    }
    let (name, offset, len) = RESERVED;
    let image =
        builder.file_not_before(offset, FileName::new(name)?, Content::Zeros(len)).build()?;
    let places = STRETCHES.iter().map(|it| (it.name, it.offset, it.len)).chain([RESERVED]);
    for (name, offset, len) in places {
        let placed = image.extent(name).map(|extent| (extent.offset, extent.len));
        ensure!(
            placed == Some((u64::from(offset), u64::from(len))),
            "{name} lies at {placed:?}, its manifest says {offset}+{len}"
        );
    }
    Ok(image)
}

fn manifest() -> String {
    let milestones = STRETCHES
        .iter()
        .map(|it| json!({"milestone": it.milestone, "offset": it.offset, "length": it.len}));
    let (_, offset, length) = RESERVED;
    json!({
        "version": "made-up",
        "targets": ["install-linux.target"],
        "reserved": {"offset": offset, "length": length},
        "milestones": milestones.collect::<Vec<_>>(),
    })
    .to_string()
}

/// Bytes that tell where they come from, so that a wrong range shows.
fn filler(stretch: &Stretch) -> Vec<u8> {
    let line = |number: u32| format!("{:>16} {number:>14}\n", stretch.name).into_bytes();
    let len = usize::try_from(stretch.len).unwrap_or_default();
    let mut bytes: Vec<u8> = (0..stretch.len / 32).flat_map(line).collect();
    bytes.resize(len, b'.');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_lies_as_its_manifest_says() {
        let image = build().unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest()).unwrap();
        let milestones = manifest["milestones"].as_array().unwrap();
        assert_eq!(milestones.len(), STRETCHES.len());
        for (milestone, stretch) in milestones.iter().zip(&STRETCHES) {
            let extent = image.extent(stretch.name).unwrap();
            assert_eq!(milestone["offset"].as_u64(), Some(extent.offset));
            assert_eq!(milestone["length"].as_u64(), Some(extent.len));
        }
        let boot_image = milestones[0]["offset"].as_u64().unwrap();
        assert_eq!(boot_image, u64::try_from(BootMedium::BOOT_IMAGE_AT).unwrap());
        assert_eq!(manifest["reserved"]["length"], 16 * 1024 * 1024);
        assert_eq!(manifest["reserved"]["offset"].as_u64().unwrap() % 2048, 0);
    }
}
