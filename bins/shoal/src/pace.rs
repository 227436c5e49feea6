//! How patient the program is with a controller that does not answer: every bound of time and
//! number, in one place.

use std::time::Duration;

/// Bounds of time and repetition.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The longest time to make a connection.
    pub connect: Duration,
    /// The longest time for a whole call, streams excepted.
    pub call: Duration,
    /// The longest time for a call that has the controller talk to a BMC, which waits for its turn
    /// there and then reads page by page.
    pub look: Duration,
    /// The pause between two looks at something that takes its time.
    pub poll: Duration,
    /// The longest silence of a stream before it counts as lost; the controller sends a sign of life
    /// more often.
    pub silence: Duration,
    /// The pause before the first repetition; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause, also when the controller asks for a longer one.
    pub longest_pause: Duration,
    /// How often a call that changes nothing is made in all.
    pub tries: u32,
    /// How often in a row a stream may end without a word before watching is given up. With the
    /// pauses of the default this outlasts a restart of the controller by far.
    pub silent_streams: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_mins(1),
            look: Duration::from_mins(10),
            poll: Duration::from_secs(2),
            silence: Duration::from_secs(90),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(15),
            tries: 4,
            silent_streams: 40,
        }
    }
}

impl Pace {
    /// The pause before repetition number `nth`, counted from 0. `asked` is the controller's wish.
    pub(crate) fn pause(&self, nth: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(nth));
        asked.unwrap_or(doubled).min(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound_and_the_controllers_wish_is_bounded_too() {
        let pace = Pace::default();

        assert_eq!(pace.pause(0, None), Duration::from_millis(500));
        assert_eq!(pace.pause(2, None), Duration::from_secs(2));
        assert_eq!(pace.pause(60, None), Duration::from_secs(15));
        assert_eq!(pace.pause(0, Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(pace.pause(0, Some(Duration::from_hours(9))), Duration::from_secs(15));
    }
}
