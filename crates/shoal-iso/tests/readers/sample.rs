//! Media to read, kept on disk as long as the test needs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId};
use tempfile::TempDir;

pub(crate) const LABEL: &str = "TASK_0123456789ABCDEF0123456789A";

/// 2023-11-14T22:13:20Z.
pub(crate) const EPOCH: u64 = 1_700_000_000;

/// A name of 64 and more characters, as long as Joliet takes.
pub(crate) const LONG_NAME: &str = "a-name-of-sixty-four-and-more-characters-which-joliet-has-to-\
    keep-whole-up-to-one-hundred-and-three.txt";

pub(crate) fn task_files() -> BTreeMap<String, Vec<u8>> {
    [
        ("recipe.json", br#"{"task_target":"install-linux.target"}"#.to_vec()),
        ("recipe.schema.json", b"{}".repeat(4000)),
        ("user-data", b"#cloud-config\n".to_vec()),
        ("meta-data", Vec::new()),
        ("unattend.xml", vec![0xA5; 2048]),
        ("ks.cfg", b"reboot\n".to_vec()),
        ("job.json", (0..=255).cycle().take(2049).collect()),
    ]
    .map(|(name, content)| (name.to_owned(), content))
    .into()
}

/// Names that put each tree to the test: long, not ASCII, alike, longer than a record in UTF-8.
pub(crate) fn odd_files() -> BTreeMap<String, Vec<u8>> {
    let wide = "水".repeat(80);
    [
        LONG_NAME,
        &LONG_NAME.replace(".txt", ".yml"),
        &wide,
        "Zażółć gęślą jaźń.txt",
        "ключ.cfg",
        ".hidden",
        "two.dots.tar",
        "two dots.tar",
        "user-data",
        "user_data",
        "user+data",
    ]
    .map(|name| (name.to_owned(), name.as_bytes().to_vec()))
    .into()
}

pub(crate) fn build(files: &BTreeMap<String, Vec<u8>>) -> Image {
    let label = VolumeId::new(LABEL).unwrap();
    let mut builder = Image::builder(label, SourceDateEpoch::new(EPOCH).unwrap());
    for (name, content) in files {
        builder = builder.file(FileName::new(name).unwrap(), content.clone());
    }
    builder.build().unwrap()
}

/// A medium on disk, as `task.iso` in a directory of its own.
pub(crate) struct Disc {
    dir: TempDir,
    pub(crate) image: Image,
}

impl Disc {
    pub(crate) fn new(image: Image) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("task.iso"), image.bytes()).unwrap();
        Self { dir, image }
    }

    pub(crate) fn of(files: &BTreeMap<String, Vec<u8>>) -> Self {
        Self::new(build(files))
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An empty directory to extract into.
    pub(crate) fn out(&self) -> PathBuf {
        let out = self.dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        out
    }
}
