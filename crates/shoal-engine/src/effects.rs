//! The one port between decisions and the world.

use std::future::Future;

use shoal_core::{Command, Verdict};
use shoal_store::Record;

/// Performs commands. Implemented by live effects in the controller, and by tests.
pub trait Effects: Send + Sync + 'static {
    /// Performs one command for a job and says what became of it.
    ///
    /// A timeout after a write was sent is [`Verdict::Unknown`], never a refusal.
    /// The future runs to its end; it bounds its own time.
    fn perform(&self, record: &Record, command: Command) -> impl Future<Output = Verdict> + Send;
}
