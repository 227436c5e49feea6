//! The writer's desk: one file that grows, and the hash of what is in it. Everything here blocks and
//! runs on a thread that may.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::UploadId;
use super::flush::Flush;
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
        Self {
            path: layout.upload(id),
            file: None,
            offset,
            hash: Progress::new(algorithm),
            flush: Flush::new(offset, record.map(|catalogue| (catalogue, id))),
        }
    }

    /// Bytes received.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
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

    /// Appends. After an error of the disk the bytes before this call are still there, unless a
    /// flush failed: then nobody knows which are, and the upload is empty again.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = self.file()?;
        file.write_all_at(bytes, self.offset).map_err(failed("write", &self.path))?;
        if self.hash.at == self.offset {
            self.hash.hash.update(bytes);
            self.hash.at += bytes.len() as u64;
        }
        self.offset += bytes.len() as u64;
        if let Err(error) = self.flush.after_write(&file, self.offset) {
            self.start_over();
            return Err(failed("flush", &self.path)(error));
        }
        Ok(())
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
        let file = self.file()?;
        self.expect(expected.algorithm());
        self.hash.catch_up(&file, self.offset).map_err(failed("read", &self.path))?;
        let found = self.hash.hash.digest();
        if found != expected {
            return Err(Error::DigestMismatch { expected, found: Box::new(found) });
        }
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
            self.start_over();
            return Err(failed("flush", &self.path)(error));
        }
        layout.place(&self.path, &expected)?;
        layout.sync_blobs(expected.algorithm())?;
        Ok(Sealed { arrival: Arrival { digest: expected, size, unsettled: None }, held })
    }

    /// Removes what was received.
    pub(crate) fn discard(self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "a finished upload's file stays until the next start");
        }
    }

    /// After a failed flush the kernel may have dropped pages it shows as written; a new file shows
    /// what is in it.
    fn start_over(&mut self) {
        tracing::error!(path = %self.path.display(), "flush failed: the upload starts over");
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "a broken upload's file stays");
        }
        self.file = None;
        self.offset = 0;
        self.hash = Progress::new(self.hash.hash.algorithm());
        self.flush.start_over();
    }

    fn file(&mut self) -> Result<Arc<File>, Error> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(open_upload(&self.path)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}
