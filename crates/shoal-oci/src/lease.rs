//! Leases: the promise that what a client was told exists will still exist when it acts on it. They
//! live in memory, because one of them is taken by every request that confirms content, and a
//! database write per `HEAD` would be too dear.
//!
//! The protocol between requests and the sweep, per digest:
//!
//! - A request takes its lease *before* it looks, and looks afterwards ([`Leases::renew`]). If the
//!   digest is condemned by then, the request answers as if the content were absent.
//! - The sweep condemns inside its delete transaction ([`Leases::condemn`]), which fails while a lease
//!   stands, deletes the rows, moves the file to the trash after the commit, and only then drops the
//!   [`Condemned`]. Whatever happens to the sweep, dropping it lifts the sentence.
//! - Who brings content ([`Leases::hold`]) waits until a sentence on the same digest is lifted, so a
//!   file is never moved away from under a row that was just written.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::digest::Digest;

const SHARDS: usize = 16;

/// A shard is searched for expired leases when it has grown to this, and again at twice what is left.
const PRUNE_AT: usize = 1024;

/// Who was promised what, for how long.
#[derive(Debug)]
pub struct Leases {
    grace: Mutex<Duration>,
    started: Instant,
    hasher: RandomState,
    shards: Vec<Arc<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    entries: Mutex<Entries>,
    lifted: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    of: HashMap<Digest, Entry>,
    prune_at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    LeasedUntil(Instant),
    Condemned,
}

/// The digest is being swept: answer as if it were gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeingSwept;

impl Leases {
    /// `grace` is how long a promise lasts. After a start nothing can be condemned for that long,
    /// because the promises of the former process are not known.
    pub fn new(grace: Duration) -> Self {
        let shards = std::iter::repeat_with(Arc::default).take(SHARDS).collect();
        let (started, hasher) = (Instant::now(), RandomState::new());
        Self { grace: Mutex::new(grace), started, hasher, shards }
    }

    /// How long a promise lasts.
    pub fn grace(&self) -> Duration {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how long promises last from now on.
    pub fn set_grace(&self, grace: Duration) {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner) = grace;
    }

    /// Promises that the digest stays for the grace period; call it before looking whether the
    /// content exists, never after.
    ///
    /// # Errors
    /// [`BeingSwept`]: answer that the content does not exist.
    pub fn renew(&self, digest: &Digest) -> Result<(), BeingSwept> {
        let now = Instant::now();
        let mut entries = self.shard(digest).lock();
        if entries.of.get(digest) == Some(&Entry::Condemned) {
            return Err(BeingSwept);
        }
        entries.lease(*digest, now, now + self.grace());
        Ok(())
    }

    /// [`Leases::renew`] for who brings the content: waits until nobody sweeps it. Blocks, for as
    /// long as one sweep transaction and the renames after it take.
    pub fn hold(&self, digest: &Digest) {
        let shard = self.shard(digest);
        let mut entries = shard.lock();
        while entries.of.get(digest) == Some(&Entry::Condemned) {
            entries = shard.lifted.wait(entries).unwrap_or_else(PoisonError::into_inner);
        }
        let now = Instant::now();
        entries.lease(*digest, now, now + self.grace());
    }

    /// Whether a promise stands, for a dry run.
    pub fn is_leased(&self, digest: &Digest) -> bool {
        let now = Instant::now();
        self.is_young(now) || self.shard(digest).lock().is_leased(digest, now)
    }

    /// Condemns a digest unless somebody was promised it, or another sweep has it. Call it inside
    /// the transaction that deletes the rows, after having checked there that nothing references it.
    pub fn condemn(&self, digest: &Digest) -> Option<Condemned> {
        let now = Instant::now();
        let shard = self.shard(digest);
        let mut entries = shard.lock();
        let taken = entries.of.get(digest) == Some(&Entry::Condemned);
        if self.is_young(now) || taken || entries.is_leased(digest, now) {
            return None;
        }
        entries.of.insert(*digest, Entry::Condemned);
        Some(Condemned { digest: *digest, shard: Arc::clone(shard) })
    }

    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.started) < self.grace()
    }

    fn shard(&self, digest: &Digest) -> &Arc<Shard> {
        let hash = self.hasher.hash_one(digest);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        #[expect(clippy::expect_used, reason = "there are SHARDS shards, and the index is below")]
        self.shards.get(index).expect("an index below the number of shards")
    }
}

impl Shard {
    /// The entries stay whole whatever panics while they are held: each change is one insert.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn is_leased(&self, digest: &Digest, now: Instant) -> bool {
        matches!(self.of.get(digest), Some(Entry::LeasedUntil(until)) if *until > now)
    }

    fn lease(&mut self, digest: Digest, now: Instant, until: Instant) {
        self.of.insert(digest, Entry::LeasedUntil(until));
        if self.of.len() > self.prune_at.max(PRUNE_AT) {
            self.of.retain(|_, entry| match entry {
                Entry::LeasedUntil(until) => *until > now,
                Entry::Condemned => true,
            });
            self.prune_at = self.of.len() * 2;
        }
    }
}

/// A digest that nobody may be promised while this lives. Dropping it lifts the sentence.
#[derive(Debug)]
#[must_use]
pub struct Condemned {
    digest: Digest,
    shard: Arc<Shard>,
}

impl Condemned {
    /// What is condemned.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Drop for Condemned {
    fn drop(&mut self) {
        self.shard.lock().of.remove(&self.digest);
        self.shard.lifted.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    fn digest(content: &str) -> Digest {
        Digest::of(Algorithm::Sha256, content.as_bytes())
    }

    /// Leases whose start lies longer ago than the grace, as those of a process that has been up.
    fn settled(grace: Duration) -> Leases {
        let leases = Leases::new(Duration::ZERO);
        leases.set_grace(grace);
        Leases { started: Instant::now().checked_sub(grace).unwrap(), ..leases }
    }

    #[test]
    fn what_was_promised_cannot_be_condemned() {
        let leases = settled(Duration::from_mins(1));
        leases.renew(&digest("a")).unwrap();
        assert!(leases.condemn(&digest("a")).is_none());
        assert!(leases.condemn(&digest("b")).is_some());
    }

    #[test]
    fn a_promise_ends_with_its_grace() {
        let leases = settled(Duration::ZERO);
        leases.renew(&digest("a")).unwrap();
        assert!(leases.condemn(&digest("a")).is_some());
    }

    #[test]
    fn nothing_can_be_condemned_while_former_promises_may_stand() {
        let leases = Leases::new(Duration::from_hours(1));
        assert!(leases.condemn(&digest("a")).is_none());
        assert!(leases.is_leased(&digest("a")));
    }

    #[test]
    fn what_is_condemned_is_not_promised_until_the_sentence_is_lifted() {
        let leases = settled(Duration::from_mins(1));
        let condemned = leases.condemn(&digest("a")).unwrap();
        assert_eq!(leases.renew(&digest("a")), Err(BeingSwept));
        assert!(leases.condemn(&digest("a")).is_none(), "by a second sweep");
        drop(condemned);
        assert_eq!(leases.renew(&digest("a")), Ok(()));
    }

    #[test]
    fn who_brings_content_waits_for_the_sweep() {
        let leases = Arc::new(settled(Duration::from_mins(1)));
        let condemned = leases.condemn(&digest("a")).unwrap();
        let (sender, done) = std::sync::mpsc::channel();
        let holder = Arc::clone(&leases);
        let holding = std::thread::spawn(move || {
            sender.send("waiting").unwrap();
            holder.hold(&digest("a"));
            sender.send("held").unwrap();
        });
        assert_eq!(done.recv(), Ok("waiting"));
        assert!(done.try_recv().is_err());
        drop(condemned);
        assert_eq!(done.recv(), Ok("held"));
        holding.join().unwrap();
        assert!(leases.condemn(&digest("a")).is_none());
    }

    #[test]
    fn leases_that_ran_out_are_forgotten() {
        let leases = settled(Duration::ZERO);
        for n in 0..100_000 {
            leases.renew(&digest(&n.to_string())).unwrap();
        }
        let kept: usize = leases.shards.iter().map(|shard| shard.lock().of.len()).sum();
        assert!(kept <= SHARDS * (PRUNE_AT + 1), "{kept}");
    }
}
