//! Wall time, as a value the caller can replace.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use shoal_core::Time;

/// Tells wall time. Tests pass one that follows tokio's paused clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The machine's own clock. A clock before 1970 reads as 1970.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    })
}
