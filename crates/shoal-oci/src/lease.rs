//! Leases: the promise that what a client was told exists will still exist when it acts on it. They
//! live in memory, because one of them is taken by every request that confirms content, and a
//! database write per `HEAD` would be too dear.
//!
//! The protocol between requests and the sweep, per digest:
//!
//! - A request takes its lease *before* it looks, and looks afterwards ([`Leases::renew`]). If the
//!   digest is condemned by then, the request waits for the end of the sentence and looks then: a
//!   sweep may only make one repository forget what others need.
//! - The sweep condemns inside its delete transaction ([`Leases::condemn`]), which fails while a lease
//!   stands, deletes the rows, moves the file to the trash after the commit, and only then drops the
//!   [`Condemned`]. Whatever happens to the sweep, dropping it lifts the sentence.
//! - Who brings content ([`Leases::hold`]) waits until a sentence on the same digest is lifted, and
//!   nothing it holds is condemned until its transaction has ended ([`Held`]), however short the
//!   grace is. So a file is never moved away from under a row that is being written.

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

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    leased_until: Option<Instant>,
    /// Transactions under way that bring the content or make somebody know it.
    holders: u32,
    condemned: bool,
}

impl Entry {
    fn is_leased(&self, now: Instant) -> bool {
        self.holders > 0 || self.leased_until.is_some_and(|until| until > now)
    }
}

/// The digest is being swept; whether it goes is not known yet.
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
    /// [`BeingSwept`]: look only after having waited for the end of it with [`Leases::hold`].
    pub fn renew(&self, digest: &Digest) -> Result<(), BeingSwept> {
        let now = Instant::now();
        let mut entries = self.shard(digest).lock();
        let entry = entries.entry(*digest, now);
        if entry.condemned {
            return Err(BeingSwept);
        }
        entry.leased_until = Some(now + self.grace());
        Ok(())
    }

    /// Promises that the digest stays for the grace period once nobody has it condemned. Never waits:
    /// for who is inside a transaction that takes away what has kept the content so far.
    pub(crate) fn promise(&self, digest: &Digest) {
        let now = Instant::now();
        let mut entries = self.shard(digest).lock();
        entries.entry(*digest, now).leased_until = Some(now + self.grace());
    }

    /// Keeps the digest from being condemned until the guard is dropped, and leases it from then on.
    /// For who brings the content: waits until nobody sweeps it, as long as one sweep transaction and
    /// the renames after it take. Blocks.
    pub fn hold(self: &Arc<Self>, digest: &Digest) -> Held {
        let shard = self.shard(digest);
        let mut entries = shard.lock();
        while entries.of.get(digest).is_some_and(|entry| entry.condemned) {
            entries = shard.lifted.wait(entries).unwrap_or_else(PoisonError::into_inner);
        }
        entries.entry(*digest, Instant::now()).holders += 1;
        Held { digest: *digest, leases: Arc::clone(self) }
    }

    /// [`Leases::hold`] for who only makes somebody know the content.
    ///
    /// # Errors
    /// [`BeingSwept`], as [`Leases::renew`].
    pub fn try_hold(self: &Arc<Self>, digest: &Digest) -> Result<Held, BeingSwept> {
        let mut entries = self.shard(digest).lock();
        let entry = entries.entry(*digest, Instant::now());
        if entry.condemned {
            return Err(BeingSwept);
        }
        entry.holders += 1;
        Ok(Held { digest: *digest, leases: Arc::clone(self) })
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
        let entry = entries.entry(*digest, now);
        if self.is_young(now) || entry.condemned || entry.is_leased(now) {
            return None;
        }
        entry.condemned = true;
        Some(Condemned { digest: *digest, shard: Arc::clone(shard) })
    }

    /// Condemns a digest whose file is damaged, promised or not: nobody can be given it anyway. None
    /// while somebody brings it, or another has it condemned.
    pub(crate) fn seize(&self, digest: &Digest) -> Option<Condemned> {
        let shard = self.shard(digest);
        let mut entries = shard.lock();
        let entry = entries.entry(*digest, Instant::now());
        if entry.condemned || entry.holders > 0 {
            return None;
        }
        entry.condemned = true;
        Some(Condemned { digest: *digest, shard: Arc::clone(shard) })
    }

    /// Whether what a former process promised has run out.
    pub(crate) fn is_settled(&self) -> bool {
        !self.is_young(Instant::now())
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
        self.of.get(digest).is_some_and(|entry| entry.is_leased(now))
    }

    /// The entry of a digest, made when missing; forgets what ran out when there is much of it.
    fn entry(&mut self, digest: Digest, now: Instant) -> &mut Entry {
        if self.of.len() > self.prune_at.max(PRUNE_AT) {
            self.of.retain(|_, entry| entry.condemned || entry.is_leased(now));
            self.prune_at = self.of.len() * 2;
        }
        self.of.entry(digest).or_default()
    }
}

/// A digest that cannot be condemned while this lives. Dropping it leases the digest.
#[derive(Debug)]
#[must_use]
pub struct Held {
    digest: Digest,
    leases: Arc<Leases>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut entries = self.leases.shard(&self.digest).lock();
        let entry = entries.entry(self.digest, now);
        entry.holders = entry.holders.saturating_sub(1);
        entry.leased_until = Some(now + self.leases.grace());
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
        let mut entries = self.shard.lock();
        if let Some(entry) = entries.of.get_mut(&self.digest) {
            entry.condemned = false;
        }
        drop(entries);
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
            let _held = holder.hold(&digest("a"));
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
    fn what_is_held_cannot_be_condemned_however_short_the_grace_is() {
        let leases = Arc::new(settled(Duration::ZERO));
        let (first, second) = (leases.hold(&digest("a")), leases.try_hold(&digest("a")).unwrap());
        drop(first);
        assert!(leases.condemn(&digest("a")).is_none());
        assert!(leases.seize(&digest("a")).is_none());
        drop(second);
        let condemned = leases.condemn(&digest("a")).unwrap();
        assert_eq!(leases.try_hold(&digest("a")).unwrap_err(), BeingSwept);
        drop(condemned);
    }

    #[test]
    fn what_is_damaged_is_seized_whatever_was_promised() {
        let leases = settled(Duration::from_mins(1));
        leases.renew(&digest("a")).unwrap();
        let seized = leases.seize(&digest("a")).unwrap();
        assert_eq!(leases.renew(&digest("a")), Err(BeingSwept));
        drop(seized);
    }

    #[test]
    fn what_is_promised_during_a_sentence_counts_after_it() {
        let leases = settled(Duration::from_mins(1));
        let condemned = leases.condemn(&digest("a")).unwrap();
        leases.promise(&digest("a"));
        assert_eq!(leases.renew(&digest("a")), Err(BeingSwept));
        drop(condemned);
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
