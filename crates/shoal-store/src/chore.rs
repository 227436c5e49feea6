//! When the installation's chores were last done well. It is kept here and not in memory, so that a
//! restart neither repeats what was just done nor hides what was long neglected.

use std::collections::BTreeMap;

use shoal_core::Time;

use crate::{Error, Store, row};

/// Something that is done for the installation now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    /// A copy of the database.
    Backup,
    /// A trial restore of a copy.
    RestoreTest,
    /// A whole check of the database.
    Check,
    /// Deleting what ended jobs left.
    TaskCollection,
    /// A whole check of what the registry stores.
    RegistryCheck,
}

impl Chore {
    /// Every chore.
    pub const ALL: [Self; 5] =
        [Self::Backup, Self::RestoreTest, Self::Check, Self::TaskCollection, Self::RegistryCheck];

    /// Its name in rows and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::RestoreTest => "restore_test",
            Self::Check => "check",
            Self::TaskCollection => "task_collection",
            Self::RegistryCheck => "registry_check",
        }
    }
}

/// When what was last done well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chores {
    /// When the database was made, or first knew chores.
    pub installed: Time,
    done: BTreeMap<&'static str, Time>,
}

impl Chores {
    /// When the chore was last done well, if ever.
    pub fn done(&self, chore: Chore) -> Option<Time> {
        self.done.get(chore.as_str()).copied()
    }

    /// [`Chores::done`], or else the time from which neglect counts.
    pub fn since(&self, chore: Chore) -> Time {
        self.done(chore).unwrap_or(self.installed)
    }
}

impl Store {
    /// Writes down that a chore was done well at `now`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn chore_done(&self, chore: Chore, now: Time) -> Result<(), Error> {
        self.write(move |tx, _| {
            tx.execute(
                "INSERT INTO chores (name, succeeded_at) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET succeeded_at = excluded.succeeded_at",
                (chore.as_str(), row::millis(now)),
            )?;
            Ok(())
        })
        .await
    }

    /// When what was last done well.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn chores(&self) -> Result<Chores, Error> {
        let rows = self.read(|tx, _| {
            row::all(tx, "SELECT name, succeeded_at FROM chores", [], |found| {
                Ok((found.get::<_, String>(0)?, row::time(found.get(1)?)))
            })
        });
        let rows = rows.await?;
        let of = |name: &str| rows.iter().find(|(found, _)| found == name).map(|(_, at)| *at);
        // A row that somebody deleted by hand must not make everything look neglected since 1970.
        let oldest = rows.iter().map(|(_, at)| *at).min().unwrap_or(Time::from_millis(0));
        let installed = of("installation").unwrap_or(oldest);
        let names = Chore::ALL.iter().map(|chore| chore.as_str());
        let done = names.filter_map(|name| Some((name, of(name)?))).collect();
        Ok(Chores { installed, done })
    }

    /// When each kind of thing last happened to the installation.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_changes(&self) -> Result<BTreeMap<String, Time>, Error> {
        let rows = self.read(|tx, _| {
            let sql = "SELECT kind, max(at) FROM installation_events GROUP BY kind";
            row::all(tx, sql, [], |found| Ok((found.get(0)?, row::time(found.get(1)?))))
        });
        Ok(rows.await?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chore_counts_from_the_installation_until_it_was_done() {
        let store = Store::scratch().unwrap();
        let fresh = store.chores().await.unwrap();
        assert!(fresh.installed > Time::from_millis(1_700_000_000_000), "{fresh:?}");
        assert_eq!(fresh.done(Chore::Backup), None);
        assert_eq!(fresh.since(Chore::Backup), fresh.installed);

        let later = Time::from_millis(fresh.installed.as_millis() + 5000);
        store.chore_done(Chore::Backup, fresh.installed).await.unwrap();
        store.chore_done(Chore::Backup, later).await.unwrap();
        let chores = store.chores().await.unwrap();
        assert_eq!(chores.done(Chore::Backup), Some(later));
        assert_eq!(chores.since(Chore::RestoreTest), fresh.installed);
    }

    #[tokio::test]
    async fn the_last_change_of_each_kind_is_told() {
        let store = Store::scratch().unwrap();
        for (kind, at) in [("start", 1), ("reload", 2), ("start", 3)] {
            let at = Time::from_millis(at);
            store.installation_event(kind, BTreeMap::new(), at).await.unwrap();
        }
        let last = store.last_changes().await.unwrap();
        let expected = [("reload", 2), ("start", 3)]
            .map(|(kind, at)| (kind.to_owned(), Time::from_millis(at)));
        assert_eq!(last, BTreeMap::from(expected));
    }
}
