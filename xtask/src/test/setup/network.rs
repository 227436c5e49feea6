//! What uses the network, or files that another program may hold: it is tried again, a few times, and
//! each failure is told.

use std::{process::Command, thread, time::Duration};

use anyhow::Result;

use crate::shell;

/// Before each further attempt.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_mins(1),
    Duration::from_mins(2),
];

/// Runs to a successful end, in as many attempts as there are pauses and one.
///
/// # Errors
/// That of the last attempt.
pub(super) fn again(command: &mut Command) -> Result<()> {
    attempts(&PAUSES, || shell::run(command))
}

fn attempts(pauses: &[Duration], mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    for pause in pauses {
        let Err(error) = attempt() else { return Ok(()) };
        println!("{error:#}; once more in {} s", pause.as_secs());
        thread::sleep(*pause);
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn what_fails_is_tried_again_until_it_succeeds_or_there_are_no_more_attempts() {
        let pauses = [Duration::ZERO; 2];
        for (succeeds_at, wanted, ended) in [(1, 1, true), (3, 3, true), (4, 3, false)] {
            let mut made = 0;
            let result = attempts(&pauses, || {
                made += 1;
                if made == succeeds_at { Ok(()) } else { Err(anyhow!("no network")) }
            });
            assert_eq!((made, result.is_ok()), (wanted, ended));
        }
    }
}
