//! Another configuration without a restart: read by the same code as at start, compared with the one in
//! force, judged as a whole, and then taken over in steps that cannot fail.

mod plan;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use shoal_api::{Auth, Changed, Installation, Pending, Reload, ReloadRefusal, Reloaded};
use shoal_engine::{Clock, Gate};
use shoal_oci::Registry;
use shoal_store::Store;
use shoal_telemetry::logs::Levels;
use tokio_util::sync::CancellationToken;

use self::plan::Plan;
use crate::{
    effects::{Bmcs, chain},
    first_start,
    keys::Keys,
    ready,
    settings::{InForce, Snapshot},
    signal::Hangups,
    tls::{Prepared, Tls},
};

/// Where this process's configuration comes from, besides its environment.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The file that was named, if one was.
    pub file: Option<PathBuf>,
    /// `NAME=VALUE` of the command line.
    pub set: Vec<String>,
}

/// What a reload reaches.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) tls: Arc<Tls>,
    pub(crate) auth: Auth,
    pub(crate) bmcs: Arc<Bmcs>,
    pub(crate) gate: Gate,
    pub(crate) keys: Arc<Keys>,
    pub(crate) levels: Levels,
    pub(crate) registry: Option<Registry>,
}

/// The running process, as far as its configuration can change.
pub(crate) struct Running {
    origin: Origin,
    in_force: InForce,
    snapshot: Mutex<Snapshot>,
    parts: Parts,
    /// Two reloads at a time could each take over half.
    turn: tokio::sync::Mutex<()>,
}

impl Running {
    /// What was read at start is in force.
    pub(crate) fn new(
        origin: Origin,
        in_force: InForce,
        snapshot: Snapshot,
        parts: Parts,
    ) -> Arc<Self> {
        let (snapshot, turn) = (Mutex::new(snapshot), tokio::sync::Mutex::default());
        let running = Arc::new(Self { origin, in_force, snapshot, parts, turn });
        running.measure();
        running
    }

    /// The store all of it is about.
    pub(crate) fn store(&self) -> Store {
        self.parts.store.clone()
    }

    /// The registry, where there is one.
    pub(crate) fn registry(&self) -> Option<Registry> {
        self.parts.registry.clone()
    }

    /// Reloads at every SIGHUP until `stop`, and tells the service manager.
    pub(crate) async fn follow(self: Arc<Self>, mut hangups: Hangups, stop: CancellationToken) {
        while stop.run_until_cancelled(hangups.next()).await.is_some() {
            ready::reloading();
            let told = match self.take_over(Reload::default()).await {
                Ok(reloaded) => format!("reloaded: {}", keys(&reloaded.changed)),
                Err(refusal) => refusal.to_string(),
            };
            ready::reloaded(&told);
        }
    }

    /// Looks at the certificate daily: a local one is renewed long before it ends, and files that were
    /// exchanged are taken over if the machines under way trust them.
    pub(crate) async fn renew(self: Arc<Self>, stop: CancellationToken) {
        let mut daily = tokio::time::interval(Duration::from_hours(24));
        while stop.run_until_cancelled(daily.tick()).await.is_some() {
            if let Err(refusal) = self.renew_once().await {
                tracing::error!(error = %refusal, "the certificate stays as it is");
            }
        }
    }

    async fn renew_once(&self) -> Result<(), ReloadRefusal> {
        let _turn = self.turn.lock().await;
        let settings = self.in_force.now();
        let read =
            tokio::task::spawn_blocking(move || Prepared::read(&settings, SystemTime::now()));
        let prepared = read
            .await
            .map_err(|error| ReloadRefusal::of("reload", error.to_string()))?
            .map_err(|error| ReloadRefusal::of("TLS_CERT_FILE", plan::chain(&error)))?;
        if !self.parts.tls.is_news(&prepared) {
            return Ok(());
        }
        plan::check_trust(&self.parts.store, &prepared).await?;
        let sha256 = prepared.leaf_sha256();
        self.parts.tls.install(prepared);
        self.measure();
        tracing::info!(sha256, "the certificate was renewed");
        self.note("certificate", [("certificate_sha256".to_owned(), sha256)].into()).await;
        Ok(())
    }

    async fn take_over(&self, wanted: Reload) -> Result<Reloaded, ReloadRefusal> {
        let _turn = self.turn.lock().await;
        let taken = self.take_over_in_turn(wanted).await;
        match &taken {
            Ok(reloaded) if wanted.dry_run => {
                tracing::info!(
                    changed = keys(&reloaded.changed),
                    "the configuration would be taken over"
                );
            }
            Ok(reloaded) => {
                tracing::info!(
                    changed = keys(&reloaded.changed),
                    "the configuration was taken over"
                );
            }
            Err(refusal) => tracing::error!(error = %refusal, "the configuration in force stays"),
        }
        taken
    }

    async fn take_over_in_turn(&self, wanted: Reload) -> Result<Reloaded, ReloadRefusal> {
        let before = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let plan = Plan::read(&self.origin, &before).await?;
        let certificate_is_news = self.parts.tls.is_news(&plan.certificate);
        if certificate_is_news && !wanted.force {
            plan::check_trust(&self.parts.store, &plan.certificate).await?;
        }
        let access = &plan.settings.access;
        plan::check_secrets(&self.parts.store, access).await?;
        let mut reloaded = Reloaded {
            changed: plan.changed,
            warnings: Vec::new(),
            config_sha256: plan.snapshot.sha256(),
        };
        if wanted.dry_run {
            return Ok(reloaded);
        }
        // The one step that can fail comes first.
        let imported = first_start::secrets(&self.parts.store, access, self.parts.clock.now());
        reloaded.warnings = imported.await.map_err(|error| plan::of_store(&error))?;
        if let Err(error) = self.parts.keys.refresh().await {
            tracing::error!(error = %chain(&error), "the keys follow within a minute");
        }
        let sha256 = plan.certificate.leaf_sha256();
        let another = self.parts.tls.install(plan.certificate);
        self.parts.auth.replace_users(access.users.clone());
        self.parts.bmcs.configure(&plan.settings.redfish);
        if let Some(registry) = &self.parts.registry {
            registry.reconfigure(&plan.settings.registry.config);
        }
        self.parts.gate.set_limits(plan.settings.jobs.limits());
        self.parts.levels.set(plan.level);
        self.in_force.replace(plan.settings);
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = plan.snapshot;
        self.measure();
        let certificate = ("certificate_sha256".to_owned(), sha256);
        if another {
            self.note("certificate", [certificate.clone()].into()).await;
        }
        let detail = BTreeMap::from([
            ("changed".to_owned(), keys(&reloaded.changed)),
            ("config_sha256".to_owned(), reloaded.config_sha256.clone()),
            certificate,
        ]);
        self.note("reload", detail).await;
        Ok(reloaded)
    }

    async fn note(&self, kind: &str, detail: BTreeMap<String, String>) {
        let noted = self.parts.store.installation_event(kind, detail, self.parts.clock.now()).await;
        // What was done is done, and the log has it too.
        if let Err(error) = noted {
            tracing::error!(error = %chain(&error), kind, "an event of the installation is lost");
        }
    }

    fn measure(&self) {
        if let Some(end) = self.parts.tls.not_after() {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            metrics::gauge!("tls_certificate_not_after_timestamp_seconds", "cert" => "server")
                .set(end as f64);
        }
    }
}

impl Installation for Running {
    fn accepts_fleet_secret(&self) -> bool {
        self.in_force.now().access.webhook_secret.is_some()
    }

    fn dual_accept(&self) -> Duration {
        self.in_force.now().access.dual_accept
    }

    fn keys_changed(&self) -> Pending<'_, Result<(), shoal_store::Error>> {
        Box::pin(self.parts.keys.refresh())
    }

    fn reload(&self, wanted: Reload) -> Pending<'_, Result<Reloaded, ReloadRefusal>> {
        Box::pin(self.take_over(wanted))
    }
}

fn keys(changed: &[Changed]) -> String {
    let keys: Vec<&str> = changed.iter().map(|changed| changed.key.as_str()).collect();
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}
