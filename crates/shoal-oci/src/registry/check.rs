//! Reading everything that is stored and comparing it with what it is called. A disk that loses bits
//! says nothing of it; whoever reads such content on purpose finds it before a server does.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::io::Errno;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Registry, blocking};
use crate::catalogue::{TagName, User};
use crate::digest::{Digest, Hash};
use crate::error::Error;
use crate::layout::Layout;

/// Bytes read at once.
const PART: usize = 1 << 20;

/// Before each part, where nobody waits for the end: at most 64 MiB are read in a second, which leaves
/// a disk to those who push and pull.
const BREATH: Duration = Duration::from_millis(16);

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Blobs read.
    pub blobs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Blobs that were put away; they have to be pushed again.
    pub damaged: Vec<Damage>,
    /// Blobs that were damaged and are whole again.
    pub healed: Vec<Healed>,
    /// Blobs that could not be looked at, or looked damaged while somebody was bringing them; look
    /// again.
    pub skipped: u64,
    /// The check was told to stop before it had read everything.
    pub stopped: bool,
}

impl Checked {
    fn pass_over(&mut self, digest: &Digest, error: &io::Error) {
        tracing::warn!(%digest, %error, "blob could not be looked at");
        self.skipped += 1;
    }
}

/// A blob that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The blob.
    pub digest: Digest,
    /// What is wrong with it.
    pub fault: Fault,
    /// Manifests that need it or are it, at most a hundred.
    pub needed_by: Vec<User>,
    /// Tags that cannot be pulled whole until it is pushed again, at most a hundred.
    pub tags: Vec<TagName>,
}

/// A blob that was written again from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healed {
    /// The blob.
    pub digest: Digest,
    /// What was wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is longer or shorter than it was.
    Size,
    /// Its bytes are not those it is named after.
    Content,
    /// The disk cannot read it.
    Unreadable,
}

impl Registry {
    /// Reads every blob and puts away those that are damaged, so that clients are told that they are
    /// not there and push them again. Pushes and pulls go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Database`]; what was put away before stays so.
    pub async fn check(&self, stop: &CancellationToken) -> Result<Checked, Error> {
        self.check_watched(stop, |_| {}).await
    }

    /// [`Registry::check`], telling `watch` after each blob how far it is, from the thread that reads.
    ///
    /// # Errors
    /// As [`Registry::check`].
    pub async fn check_watched(
        &self,
        stop: &CancellationToken,
        watch: impl Fn(&Checked) + Send + 'static,
    ) -> Result<Checked, Error> {
        let (registry, gait) = (self.clone(), Gait { stop: stop.clone(), breath: None });
        blocking(move || registry.check_now(&gait, &watch)).await
    }

    /// [`Registry::check`], so slowly that nobody else notices.
    ///
    /// # Errors
    /// As [`Registry::check`].
    pub async fn check_gently(&self, stop: &CancellationToken) -> Result<Checked, Error> {
        let (registry, gait) = (self.clone(), Gait { stop: stop.clone(), breath: Some(BREATH) });
        blocking(move || registry.check_now(&gait, &|_| {})).await
    }

    fn check_now(&self, gait: &Gait, watch: &dyn Fn(&Checked)) -> Result<Checked, Error> {
        let mut checked = Checked::default();
        let mut last = String::new();
        loop {
            let page = self.inner.catalogue.sizes(&last)?;
            let Some((end, _)) = page.last() else { return Ok(checked) };
            last = end.to_string();
            for (digest, size) in page {
                if gait.stop.is_cancelled() {
                    checked.stopped = true;
                    return Ok(checked);
                }
                match examine(&self.inner.layout, &digest, size, gait) {
                    Look::Whole => {}
                    Look::Faulty(_) => self.judge(digest, &mut checked, gait)?,
                    Look::Unsure(error) => checked.pass_over(&digest, &error),
                    Look::Stopped => checked.stopped = true,
                }
                if checked.stopped {
                    return Ok(checked);
                }
                checked.blobs += 1;
                checked.bytes += size;
                watch(&checked);
            }
        }
    }

    /// Looks again at what seems damaged, with nobody bringing or sweeping it.
    fn judge(&self, digest: Digest, checked: &mut Checked, gait: &Gait) -> Result<(), Error> {
        let Some(_seized) = self.inner.leases.seize(&digest) else {
            checked.skipped += 1;
            return Ok(());
        };
        let Some(size) = self.inner.catalogue.size(digest)? else { return Ok(()) };
        // Somebody may be waiting to bring it anew.
        let brisk = Gait { breath: None, ..gait.clone() };
        let fault = match examine(&self.inner.layout, &digest, size, &brisk) {
            Look::Whole => return Ok(()),
            Look::Faulty(fault) => fault,
            Look::Unsure(error) => {
                checked.pass_over(&digest, &error);
                return Ok(());
            }
            Look::Stopped => {
                checked.stopped = true;
                return Ok(());
            }
        };
        if self.heal(digest)? {
            tracing::warn!(%digest, ?fault, "blob was damaged: it is written again from the journal");
            checked.healed.push(Healed { digest, fault });
            return Ok(());
        }
        let needed_by = self.inner.catalogue.users(digest)?;
        let tags = self.inner.catalogue.tags_hurt(digest)?;
        self.put_away(digest)?;
        tracing::error!(%digest, ?fault, manifests = needed_by.len(), "blob is damaged: it is put away");
        checked.damaged.push(Damage { digest, fault, needed_by, tags });
        Ok(())
    }

    /// Writes content again whose file is damaged, if the journal still holds it. The caller has
    /// seized it. Blocks.
    fn heal(&self, digest: Digest) -> Result<bool, Error> {
        let Some(content) = self.inner.catalogue.journaled_content(digest)? else {
            return Ok(false);
        };
        if Digest::of(digest.algorithm(), &content) != digest {
            return Ok(false);
        }
        let layout = &self.inner.layout;
        layout.quarantine(&digest)?;
        layout.write_blob(&digest, &content)?;
        // The chore that forgets the journaled content may have flushed before this was written.
        layout.sync_blob(&digest)?;
        Ok(true)
    }

    /// Makes everybody forget content whose file is damaged, and moves the file to the quarantine.
    /// The caller has seized it. Blocks.
    pub(super) fn put_away(&self, digest: Digest) -> Result<(), Error> {
        metrics::counter!("registry_damaged_blobs_total").increment(1);
        self.inner.catalogue.disown_blob(digest)?;
        self.inner.layout.quarantine(&digest)?;
        Ok(())
    }
}

/// How a check goes: until it is told to stop, and how fast.
#[derive(Clone)]
struct Gait {
    stop: CancellationToken,
    /// What it waits before each part.
    breath: Option<Duration>,
}

impl Gait {
    /// Waits as long as it should, and says whether to go on.
    fn goes_on(&self) -> bool {
        if let Some(breath) = self.breath {
            std::thread::sleep(breath);
        }
        !self.stop.is_cancelled()
    }
}

/// What a look at a file came to.
enum Look {
    Whole,
    Faulty(Fault),
    /// What is in it is not known: there were too many open files, say, or it is not ours to read.
    Unsure(io::Error),
    /// It was told to stop before it had read everything.
    Stopped,
}

/// Reads a file and says what is wrong with it.
fn examine(layout: &Layout, digest: &Digest, size: u64, gait: &Gait) -> Look {
    let (file, length) = match layout.open_blob(digest) {
        Ok(found) => found,
        Err(error) => return not_read(error),
    };
    if length != size {
        return Look::Faulty(Fault::Size);
    }
    match digest_of(&file, digest, || gait.goes_on()) {
        Ok(Some(found)) if found == *digest => Look::Whole,
        Ok(Some(_)) => Look::Faulty(Fault::Content),
        Ok(None) => Look::Stopped,
        Err(error) => not_read(error),
    }
}

/// Only a disk that says so has lost the content; anything else may pass.
fn not_read(error: io::Error) -> Look {
    match (error.kind(), Errno::from_io_error(&error)) {
        (ErrorKind::NotFound, _) => Look::Faulty(Fault::Missing),
        (_, Some(Errno::IO | Errno::BADMSG | Errno::UCLEAN)) => Look::Faulty(Fault::Unreadable),
        _ => Look::Unsure(error),
    }
}

/// Hashes a file as its name was hashed; none if it may not go on to its end, which is asked before
/// each part, since one file can be many gigabytes.
pub(crate) fn digest_of(
    file: &File,
    like: &Digest,
    goes_on: impl Fn() -> bool,
) -> io::Result<Option<Digest>> {
    let mut hash = Hash::new(like.algorithm());
    let mut part = vec![0; PART];
    let mut offset = 0;
    while goes_on() {
        let count = file.read_at(&mut part, offset)?;
        if count == 0 {
            return Ok(Some(hash.digest()));
        }
        hash.update(part.get(..count).unwrap_or_default());
        offset += count as u64;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::digest::Algorithm;

    #[test]
    fn a_look_stops_between_the_parts_of_one_file() {
        let content = vec![7; 3 * PART];
        let digest = Digest::of(Algorithm::Sha256, &content);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob");
        std::fs::write(&path, content).unwrap();
        let file = File::open(path).unwrap();
        let asked = Cell::new(0);
        let twice = || asked.replace(asked.get() + 1) < 2;

        assert_eq!(digest_of(&file, &digest, twice).unwrap(), None);
        assert_eq!(asked.get(), 3);
        assert_eq!(digest_of(&file, &digest, || true).unwrap(), Some(digest));
    }
}
