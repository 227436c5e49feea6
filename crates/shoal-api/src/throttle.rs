//! Rate limits per key (an address, a job) in bounded memory: what an attacker can choose must not
//! decide how much this process remembers.

use std::{hash::Hash, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock, Reference},
};

/// Keys remembered at once; beyond that all new keys share one allowance.
const KEYS_MAX: usize = 4096;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a quiet time.
    pub burst: NonZeroU32,
    /// Then one more after each of these; zero counts as a nanosecond.
    pub every: Duration,
}

pub(crate) struct Throttle<K: Hash + Eq + Clone> {
    known: DefaultKeyedRateLimiter<K>,
    others: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        let every = rate.every.max(Duration::from_nanos(1));
        let fallback = Quota::per_second(rate.burst);
        let quota = Quota::with_period(every).unwrap_or(fallback).allow_burst(rate.burst);
        Self {
            known: RateLimiter::hashmap(quota),
            others: RateLimiter::direct(quota),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one more for `key`, or says how long to wait.
    pub(crate) fn check(&self, key: &K) -> Result<(), Duration> {
        if self.known.len() >= KEYS_MAX {
            self.known.retain_recent();
            self.known.shrink_to_fit();
        }
        let answer = if self.known.len() < KEYS_MAX {
            self.known.check_key(key)
        } else {
            self.others.check()
        };
        answer.map_err(|not_until| self.wait(&not_until))
    }

    fn wait<P: Reference>(&self, not_until: &NotUntil<P>) -> Duration
    where
        DefaultClock: Clock<Instant = P>,
    {
        not_until.wait_time_from(self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(burst: u32) -> Throttle<u32> {
        let burst = NonZeroU32::new(burst).unwrap();
        Throttle::new(Rate { burst, every: Duration::from_hours(1) })
    }

    #[test]
    fn a_key_is_refused_after_its_burst_and_others_are_not() {
        let throttle = throttle(2);
        assert_eq!(throttle.check(&1), Ok(()));
        assert_eq!(throttle.check(&1), Ok(()));
        assert!(throttle.check(&1).unwrap_err() > Duration::from_mins(1));
        assert_eq!(throttle.check(&2), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_is_remembered_only_up_to_the_bound() {
        let throttle = throttle(1);
        let admitted = (0..20_000).filter(|key| throttle.check(key).is_ok()).count();
        assert_eq!(admitted, KEYS_MAX + 1);
        assert!(throttle.known.len() <= KEYS_MAX);
    }
}
