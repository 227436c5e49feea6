//! The patience with which a terminal report is delivered. A lost report costs an installed
//! server, a repeated one costs a counter: so the sender goes on until the time the task medium
//! names, slower and slower up to once a minute, and spread so that a rack whose controller comes
//! back does not report in one instant.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use super::{PostError, Poster};
use crate::answer::Answer;
use crate::report::Report;

/// Pause after the first failed try, before it is spread.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No two tries lie further apart than this (plus the time one try takes).
pub const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Most tries of one report; ends the loop even where the wall clock runs backwards.
pub const MAX_TRIES: u32 = 1_000;

/// The time in which tries are made; tests use one that does not pass.
pub trait Pace {
    /// The wall clock, in which the deadline is given.
    fn now(&self) -> SystemTime;
    /// Any value, different from server to server: spreads the tries.
    fn spread(&mut self) -> u16;
    /// Lets the pause pass before the next try; `error` is why the last one failed.
    fn pause(&mut self, pause: Duration, error: &PostError);
}

/// The real time, with the thread asleep during a pause.
#[derive(Debug, Default)]
pub struct WallClock;

impl Pace for WallClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn spread(&mut self) -> u16 {
        // The standard library seeds every hasher from the system; no more randomness is needed.
        let [low, high, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    fn pause(&mut self, pause: Duration, _error: &PostError) {
        std::thread::sleep(pause);
    }
}

impl Poster {
    /// Tries until the report has arrived, is refused for good, or the deadline has passed.
    ///
    /// There is always one try, even when the deadline lies in the past, and one at the deadline.
    /// The error is that of the last try.
    pub fn post_until(
        &self,
        report: &Report,
        deadline: SystemTime,
        pace: &mut impl Pace,
    ) -> Result<Answer, PostError> {
        let mut step = FIRST_PAUSE;
        for _ in 1..MAX_TRIES {
            let error = match self.post(report) {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => error,
            };
            let left = deadline.duration_since(pace.now()).unwrap_or_default();
            if left.is_zero() {
                return Err(error);
            }
            let pause = spread(step, pace.spread())
                .max(error.retry_after().unwrap_or_default())
                .min(LONGEST_PAUSE)
                .min(left);
            pace.pause(pause, &error);
            step = (step * 2).min(LONGEST_PAUSE);
        }
        self.post(report)
    }
}

/// A pause between half of the step and the whole of it.
fn spread(step: Duration, by: u16) -> Duration {
    let half = step / 2;
    half + half * u32::from(by) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_spread_over_the_upper_half_of_its_step() {
        assert_eq!(spread(LONGEST_PAUSE, 0), LONGEST_PAUSE / 2);
        assert_eq!(spread(LONGEST_PAUSE, u16::MAX), LONGEST_PAUSE);
        assert!(spread(FIRST_PAUSE, 30_000) < FIRST_PAUSE);
    }
}
