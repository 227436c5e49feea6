//! Media that are open, and the sign by which a task medium shows that somebody wrote into its file
//! since its digest was checked: what is damaged must not be served as what was built.

use std::{fs::File, io, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use shoal_media::Medium;

/// An open medium.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) medium: Medium,
    task: Option<Untouched>,
}

/// A file, and how it looked before its digest was checked.
#[derive(Clone)]
pub(super) struct Untouched {
    file: Arc<File>,
    looked: Look,
}

/// What changes when a file is written to: when its inode was changed, when its content was, its length.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look([i64; 4], u64);

impl Kept {
    /// A medium without a task medium in it.
    pub(super) fn shared(medium: Medium) -> Self {
        Self { medium, task: None }
    }

    /// A medium whose bytes are those of a task medium's file, or contain them.
    pub(super) fn with_task(medium: Medium, task: Untouched) -> Self {
        Self { medium, task: Some(task) }
    }

    /// This task medium laid over the medium that `lay` gives.
    pub(super) fn laid_over<E>(
        self,
        lay: impl FnOnce(&Medium) -> Result<Medium, E>,
    ) -> Result<Self, E> {
        Ok(Self { medium: lay(&self.medium)?, task: self.task })
    }

    /// Whether nobody touched the file of its task medium. Asks an open file, which is no more than a
    /// look into memory.
    pub(super) fn is_untouched(&self) -> bool {
        self.task.as_ref().is_none_or(Untouched::holds)
    }
}

impl Untouched {
    /// The file as it is now. To be taken before its content is checked. Blocks.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let looked = look(&file)?;
        Ok(Self { file: Arc::new(file), looked })
    }

    /// Another handle to the same file.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    fn holds(&self) -> bool {
        look(&self.file).is_ok_and(|now| now == self.looked)
    }
}

fn look(file: &File) -> io::Result<Look> {
    let found = file.metadata()?;
    let times = [found.ctime(), found.ctime_nsec(), found.mtime(), found.mtime_nsec()];
    Ok(Look(times, found.len()))
}
