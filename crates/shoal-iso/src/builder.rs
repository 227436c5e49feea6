//! Placing files on a medium and putting the bytes together.

use std::collections::BTreeMap;
use std::fmt;

use crate::directory::Span;
use crate::metadata::Metadata;
use crate::{Error, Extent, FileName, Image, SECTOR, SourceDateEpoch, VolumeId, descriptor};

/// Default distance between the end of the directories and the first file's data, in bytes.
///
/// Readers fetch ahead: in a trial with UEFI firmware and Linux the first open of a small medium
/// took all of it, so that a later read of the recipe never showed. 4 MiB is more than the windows
/// seen, and costs nothing on disk.
pub const DATA_GAP: u32 = 4 << 20;

/// Default limit for a whole medium, in bytes.
pub const MAX_BYTES: u32 = 10 << 20;

/// Zeros behind the last file, in bytes: the 150 sectors which disc writers have always added.
///
/// A BMC exposes exactly the bytes it was given, so the old reason (unreadable run-out blocks of
/// burnt discs) is gone, but readers still fetch windows of 4 KiB pages to 256 KiB blocks, and one
/// that treats a window cut short by the end of the medium as an error must not lose a file to it.
pub const RUN_OUT: u32 = 150 * SECTOR;

/// What a file holds. `Debug` shows the length only.
#[derive(Clone)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// This many zeros, which [`Image::write_sparse`] leaves out: space reserved for someone else.
    Zeros(u32),
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(len) => u64::from(*len),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Zeros(len) => write!(f, "Zeros({len})"),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Content {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

#[derive(Debug, Clone)]
struct File {
    name: FileName,
    content: Content,
    not_before: u32,
}

/// A medium in the making: files in the order in which their data will lie on it.
#[derive(Debug, Clone)]
#[must_use = "a builder makes nothing until build is called"]
pub struct Builder {
    volume_id: VolumeId,
    epoch: SourceDateEpoch,
    files: Vec<File>,
    data_gap: u32,
    max_bytes: u32,
}

impl Builder {
    pub(crate) fn new(volume_id: VolumeId, epoch: SourceDateEpoch) -> Self {
        Self { volume_id, epoch, files: Vec::new(), data_gap: DATA_GAP, max_bytes: MAX_BYTES }
    }

    /// Adds a file right behind the one before.
    pub fn file(self, name: FileName, content: impl Into<Content>) -> Self {
        self.file_not_before(0, name, content)
    }

    /// Adds a file whose data starts at byte `offset` of the medium or, where that is taken or not
    /// the start of a sector, at the next sector that is free.
    pub fn file_not_before(
        mut self,
        offset: u32,
        name: FileName,
        content: impl Into<Content>,
    ) -> Self {
        self.files.push(File { name, content: content.into(), not_before: offset });
        self
    }

    /// Sets the distance between the end of the directories and the first file's data, in bytes;
    /// [`DATA_GAP`] unless set.
    pub fn data_gap(mut self, bytes: u32) -> Self {
        self.data_gap = bytes;
        self
    }

    /// Sets the limit for the whole medium, in bytes; [`MAX_BYTES`] unless set.
    pub fn max_bytes(mut self, bytes: u32) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Makes the medium.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateName`] and [`Error::TooLarge`].
    pub fn build(self) -> Result<Image, Error> {
        refuse_duplicates(&self.files)?;
        let names: Vec<&FileName> = self.files.iter().map(|file| &file.name).collect();
        let metadata = Metadata::new(&names, self.epoch);
        let data_start = whole_sectors(metadata.end() + u64::from(self.data_gap));
        let (offsets, end) = place(&self.files, data_start);
        let total = end + u64::from(RUN_OUT);
        if total > u64::from(self.max_bytes) {
            return Err(Error::TooLarge { bytes: total, limit: self.max_bytes });
        }

        let spans: Vec<Span> =
            offsets.iter().zip(&self.files).map(|(&at, file)| span(at, &file.content)).collect();
        let front = metadata.encode(&self.volume_id, &spans, sector(total));
        let mut image = Image::zeroed(total, data_start);
        image.write(u64::from(descriptor::SYSTEM_AREA_SECTORS * SECTOR), &front);
        for (offset, file) in offsets.into_iter().zip(self.files) {
            let len = file.content.len();
            if let Content::Bytes(bytes) = &file.content {
                image.write(offset, bytes);
            }
            image.extents.push(Extent { name: file.name, offset, len });
        }
        Ok(image)
    }
}

/// Refuses names that are one to a reader that ignores case.
fn refuse_duplicates(files: &[File]) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for File { name, .. } in files {
        if let Some(earlier) = seen.insert(name.as_str().to_lowercase(), name) {
            return Err(Error::DuplicateName {
                name: name.to_string(),
                earlier: earlier.to_string(),
            });
        }
    }
    Ok(())
}

/// Gives each file its offset, and the end of the last one. An empty file takes a sector too, so
/// that an offset tells which file was read.
fn place(files: &[File], data_start: u64) -> (Vec<u64>, u64) {
    let mut end = data_start;
    let offsets = files
        .iter()
        .map(|file| {
            let offset = whole_sectors(end.max(u64::from(file.not_before)));
            end = offset + whole_sectors(file.content.len().max(1));
            offset
        })
        .collect();
    (offsets, end)
}

fn whole_sectors(bytes: u64) -> u64 {
    bytes.next_multiple_of(u64::from(SECTOR))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "spans are made of media that passed the limit, which is below 4 GiB"
)]
fn span(offset: u64, content: &Content) -> Span {
    Span { sector: sector(offset), len: content.len() as u32 }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "offsets are of media that passed the limit, which is below 4 GiB"
)]
fn sector(offset: u64) -> u32 {
    (offset / u64::from(SECTOR)) as u32
}
