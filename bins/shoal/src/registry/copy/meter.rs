//! What passes through on its way from one registry to the other: counted, and hashed once however
//! often a part of it has to be sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::digest::{Digest, Hash};

/// The meter of one blob. Clones share it.
#[derive(Clone)]
pub(super) struct Meter(Arc<Mutex<Passed>>);

struct Passed {
    hash: Hash,
    /// Bytes of the blob that were hashed.
    hashed: u64,
    /// Where in the blob the next bytes are.
    at: u64,
}

impl Meter {
    pub(super) fn new(digest: &Digest) -> Self {
        Self(Arc::new(Mutex::new(Passed { hash: digest.hash(), hashed: 0, at: 0 })))
    }

    /// What comes next is the blob from `offset` on.
    pub(super) fn begin(&self, offset: u64) {
        self.lock().at = offset;
    }

    /// Takes the next bytes.
    pub(super) fn pass(&self, bytes: &[u8]) {
        let mut passed = self.lock();
        let known = passed.hashed.saturating_sub(passed.at);
        let new = usize::try_from(known).ok().and_then(|known| bytes.get(known..));
        let new = new.unwrap_or_default();
        passed.hash.update(new);
        passed.hashed += new.len() as u64;
        passed.at += bytes.len() as u64;
    }

    /// Where in the blob the next bytes would be.
    pub(super) fn at(&self) -> u64 {
        self.lock().at
    }

    /// Bytes that were hashed.
    pub(super) fn hashed(&self) -> u64 {
        self.lock().hashed
    }

    /// The hash of everything that passed; the meter is empty again.
    pub(super) fn digest(&self, like: &Digest) -> Digest {
        let mut passed = self.lock();
        let hash = std::mem::replace(&mut passed.hash, like.hash());
        passed.hashed = 0;
        hash.finish()
    }

    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_is_hashed_once() {
        let digest = Digest::of(b"0123456789");
        let meter = Meter::new(&digest);
        meter.pass(b"01234567");
        meter.begin(3);
        meter.pass(b"3456");
        meter.pass(b"789");
        assert_eq!((meter.at(), meter.hashed()), (10, 10));
        assert_eq!(meter.digest(&digest), digest);
    }
}
