//! When a step fails, the question is always what was said on the wire. Each connection keeps its
//! last exchanges, redacted, and counts all of them, so that an error can be explained afterwards.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

/// Exchanges kept per connection.
const KEPT: usize = 64;

/// The step a request belongs to, as metrics and spans name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Discover,
    MountMaintenance,
    MountTask,
    BootOverride,
    Reset,
    Poll,
    CleanupUnmount,
    CleanupReset,
    Session,
}

impl Op {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::MountMaintenance => "mount.maintenance",
            Self::MountTask => "mount.task",
            Self::BootOverride => "boot-override",
            Self::Reset => "reset",
            Self::Poll => "poll",
            Self::CleanupUnmount => "cleanup.unmount",
            Self::CleanupReset => "cleanup.reset",
            Self::Session => "session",
        }
    }
}

/// One request and its answer, without secrets.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Exchange {
    /// Position among all exchanges of the connection, from 1.
    pub number: u64,
    /// The step it served, such as `mount.task`.
    pub op: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// The body sent, at most 1 KiB.
    pub sent: Option<String>,
    /// The status, absent when no answer came.
    pub status: Option<u16>,
    /// The start of the answer for changes and refusals (1 KiB), or what went wrong.
    pub received: Option<String>,
    /// Time until the whole answer was there.
    pub duration_ms: u64,
}

/// What was said before a failure, oldest first. Shown in debugging output as a number.
#[derive(Clone)]
pub(crate) struct Said(Arc<[Exchange]>);

impl Said {
    pub(crate) fn exchanges(&self) -> &[Exchange] {
        &self.0
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exchanges", self.0.len())
    }
}

/// How many requests a connection has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// All requests, sessions and retries included.
    pub total: u64,
    /// The same by HTTP method.
    pub by_method: BTreeMap<&'static str, u64>,
    /// Those that were sent to change something, refused ones included; logins and logouts are not
    /// among them, and neither is what found no connection.
    pub changes: u64,
    /// Connections opened for them.
    pub connections: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Transcript {
    inner: Mutex<(Counts, VecDeque<Exchange>)>,
}

impl Transcript {
    pub(crate) fn add(&self, mut exchange: Exchange) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (counts, kept) = &mut *inner;
        counts.total += 1;
        *counts.by_method.entry(exchange.method).or_default() += 1;
        exchange.number = counts.total;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(exchange);
    }

    /// Counts a change that was sent, beside the exchange it was sent in.
    pub(crate) fn count_change(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.changes += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(crate) fn said(&self) -> Said {
        Said(self.exchanges().into())
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1.iter().cloned().collect()
    }
}
