//! Writing past the page cache. Nobody reads an upload while it arrives, and copying gigabytes of it
//! into memory that has to be found, written back and reclaimed costs more than hashing them. Two
//! slabs take turns: one is filled while the other is being written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rustix::fs::OFlags;

/// Where such writes begin and end in the file and in memory; no smaller than the block of any disk
/// that is met in practice.
pub(super) const BLOCK: u64 = 4096;

/// Bytes written at once.
const SLAB: usize = 1024 * 1024;

/// Memory that begins at a block's boundary.
#[derive(Debug)]
struct Slab {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

/// A file to which whole slabs are written, one after the other.
#[derive(Debug)]
pub(super) struct Direct {
    file: Arc<File>,
    /// The same file, for what cannot be written that way after all.
    plain: Arc<File>,
    /// Bytes of the file when the running write has ended.
    at: u64,
    filling: Slab,
    spare: Option<Slab>,
    running: Option<Receiver<(Slab, io::Result<()>)>>,
    /// Bytes that are in the file for certain.
    written: u64,
}

impl Direct {
    /// Goes on with a file of `at` bytes, which is a multiple of [`BLOCK`]; none where the file system
    /// knows no such writes.
    pub(super) fn open(path: &Path, plain: &Arc<File>, at: u64) -> Option<Self> {
        let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
        let file = OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
        let (filling, spare) = (Slab::new()?, Some(Slab::new()?));
        let (file, plain) = (Arc::new(file), Arc::clone(plain));
        Some(Self { file, plain, at, filling, spare, running: None, written: at })
    }

    /// Bytes that are in the file for certain.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Takes bytes, and waits when both slabs are full.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = self.filling.take(bytes);
            if self.filling.length == SLAB {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Waits for what is being written; what has not been sent for writing comes back, and belongs at
    /// [`Direct::written`].
    pub(super) fn end(&mut self) -> io::Result<&[u8]> {
        self.reap()?;
        Ok(self.filling.bytes())
    }

    fn send(&mut self) -> io::Result<()> {
        self.reap()?;
        let Some(next) = self.spare.take() else {
            return Err(io::Error::other("the writing thread ended"));
        };
        let slab = std::mem::replace(&mut self.filling, next);
        let (sender, receiver) = channel();
        let (file, plain, at) = (Arc::clone(&self.file), Arc::clone(&self.plain), self.at);
        self.at += slab.length as u64;
        self.running = Some(receiver);
        tokio::task::spawn_blocking(move || {
            let written = match file.write_all_at(slab.bytes(), at) {
                // A disk of larger blocks, or one that took only a part of it.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    plain.write_all_at(slab.bytes(), at)
                }
                written => written,
            };
            // Nobody listens any more when the upload failed meanwhile.
            let _ = sender.send((slab, written));
        });
        Ok(())
    }

    fn reap(&mut self) -> io::Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let (mut slab, written) =
            running.recv().map_err(|_| io::Error::other("the writing thread ended"))?;
        written?;
        slab.length = 0;
        self.spare = Some(slab);
        self.written = self.at;
        Ok(())
    }
}

impl Slab {
    fn new() -> Option<Self> {
        let block = usize::try_from(BLOCK).ok()?;
        let memory = vec![0; SLAB + block];
        let start = memory.as_ptr().align_offset(block);
        (start <= block).then_some(Self { memory, start, length: 0 })
    }

    /// Takes as many bytes as there is room for; the others.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(SLAB - self.length));
        let from = self.start + self.length;
        if let Some(room) = self.memory.get_mut(from..from + now.len()) {
            room.copy_from_slice(now);
        }
        self.length += now.len();
        later
    }

    fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.length).unwrap_or_default()
    }
}
