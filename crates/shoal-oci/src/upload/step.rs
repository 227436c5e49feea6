//! The steps of a push, told to whoever watches. A process that is killed right after one of them
//! leaves behind what the next start has to cope with, so tests stop at each.

use std::fmt;
use std::sync::Arc;

/// What has just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The row of a session was written.
    Begun,
    /// The file of an upload was made.
    Opened,
    /// Bytes were written to it.
    Written,
    /// A slice of it was flushed, which is not written down yet.
    Flushed,
    /// The content was found to be what its digest says.
    Checked,
    /// All of it was flushed.
    Durable,
    /// The content has a second name beside the one of its upload, to replace a blob with.
    Twinned,
    /// The content has its name as a blob.
    Named,
    /// That name was flushed.
    NameDurable,
    /// The transaction that makes a repository know it has ended.
    Known,
    /// The upload's own name is gone.
    Ended,
}

/// Who is told.
#[derive(Clone, Default)]
pub(crate) struct Watch(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Watch {
    pub(crate) fn new(watch: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watch)))
    }

    /// Tells of a step, from the thread that did it.
    pub(crate) fn reached(&self, step: Step) {
        if let Some(watch) = &self.0 {
            watch(step);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watch" } else { "nobody" })
    }
}
