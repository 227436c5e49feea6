//! What is known of kinds of BMCs, as documents of the client that learned it: a controller that was
//! restarted drives the next machine of a kind as well as the last one.

use shoal_core::Time;

use crate::{Error, Store, row};

/// What is known of one kind of BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLearned {
    /// Vendor, model and firmware.
    pub kind: String,
    /// When it was learned.
    pub at: Time,
    /// JSON.
    pub forms: String,
}

impl Store {
    /// Keeps what is known of a kind in place of what was known before.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_learned(&self, learned: StoredLearned) -> Result<(), Error> {
        self.write(move |tx, _| {
            tx.execute(
                "INSERT INTO bmc_learned (kind, at, forms) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET at = excluded.at, forms = excluded.forms",
                (&learned.kind, row::millis(learned.at), &learned.forms),
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets a kind; true where something was known of it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn forget_learned(&self, kind: &str) -> Result<bool, Error> {
        let kind = kind.to_owned();
        self.write(move |tx, _| {
            Ok(tx.execute("DELETE FROM bmc_learned WHERE kind = ?1", [&kind])? > 0)
        })
        .await
    }

    /// Everything that is known, by kind.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn learned(&self) -> Result<Vec<StoredLearned>, Error> {
        self.read(|tx, _| {
            row::all(tx, "SELECT kind, at, forms FROM bmc_learned ORDER BY kind", [], |found| {
                Ok(StoredLearned {
                    kind: found.get(0)?,
                    at: row::time(found.get(1)?),
                    forms: found.get(2)?,
                })
            })
        })
        .await
    }
}
