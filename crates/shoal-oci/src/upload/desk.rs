//! The writer's desk: one file that grows, and the hash of what is in it. Everything here blocks and
//! runs on a thread that may.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use super::direct::Direct;
use super::flush::Flush;
use super::slab::{SLAB, Slab};
use super::{Step, UploadId, Watch};
use crate::catalogue::{Arrival, Catalogue};
use crate::digest::{Algorithm, Digest, Hash};
use crate::error::{Error, failed};
use crate::layout::{Layout, open_upload, remove};
use crate::lease::{Held, Leases};

/// Content of at most this many bytes goes into the journal and is not flushed by itself.
pub(crate) const JOURNALED_MAX: u64 = 32 * 1024;

/// Read at once when content has to be hashed again.
const REREAD: usize = 1024 * 1024;

/// Where content is put while it arrives.
#[derive(Debug)]
pub(crate) struct Desk {
    path: PathBuf,
    /// Opened by the first byte, or by the end of an upload without any.
    file: Option<Arc<File>>,
    offset: u64,
    hash: Progress,
    flush: Flush,
    watch: Watch,
    /// Whether the present request has brought something.
    begun: bool,
    /// How that is written once it is much.
    direct: Option<Direct>,
}

/// How far the content has been hashed. Behind the offset after a restart, or when the client ends
/// with another hash function than it began with.
struct Progress {
    hash: Hash,
    at: u64,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.hash.algorithm(), self.at)
    }
}

impl Progress {
    fn new(algorithm: Algorithm) -> Self {
        Self { hash: Hash::new(algorithm), at: 0 }
    }

    /// Hashes what is in the file up to `to` and was not hashed yet.
    fn catch_up(&mut self, file: &File, to: u64) -> std::io::Result<()> {
        if self.at >= to {
            return Ok(());
        }
        let mut buffer = vec![0; REREAD];
        while self.at < to {
            let left = usize::try_from(to - self.at).unwrap_or(REREAD).min(REREAD);
            let part = buffer.get_mut(..left).unwrap_or_default();
            file.read_exact_at(part, self.at)?;
            self.hash.update(part);
            self.at += left as u64;
        }
        Ok(())
    }
}

/// An upload whose content has its name as a blob.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) arrival: Arrival,
    /// To be kept until the transaction that makes the blob known has ended.
    pub(crate) held: Held,
}

impl Desk {
    /// A desk for an upload that has `offset` bytes. `record` keeps what is durable of it; none for
    /// one that ends with its request.
    pub(crate) fn new(
        layout: &Layout,
        id: UploadId,
        algorithm: Algorithm,
        offset: u64,
        record: Option<Catalogue>,
    ) -> Self {
        let watch = layout.watch().clone();
        let record = record.map(|catalogue| (catalogue, id));
        Self {
            path: layout.upload(id),
            file: None,
            offset,
            hash: Progress::new(algorithm),
            flush: Flush::new(offset, record, watch.clone()),
            watch,
            begun: false,
            direct: None,
        }
    }

    /// Bytes received.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that are in the file; the others are on their way there until [`Desk::put_down`].
    pub(crate) fn written(&self) -> u64 {
        self.direct.as_ref().map_or(self.offset, Direct::written)
    }

    /// Expects this hash function from now on.
    pub(crate) fn expect(&mut self, algorithm: Algorithm) {
        if self.hash.hash.algorithm() != algorithm {
            self.hash = Progress::new(algorithm);
        }
    }

    /// Hashes what a former process received, so that what follows is hashed as it comes.
    pub(crate) fn catch_up(&mut self) -> Result<(), Error> {
        let file = self.file()?;
        self.hash.catch_up(&file, self.offset).map_err(failed("read", &self.path))
    }

    /// Appends. After an error of the disk the upload has what is in its file for certain: less than
    /// before this call when bytes were gathered to be written together, and nothing when a flush
    /// failed, since nobody knows then what reached the disk.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::OutOfOrder`] when the content has its name as a blob already, and
    /// has to be sent again from its first byte to become anything else.
    pub(crate) fn append(&mut self, slab: Slab) -> Result<(), Error> {
        if !self.begun {
            self.leave_blob()?;
            self.begun = true;
        }
        let (file, slab) = (self.file()?, Arc::new(slab));
        self.write(&file, &slab)?;
        let bytes = slab.bytes();
        if self.hash.at == self.offset {
            self.hash.hash.update(bytes);
            self.hash.at += bytes.len() as u64;
        }
        self.offset += bytes.len() as u64;
        self.watch.reached(Step::Written);
        let written = self.written();
        if let Err(error) = self.flush.after_write(&file, written) {
            return Err(self.start_over(error));
        }
        Ok(())
    }

    /// Ends a request: whatever it brought is in the file afterwards.
    pub(crate) fn put_down(&mut self) -> Result<(), Error> {
        self.begun = false;
        let Some(direct) = self.direct.take() else { return Ok(()) };
        let (at, ended) = direct.end();
        ended.map_err(|error| self.fall_back(at, error))
    }

    /// Begins anew when the file has a second name. A seal whose transaction failed left it behind as
    /// a blob, which others may be reading: it must not grow.
    fn leave_blob(&mut self) -> Result<(), Error> {
        let file = self.file()?;
        let names = file.metadata().map_err(failed("look at", &self.path))?.nlink();
        if names <= 1 {
            return Ok(());
        }
        let start = self.offset;
        // Opened again under that name, it would still be the blob.
        remove(&self.path)?;
        self.empty();
        if start == 0 { Ok(()) } else { Err(Error::OutOfOrder { start, offset: 0 }) }
    }

    /// Writes at the end of the file: at once, or meanwhile when there is so much that it fills slabs.
    fn write(&mut self, file: &Arc<File>, slab: &Arc<Slab>) -> Result<(), Error> {
        if self.direct.is_none() && slab.bytes().len() == SLAB {
            self.direct = Some(Direct::open(&self.path, file, self.offset));
        }
        let (at, written) = match &mut self.direct {
            Some(direct) => {
                let appended = direct.append(Arc::clone(slab));
                (direct.written(), appended)
            }
            None => (self.offset, file.write_all_at(slab.bytes(), self.offset)),
        };
        written.map_err(|error| self.fall_back(at, error))
    }

    /// Takes the first `at` bytes for all there is, after a write behind them failed. What was hashed
    /// may be more than that.
    fn fall_back(&mut self, at: u64, error: std::io::Error) -> Error {
        self.direct = None;
        self.offset = at;
        self.hash = Progress::new(self.hash.hash.algorithm());
        failed("write", &self.path)(error)
    }

    /// Checks the content, makes it durable and gives it its name. The desk keeps the upload until
    /// the caller ends it, so whatever fails from here on, it can be tried again.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`], [`Error::Storage`].
    pub(crate) fn seal(
        &mut self,
        expected: Digest,
        layout: &Layout,
        leases: &Arc<Leases>,
    ) -> Result<Sealed, Error> {
        self.put_down()?;
        let file = self.file()?;
        self.expect(expected.algorithm());
        self.hash.catch_up(&file, self.offset).map_err(failed("read", &self.path))?;
        let found = self.hash.hash.digest();
        if found != expected {
            return Err(Error::DigestMismatch { expected, found: Box::new(found) });
        }
        self.watch.reached(Step::Checked);
        let written = file.metadata().map_err(failed("look at", &self.path))?.len();
        if written != self.offset {
            // A write that failed may have left more than was accounted for.
            file.set_len(self.offset).map_err(failed("cut", &self.path))?;
        }
        let held = leases.hold(&expected);
        let size = self.offset;
        if size <= JOURNALED_MAX {
            let mut content = vec![0; usize::try_from(size).unwrap_or(0)];
            file.read_exact_at(&mut content, 0).map_err(failed("read", &self.path))?;
            layout.place(&self.path, &expected)?;
            let unsettled = Some(content);
            return Ok(Sealed { arrival: Arrival { digest: expected, size, unsettled }, held });
        }
        if let Err(error) = self.flush.finish(&file) {
            return Err(self.start_over(error));
        }
        self.watch.reached(Step::Durable);
        layout.place(&self.path, &expected)?;
        layout.sync_blobs(expected.algorithm())?;
        Ok(Sealed { arrival: Arrival { digest: expected, size, unsettled: None }, held })
    }

    /// Removes what was received.
    pub(crate) fn discard(self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "a finished upload's file stays until the next start");
        }
        self.watch.reached(Step::Ended);
    }

    /// After a failed flush the kernel may have dropped pages it shows as written; a new file shows
    /// what is in it.
    fn start_over(&mut self, error: std::io::Error) -> Error {
        tracing::error!(path = %self.path.display(), "flush failed: the upload starts over");
        self.empty();
        failed("flush", &self.path)(error)
    }

    /// Removes what was received; what comes next is the first byte.
    pub(crate) fn empty(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "the file of an upload that begins anew stays");
        }
        self.file = None;
        self.direct = None;
        self.offset = 0;
        self.hash = Progress::new(self.hash.hash.algorithm());
        self.flush.start_over();
    }

    fn file(&mut self) -> Result<Arc<File>, Error> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(open_upload(&self.path)?);
        self.watch.reached(Step::Opened);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}
