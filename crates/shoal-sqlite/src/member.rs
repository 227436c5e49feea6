//! One queued write, with its types erased so that writes of all kinds can share a group, and its
//! answer kept back until the group's fate is known.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Transaction;
use tokio::sync::oneshot;

use crate::Error;

/// What became of a group, as one member hears it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate<'a> {
    /// The group is on disk.
    Committed,
    /// Nothing of the group was kept. A member's own refusal is replaced too: it may rest on what
    /// a neighbour wrote, which never came to be.
    Lost { doubtful: bool, source: &'a Arc<Error> },
    /// Nothing of the group was kept because of this member, whose own error says why.
    LostByMe { source: &'a Arc<Error> },
}

/// A member of a group, whatever its closure returns.
pub(crate) trait Member: Send {
    /// Runs the closure; false when its changes must be undone.
    fn run(&mut self, tx: &Transaction<'_>) -> bool;
    /// Answers the caller.
    fn settle(self: Box<Self>, fate: Fate<'_>);
}

/// A closure and the caller who waits for it.
pub(crate) struct Write<F, T, E> {
    body: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Write<F, T, E> {
    /// A write and the end on which its answer arrives.
    pub(crate) fn new(body: F) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (answer, receiver) = oneshot::channel();
        (Self { body: Some(body), result: None, answer }, receiver)
    }
}

impl<F, T, E> Member for Write<F, T, E>
where
    F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &Transaction<'_>) -> bool {
        let Some(body) = self.body.take() else { return false };
        let result = call(|| body(tx));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn settle(self: Box<Self>, fate: Fate<'_>) {
        let lost = |doubtful, source: &Arc<Error>| {
            Err(E::from(Error::NotCommitted { doubtful, source: Arc::clone(source) }))
        };
        let answer = match (fate, self.result) {
            (Fate::Committed, Some(result)) => result,
            (Fate::LostByMe { .. }, Some(Err(own))) => Err(own),
            (Fate::Committed, None) => Err(E::from(Error::Closed)),
            (Fate::Lost { doubtful, source }, _) => lost(doubtful, source),
            (Fate::LostByMe { source }, _) => lost(false, source),
        };
        // A caller who stopped waiting has given up the answer, not the write.
        let _ = self.answer.send(answer);
    }
}

/// Calls a caller's closure; a panic becomes its error. The closure's transaction is rolled back
/// by whoever called us, so no half-made state is seen afterwards.
pub(crate) fn call<T, E: From<Error>>(body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(E::from(Error::Panicked)))
}
