//! Time as a value the tests own: expiry compares wall time, the quiet before a second boot compares
//! time that cannot be set, and neither test may wait for either.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where this crate learns what time it is.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Seconds since 1970, for expiry.
    fn unix_seconds(&self) -> u64;

    /// Time since any fixed point of this process; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
