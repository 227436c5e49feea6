//! Every push and delete into the audit log, many at a time: a client that pushes a thousand layers
//! must not wait for a thousand transactions. What was not written when the process was killed is
//! still in the log lines, which tell each change as it happens.

use std::time::Duration;

use shoal_engine::Clock;
use shoal_oci::audit::{Audit, Entry, LogAudit, is_gone};
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
    let gone = is_gone(status).then_some("gone before the answer");
    let words = [Some(status.as_str()), gone, digest];
    AuditEntry {
        actor: Actor { name: principal.to_owned(), address: from },
        action: verb.as_str().to_owned(),
        target: format!("{repository}{join}{what}"),
        detail: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        ok: status.is_success(),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use shoal_oci::audit::Verb;

    use super::*;

    #[test]
    fn an_entry_says_who_did_what_to_which_content_from_where() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let repository = "tools/a".parse().unwrap();
        let entry = |what, stored, status| Entry {
            principal: "ann",
            from: Some([192, 0, 2, 1].into()),
            verb: Verb::PushManifest,
            repository: &repository,
            what,
            digest: stored,
            status,
        };

        let pushed = told(&entry("v1", Some(digest), StatusCode::CREATED));
        assert_eq!(pushed.actor.name, "ann");
        assert_eq!(pushed.actor.address, Some([192, 0, 2, 1].into()));
        assert_eq!((pushed.action.as_str(), pushed.ok), ("registry.push_manifest", true));
        assert_eq!(pushed.target, "tools/a:v1");
        assert_eq!(pushed.detail, format!("201 {digest}"));

        let refused = told(&entry(digest, None, StatusCode::FORBIDDEN));
        assert_eq!(refused.target, format!("tools/a@{digest}"));
        assert_eq!((refused.detail.as_str(), refused.ok), ("403", false));
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let sealing = shoal_store::Sealing::new(shoal_store::SealingKey::from_bytes([7; 32]));
        let path = directory.path().join("jobs.db");
        let options = shoal_store::Options { path, instance: "a".to_owned(), sealing };
        let store = tokio::task::spawn_blocking(|| Store::open(options)).await.unwrap().unwrap();
        let (trail, written) = Trail::new(store.clone(), shoal_engine::system_clock());
        let repository = "tools/a".parse().unwrap();
        for count in 0..TOGETHER + 3 {
            trail.record(&Entry {
                principal: "ann",
                from: None,
                verb: Verb::PushBlob,
                repository: &repository,
                what: &count.to_string(),
                digest: None,
                status: StatusCode::CREATED,
            });
        }
        let end = CancellationToken::new();
        end.cancel();

        written.follow(end).await;

        let filter = shoal_store::AuditFilter { limit: 10_000, ..Default::default() };
        assert_eq!(store.audited(filter).await.unwrap().len(), TOGETHER + 3);
    }
}
