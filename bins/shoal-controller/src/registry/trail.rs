//! Every push and delete into the audit log, many at a time: a client that pushes a thousand layers
//! must not wait for a thousand transactions. What was not written when the process was killed is
//! still in the log lines, which tell each change as it happens.

use std::time::Duration;

use shoal_engine::Clock;
use shoal_oci::audit::{Audit, Entry, LogAudit};
use shoal_store::{Actor, AuditEntry, Store};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

/// Entries that may wait. A writer that is slower than this many pushes is stuck.
const WAITING: usize = 16 * 1024;

/// Entries of one transaction.
const TOGETHER: usize = 512;

/// Between two attempts when the database takes none.
const BREATH: Duration = Duration::from_secs(1);

/// Attempts at one batch, after which its entries are in the log lines only.
const ATTEMPTS: u32 = 30;

type Stamped = (AuditEntry, shoal_core::Time);

/// Takes entries.
#[derive(Clone)]
pub(crate) struct Trail {
    waiting: Sender<Stamped>,
    clock: Clock,
}

/// Writes them.
pub(crate) struct Written {
    store: Store,
    waiting: Receiver<Stamped>,
}

impl Trail {
    /// Both ends.
    pub(crate) fn new(store: Store, clock: Clock) -> (Self, Written) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { waiting: sender, clock }, Written { store, waiting: receiver })
    }
}

impl std::fmt::Debug for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trail").finish_non_exhaustive()
    }
}

impl Audit for Trail {
    fn record(&self, entry: &Entry<'_>) {
        LogAudit.record(entry);
        if self.waiting.try_send((told(entry), self.clock.now())).is_err() {
            tracing::error!("audit entry lost: the database is too slow; the line before has it");
        }
    }
}

impl Written {
    /// Writes what comes until `end`, and then what is still waiting.
    pub(crate) async fn follow(mut self, end: CancellationToken) {
        let mut batch = Vec::with_capacity(TOGETHER);
        loop {
            tokio::select! {
                biased;
                count = self.waiting.recv_many(&mut batch, TOGETHER) => {
                    if count == 0 {
                        return;
                    }
                }
                () = end.cancelled() => return,
            }
            self.write(std::mem::take(&mut batch), &end).await;
        }
    }

    async fn write(&self, batch: Vec<Stamped>, end: &CancellationToken) {
        for attempt in 1..=ATTEMPTS {
            let Err(error) = self.store.audit_all(batch.clone()).await else { return };
            // A lost answer may have been a success; entries that are there twice are better than none.
            if attempt == ATTEMPTS || !error.is_transient() || end.is_cancelled() {
                tracing::error!(%error, entries = batch.len(), "audit entries lost");
                return;
            }
            let _ = end.run_until_cancelled(tokio::time::sleep(BREATH)).await;
        }
    }
}

/// An entry in the store's words.
fn told(entry: &Entry<'_>) -> AuditEntry {
    let Entry { principal, from, verb, repository, what, digest, status } = *entry;
    let join = if what.contains(':') { '@' } else { ':' };
    let digest = digest.filter(|digest| *digest != what);
    let words = [Some(status.as_str()), digest];
    AuditEntry {
        actor: Actor { name: principal.to_owned(), address: from },
        action: verb.as_str().to_owned(),
        target: format!("{repository}{join}{what}"),
        detail: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        ok: status.is_success(),
    }
}
