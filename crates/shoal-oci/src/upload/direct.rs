//! Writing past the page cache. Nobody reads an upload while it arrives, and copying gigabytes of it
//! into memory that has to be found, written back and reclaimed costs more than hashing them. A thread
//! writes slab after slab while the next one is hashed, one at a time: with two under way the file
//! could be longer than what is in it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use rustix::fs::OFlags;

use super::slab::{BLOCK, SLAB, Slab};

/// A file to which slabs are written by another thread, one after the other.
#[derive(Debug)]
pub(super) struct Direct {
    queue: Sender<Arc<Slab>>,
    /// How far the file goes after each of them.
    answers: Receiver<io::Result<u64>>,
    /// Bytes of the file when all of them are written.
    at: u64,
    /// Bytes that are in the file for certain.
    written: u64,
}

impl Direct {
    /// Goes on with a file of `at` bytes.
    pub(super) fn open(path: &Path, plain: &Arc<File>, at: u64) -> Self {
        let (queue, slabs) = channel();
        let (sender, answers) = channel();
        let writer = Writer { direct: open(path), plain: Arc::clone(plain), at };
        tokio::task::spawn_blocking(move || writer.write_all(&slabs, &sender));
        Self { queue, answers, at, written: at }
    }

    /// Bytes that are in the file for certain.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Has a slab written.
    pub(super) fn append(&mut self, slab: Arc<Slab>) -> io::Result<()> {
        self.at += slab.bytes().len() as u64;
        // A thread that has ended says why.
        let _ = self.queue.send(slab);
        loop {
            match self.answers.try_recv() {
                Ok(written) => self.written = written?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(ended()),
            }
        }
    }

    /// Waits until everything is written; how far the file goes for certain.
    pub(super) fn end(self) -> (u64, io::Result<()>) {
        let Self { queue, answers, at, mut written } = self;
        drop(queue);
        for answer in &answers {
            match answer {
                Ok(reached) => written = reached,
                Err(error) => return (written, Err(error)),
            }
        }
        (written, if written == at { Ok(()) } else { Err(ended()) })
    }
}

fn ended() -> io::Error {
    io::Error::other("the writing thread ended")
}

/// What the thread works with.
struct Writer {
    /// None where the file system knows no such writes.
    direct: Option<File>,
    /// The same file, for what cannot be written that way.
    plain: Arc<File>,
    at: u64,
}

/// The file again, for writes past the page cache.
fn open(path: &Path) -> Option<File> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(flags).open(path).ok()
}

impl Writer {
    /// Writes what comes, until the first error.
    fn write_all(mut self, slabs: &Receiver<Arc<Slab>>, answers: &Sender<io::Result<u64>>) {
        for slab in slabs {
            let written = self.write(slab.bytes());
            let failed = written.is_err();
            // Nobody listens any more when the upload failed meanwhile.
            if answers.send(written).is_err() || failed {
                break;
            }
        }
    }

    /// Writes at the end; where that is now.
    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let whole = bytes.len() == SLAB && self.at.is_multiple_of(BLOCK);
        match &self.direct {
            Some(direct) if whole => match direct.write_all_at(bytes, self.at) {
                // A disk of larger blocks, or one that took only a part of it.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.plain.write_all_at(bytes, self.at)?;
                }
                written => written?,
            },
            _ => self.plain.write_all_at(bytes, self.at)?,
        }
        self.at += bytes.len() as u64;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slabs_are_in_the_file_one_after_the_other() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        let plain = Arc::new(File::create(&path).unwrap());
        plain.write_all_at(&[1; 4096], 0).unwrap();
        let mut direct = Direct::open(&path, &plain, BLOCK);
        let (twos, threes) = (vec![2; SLAB], vec![3; SLAB]);
        for part in [&twos[..], &threes, b"the rest", b"and more"] {
            direct.append(Arc::new(Slab::of(part))).unwrap();
        }
        let (written, ended) = direct.end();
        ended.unwrap();
        let expected = [&[1; 4096][..], &twos, &threes, b"the restand more"].concat();
        assert_eq!(written, expected.len() as u64);
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    #[tokio::test]
    async fn a_write_that_fails_is_the_last() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        File::create(&path).unwrap();
        // What is no whole slab goes to a file that takes nothing.
        let mut direct = Direct::open(&path, &Arc::new(File::open(&path).unwrap()), 0);
        // The answer comes now or at the end.
        let appended =
            [&b"first"[..], b"second"].map(|part| direct.append(Arc::new(Slab::of(part))));
        let failed = appended.into_iter().find_map(Result::err);
        let (written, ended) = direct.end();
        assert_eq!(written, 0);
        assert!(failed.or(ended.err()).is_some());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
