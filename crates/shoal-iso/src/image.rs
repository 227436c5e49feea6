//! The finished medium: its bytes, where its files lie, and how to keep it without its zeros.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

use ring::digest::{Context, SHA256};

use crate::{Builder, FileName, SourceDateEpoch, VolumeId};

/// Where a file's data lies on the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The file.
    pub name: FileName,
    /// Offset of its first byte, a whole number of sectors.
    pub offset: u64,
    /// Its length in bytes; zero for an empty file, whose offset is its own all the same.
    pub len: u64,
}

/// A finished medium. `Debug` shows its layout only.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
    data_start: u64,
    /// What was written into the zeros, ascending: the rest need not be stored.
    written: Vec<Range<usize>>,
    pub(crate) extents: Vec<Extent>,
}

impl Image {
    /// Starts a medium whose label is `volume_id` and whose every date is `epoch`.
    pub fn builder(volume_id: VolumeId, epoch: SourceDateEpoch) -> Builder {
        Builder::new(volume_id, epoch)
    }

    /// A medium of zeros. The allocator hands out zero pages on first use, so the gap between
    /// directories and files costs address space, not time.
    pub(crate) fn zeroed(len: u64, data_start: u64) -> Self {
        let bytes = vec![0; index(len)];
        Self { bytes, data_start, written: Vec::new(), extents: Vec::new() }
    }

    /// Copies `content` to `offset`, behind everything written before.
    #[expect(
        clippy::indexing_slicing,
        reason = "the builder sized the medium to hold all it places"
    )]
    pub(crate) fn write(&mut self, offset: u64, content: &[u8]) {
        let start = index(offset);
        let range = start..start + content.len();
        self.bytes[range.clone()].copy_from_slice(content);
        self.written.push(range);
    }

    /// The whole medium.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole medium, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Where the files lie, in the order in which they were added, which is ascending.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Where one file lies.
    pub fn extent(&self, name: &str) -> Option<&Extent> {
        self.extents.iter().find(|extent| extent.name.as_str() == name)
    }

    /// The first offset that can hold file data: everything below belongs to descriptors,
    /// directories and the gap behind them.
    pub const fn data_start(&self) -> u64 {
        self.data_start
    }

    /// SHA-256 of the whole medium, computed by each call.
    ///
    /// Zeros by layout are hashed from one small block instead of from the medium, so that its
    /// untouched pages stay untouched: faulting them in would cost more than hashing them.
    #[expect(clippy::indexing_slicing, reason = "only ranges of this medium are ever recorded")]
    pub fn sha256(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut at = 0;
        for range in &self.written {
            hash_zeros(&mut context, range.start - at);
            context.update(&self.bytes[range.clone()]);
            at = range.end;
        }
        hash_zeros(&mut context, self.bytes.len() - at);
        let mut sum = [0; 32];
        sum.copy_from_slice(context.finish().as_ref());
        sum
    }

    /// Replaces what `file` holds by the medium, leaving holes where it is zero by layout (the
    /// system area, the gap, [`Content::Zeros`](crate::Content::Zeros), the end). The caller syncs.
    ///
    /// # Errors
    ///
    /// Whatever the file system answers; a full disk is [`io::ErrorKind::StorageFull`]. The file
    /// is then incomplete.
    #[expect(clippy::indexing_slicing, reason = "only ranges of this medium are ever recorded")]
    pub fn write_sparse(&self, file: &File) -> io::Result<()> {
        file.set_len(0)?;
        file.set_len(self.bytes.len() as u64)?;
        let mut file = file;
        for range in &self.written {
            file.seek(SeekFrom::Start(range.start as u64))?;
            file.write_all(&self.bytes[range.clone()])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("len", &self.bytes.len())
            .field("data_start", &self.data_start)
            .field("extents", &self.extents)
            .finish_non_exhaustive()
    }
}

/// Hashes `count` zeros.
fn hash_zeros(context: &mut Context, count: usize) {
    const BLOCK: [u8; 16_384] = [0; 16_384];
    for _ in 0..count / BLOCK.len() {
        context.update(&BLOCK);
    }
    context.update(BLOCK.split_at(count % BLOCK.len()).0);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "media are below 4 GiB and addresses have 32 bits or more"
)]
fn index(offset: u64) -> usize {
    offset as usize
}
