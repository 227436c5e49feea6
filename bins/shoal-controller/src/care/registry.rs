//! The weekly look at everything that the registry stores. A disk that loses bits says nothing of it,
//! and a damaged artifact is better found now than by the machine that installs it. It is no chore
//! among the others: it reads slowly, for hours where there is much, and a backup must not wait for it.

use std::time::Duration;

use shoal_oci::{Error, Registry};
use shoal_store::Chore;
use tokio_util::sync::CancellationToken;

use super::{Ledger, WEEK, is_due};
use crate::effects::chain;

/// Between two looks at whether it is due; also after a failure.
const BEAT: Duration = Duration::from_hours(1);

/// Checks the registry when that is due.
pub(crate) struct RegistryCare {
    registry: Registry,
    ledger: Ledger,
}

impl RegistryCare {
    pub(crate) fn new(registry: Registry, ledger: Ledger) -> Self {
        Self { registry, ledger }
    }

    /// Checks what is due until `stop`. A check that is cut is begun anew by the next start.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        let mut beat = tokio::time::interval(BEAT);
        while stop.run_until_cancelled(beat.tick()).await.is_some() {
            self.pass(&stop).await;
        }
    }

    pub(super) async fn pass(&self, stop: &CancellationToken) {
        match self.ledger.store().chores().await {
            Ok(chores) => {
                let now = self.ledger.clock().now();
                if !is_due(now, chores.done(Chore::RegistryCheck), WEEK) {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "failed to look at what is due");
                return;
            }
        }
        match self.check(stop).await {
            Ok(true) => self.ledger.done(Chore::RegistryCheck).await,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(error = chain(&error), "the check of the registry failed");
            }
        }
    }

    /// Reads everything; whether it came to its end. The registry counts and names what is damaged.
    async fn check(&self, stop: &CancellationToken) -> Result<bool, Error> {
        let checked = self.registry.check_gently(stop).await?;
        if checked.stopped {
            return Ok(false);
        }
        let (count, bytes, skipped) = (checked.blobs, checked.bytes, checked.skipped);
        if checked.damaged.is_empty() && skipped == 0 {
            tracing::info!(count, bytes, "the registry was checked: its content is whole");
        } else if checked.damaged.is_empty() {
            tracing::warn!(count, bytes, skipped, "the registry was checked but for some blobs");
        } else {
            let damaged = checked.damaged.len();
            tracing::error!(
                count,
                bytes,
                damaged,
                skipped,
                "the registry was checked: damaged blobs were put away and have to be pushed again"
            );
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http_body_util::Full;
    use shoal_core::Time;
    use shoal_engine::Clock;
    use shoal_oci::{Algorithm, Config, Digest, registry::Incoming};
    use shoal_store::Store;

    use super::*;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    #[tokio::test]
    async fn the_registry_is_checked_weekly_and_what_is_damaged_is_put_away() {
        let root = tempfile::tempdir().unwrap();
        let mut config = Config::new(root.path());
        config.limits.headroom_bytes = 0;
        let opened = tokio::task::spawn_blocking(|| Registry::open(config)).await.unwrap();
        let registry = opened.unwrap();
        let repository = "a".parse().unwrap();
        let content = vec![7; 100_000];
        let digest = Digest::of(Algorithm::Sha256, &content);
        let body = Full::new(axum::body::Bytes::from(content.clone()));
        let incoming = Incoming { body, length: None, range: None };
        registry.put_blob(&repository, digest, incoming).await.unwrap();
        let store = Store::scratch().unwrap();
        let at = |now: Time| {
            let clock = Clock::new(move || now, || Duration::ZERO);
            RegistryCare::new(registry.clone(), Ledger::new(store.clone(), clock))
        };
        let done = async || store.chores().await.unwrap().done(Chore::RegistryCheck);
        let file = root.path().join("blobs").join(digest.to_string().replace(':', "/"));
        let stop = CancellationToken::new();

        at(NOW).pass(&stop).await;
        assert_eq!(done().await, Some(NOW));
        fs::write(file, vec![8; content.len()]).unwrap();
        at(NOW + WEEK / 2).pass(&stop).await;
        assert!(registry.blob(&repository, digest).await.is_ok(), "it was not due");
        let cut = CancellationToken::new();
        cut.cancel();
        at(NOW + WEEK).pass(&cut).await;
        assert_eq!(done().await, Some(NOW), "what was cut was not done");
        at(NOW + WEEK).pass(&stop).await;
        assert_eq!(done().await, Some(NOW + WEEK));

        let gone = registry.blob(&repository, digest).await.unwrap_err();
        assert!(matches!(gone, Error::BlobUnknown { .. }), "{gone}");
    }
}
