//! What `/readyz` tells: looked at now and then, so that a probe costs nothing and blocks nobody.

use std::{path::PathBuf, time::Duration};

use shoal_api::{Check, Health};
use shoal_oci::Registry;
use shoal_store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const BEAT: Duration = Duration::from_secs(5);

/// Looks at the databases and the directories we write to.
pub(crate) struct Pulse {
    store: Store,
    registry: Option<Registry>,
    directories: Vec<(&'static str, PathBuf)>,
    checks: watch::Sender<Vec<Check>>,
}

impl Pulse {
    /// Health as of the last look. The first look is made in the background.
    pub(crate) fn begin(
        (store, registry): (Store, Option<Registry>),
        directories: Vec<(&'static str, PathBuf)>,
        stop: CancellationToken,
    ) -> Health {
        let pending = Check { name: "first_look", failing: Some("not made yet".to_owned()) };
        let (checks, seen) = watch::channel(vec![pending]);
        let pulse = Self { store, registry, directories, checks };
        tokio::spawn(pulse.follow(stop));
        Health::new(move || seen.borrow().clone())
    }

    async fn follow(self, stop: CancellationToken) {
        loop {
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    async fn look(&self) {
        let (store, directories) = (self.store.clone(), self.directories.clone());
        let registry = self.registry.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let database = store.sample().err().map(|error| error.to_string());
            let mut checks = vec![Check { name: "database", failing: database }];
            if let Some(registry) = registry {
                let sampled = registry.catalogue().database().sample();
                metrics::gauge!("registry_up").set(f64::from(u8::from(sampled.is_ok())));
                let failing = sampled.err().map(|error| error.to_string());
                checks.push(Check { name: "registry", failing });
            }
            for (name, path) in directories {
                let failing = std::fs::read_dir(&path).err();
                let failing = failing.map(|error| format!("{}: {error}", path.display()));
                checks.push(Check { name, failing });
            }
            checks
        });
        if let Ok(checks) = looked.await {
            for check in checks.iter().filter(|check| check.failing.is_some()) {
                tracing::warn!(check = check.name, reason = check.failing, "not ready");
            }
            self.checks.send_replace(checks);
        }
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        #[expect(clippy::cast_precision_loss, reason = "a count of tasks needs no 53 bits")]
        metrics::gauge!("tokio_alive_tasks").set(tasks as f64);
    }
}
