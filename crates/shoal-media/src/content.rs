//! The bytes of a medium, wherever they are: a file, memory, or task bytes laid over a boot ISO.
//! Everything is read by position, so one content serves any number of readers at once.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};

use crate::extent::Extent;

/// Most bytes read, held and sent in one piece.
pub(crate) const CHUNK_LEN: u64 = 128 * 1024;

/// Bytes of fixed length which can be read from any position. Clones share the source.
#[derive(Clone)]
pub struct Content {
    source: Source,
    len: u64,
}

#[derive(Clone)]
enum Source {
    File(Arc<File>),
    Memory(Bytes),
    Overlay(Arc<Overlay>),
}

struct Overlay {
    base: Content,
    patch: Content,
    at: Extent,
}

/// Shows the length only: media carry tokens.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("len", &self.len).finish_non_exhaustive()
    }
}

/// A stretch of a content that lies in one place.
#[derive(Debug)]
pub(crate) enum Run {
    Memory(Bytes),
    File(Arc<File>, Extent),
}

impl Run {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, extent) => extent.len(),
        }
    }
}

impl Content {
    /// The whole of an open regular file; its length is fixed now. The file must not be changed while
    /// it is served, only replaced by rename.
    pub fn file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { len: metadata.len(), source: Source::File(Arc::new(file)) })
    }

    /// Bytes held in memory.
    pub fn memory(bytes: Bytes) -> Self {
        Self { len: bytes.len() as u64, source: Source::Memory(bytes) }
    }

    /// `base` with `patch` in place of its bytes from `offset`. `None` when `patch` does not lie
    /// inside `base` or is empty.
    pub fn overlay(base: &Self, patch: &Self, offset: u64) -> Option<Self> {
        let at = Extent::new(offset, patch.len).filter(|at| at.end() <= base.len)?;
        let overlay = Overlay { base: base.clone(), patch: patch.clone(), at };
        Some(Self { len: base.len, source: Source::Overlay(Arc::new(overlay)) })
    }

    /// The number of bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `buffer` from `offset`. Blocks; for inspection at import, not for serving.
    pub fn read_exact_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let wanted = Extent::new(offset, buffer.len() as u64)
                .filter(|wanted| wanted.end() <= self.len)
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            let bytes = match self.run(wanted) {
                Run::Memory(bytes) => bytes,
                Run::File(file, extent) => read_blocking(&file, extent)?,
            };
            let (head, rest) =
                buffer.split_at_mut_checked(bytes.len()).ok_or(io::ErrorKind::InvalidData)?;
            head.copy_from_slice(&bytes);
            buffer = rest;
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// The first bytes of `wanted`, which must lie inside the content: as many as are in one place,
    /// at least one, at most [`CHUNK_LEN`].
    pub(crate) fn run(&self, wanted: Extent) -> Run {
        let wanted = head(wanted, CHUNK_LEN);
        match &self.source {
            Source::File(file) => Run::File(Arc::clone(file), wanted),
            Source::Memory(bytes) => Run::Memory(slice(bytes, wanted)),
            Source::Overlay(overlay) => overlay.run(wanted),
        }
    }
}

impl Overlay {
    fn run(&self, wanted: Extent) -> Run {
        let (start, at) = (wanted.offset(), self.at);
        if start < at.offset() {
            return self.base.run(head(wanted, at.offset() - start));
        }
        if start >= at.end() {
            return self.base.run(wanted);
        }
        let inside = head(wanted, at.end() - start);
        let within_patch = Extent::new(start - at.offset(), inside.len()).unwrap_or(inside);
        self.patch.run(within_patch)
    }
}

/// What is in the page cache now, without waiting for a disk: maybe only the first bytes of
/// `extent`. `None` when a wait is needed.
pub(crate) fn read_cached(file: &File, extent: Extent) -> io::Result<Option<Bytes>> {
    let mut buffer = vec![0; usize_len(extent)];
    let slices = &mut [IoSliceMut::new(&mut buffer)];
    match rustix::io::preadv2(file, slices, extent.offset(), ReadWriteFlags::NOWAIT) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => {
            buffer.truncate(read);
            Ok(Some(Bytes::from(buffer)))
        }
        // Not cached, interrupted, or a file system that knows no such flag.
        Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// All of `extent`, waiting for the disk.
pub(crate) fn read_blocking(file: &File, extent: Extent) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize_len(extent)];
    file.read_exact_at(&mut buffer, extent.offset())?;
    Ok(Bytes::from(buffer))
}

fn head(extent: Extent, len: u64) -> Extent {
    Extent::new(extent.offset(), len.min(extent.len())).unwrap_or(extent)
}

fn slice(bytes: &Bytes, extent: Extent) -> Bytes {
    let start = usize::try_from(extent.offset()).unwrap_or(usize::MAX).min(bytes.len());
    let end = usize::try_from(extent.end()).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(start..end)
}

/// Extents to be read have been cut to [`CHUNK_LEN`], which fits every usize.
fn usize_len(extent: Extent) -> usize {
    usize::try_from(extent.len().min(CHUNK_LEN)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(content.len()).unwrap()];
        content.read_exact_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_file_is_read_by_position_and_not_past_its_end() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let content = Content::file(file).unwrap();
        assert_eq!(all(&content), bytes);
        let error = content.read_exact_at(299_999, &mut [0; 2]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_file_that_shrank_is_an_error_and_not_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let extent = Extent::new(5, 10).unwrap();
        assert!(read_blocking(&file, extent).is_err());
        assert!(read_cached(&file, Extent::new(10, 1).unwrap()).is_err());
    }

    #[test]
    fn a_directory_is_no_content() {
        assert!(Content::file(File::open("/").unwrap()).is_err());
    }

    #[test]
    fn a_patch_that_does_not_fit_is_refused() {
        let base = Content::memory(Bytes::from_static(b"0123456789"));
        let patch = Content::memory(Bytes::from_static(b"abc"));
        assert!(Content::overlay(&base, &patch, 8).is_none());
        assert!(Content::overlay(&base, &patch, u64::MAX).is_none());
        let fits = Content::overlay(&base, &patch, 7).unwrap();
        assert_eq!(all(&fits), b"0123456abc");
        assert_eq!(fits.len(), base.len());
    }

    proptest! {
        #[test]
        fn an_overlay_reads_like_the_bytes_written_over(
            base in proptest::collection::vec(any::<u8>(), 1..200),
            patch in proptest::collection::vec(any::<u8>(), 1..50),
            at in 0..200u64,
            start in 0..200u64,
            // To read nothing is no error anywhere.
            len in 1..200usize,
        ) {
            let mut expected = base.clone();
            let content = Content::memory(base.into());
            let patch_content = Content::memory(patch.clone().into());
            let Some(overlaid) = Content::overlay(&content, &patch_content, at) else {
                prop_assert!(at + patch.len() as u64 > content.len());
                return Ok(());
            };
            let from = usize::try_from(at).unwrap();
            expected[from..from + patch.len()].copy_from_slice(&patch);
            let mut read = vec![0; len];
            let start_index = usize::try_from(start).unwrap();
            match expected.get(start_index..start_index + len) {
                Some(wanted) => {
                    overlaid.read_exact_at(start, &mut read).unwrap();
                    prop_assert_eq!(&read[..], wanted);
                }
                None => prop_assert!(overlaid.read_exact_at(start, &mut read).is_err()),
            }
        }
    }
}
