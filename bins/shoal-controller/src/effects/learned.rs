//! What connections learn about kinds of BMCs outlives them and the process: it is stored when a turn
//! ends, and known again after a restart.

use shoal_redfish::{Learned, Learning};
use shoal_store::{Store, StoredLearned};

use super::{bmc::Bmcs, fault::chain};

/// What was learned before this start. What another release wrote in a form this one does not
/// understand is learned again.
pub(crate) async fn known(store: &Store) -> Result<Learning, shoal_store::Error> {
    let stored = store.learned().await?;
    let read = |stored: StoredLearned| match serde_json::from_str::<Learned>(&stored.forms) {
        Ok(learned) => Some(learned),
        Err(error) => {
            tracing::warn!(kind = stored.kind, %error, "forgot what is known of a kind of BMC");
            None
        }
    };
    Ok(Learning::of(stored.into_iter().filter_map(read)))
}

impl Bmcs {
    /// Forgets a kind of BMC: the next of its machines is read whole and learned anew.
    pub(super) async fn forget_learned(&self, kind: &str) -> Result<bool, shoal_store::Error> {
        let known = self.learning.forget(kind);
        Ok(self.store.forget_learned(kind).await? || known)
    }

    /// Stores what is new. What cannot be stored now is stored after a later turn.
    pub(super) async fn keep_learned(&self) {
        for learned in self.learning.changes() {
            let kind = learned.kind().to_owned();
            let Ok(forms) = serde_json::to_string(&learned) else { continue };
            let stored = StoredLearned { kind, at: self.now(), forms };
            if let Err(error) = self.store.set_learned(stored).await {
                tracing::error!(error = %chain(&error), "failed to store what was learned of BMCs");
                self.learning.tell_again(&learned);
            } else if !self.learning.knows(learned.kind()) {
                // Somebody had it forgotten while it was being stored.
                if let Err(error) = self.store.forget_learned(learned.kind()).await {
                    tracing::error!(error = %chain(&error), "failed to forget a kind of BMC");
                }
            }
        }
    }
}
