//! Serving, from settings to a clean stop: what is built from what, and in which order it ends.

mod controller;
mod foundation;

use std::sync::Arc;

use anyhow::Context;
use shoal_api::{Api, Auth, Limits as ApiLimits, LoginLimits, Registrar, WebhookCertificates};
use shoal_engine::{Engine, system_clock};
use shoal_oci::http::Service;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    controller::{Controller, raise},
    foundation::{Foundation, admin_token_file, lay},
};
use crate::{
    NotStarted, ServeOptions,
    care::RegistryCare,
    client,
    effects::{Bmcs, Looks},
    listen::{self, Sockets},
    pulse::Pulse,
    ready::{self, Ready},
    registrar::Keeper,
    registry::{self, Admission, Pulls, Trail, Written},
    reload::{Origin, Parts, Running},
    retention::Retention,
    retire::Retire,
    settings::{InForce, Loaded, Settings, Snapshot},
    signal::{Hangups, Stop},
};

/// Serves until the process is asked to stop.
pub async fn run(loaded: Loaded, options: ServeOptions) -> anyhow::Result<()> {
    let stop = Stop::listen().context(NotStarted)?;
    let hangups = Hangups::listen().context(NotStarted)?;
    let Loaded { settings, snapshot, .. } = loaded;
    let clock = system_clock();
    let foundation = lay(&settings, &snapshot, &options, &clock).await.context(NotStarted)?;
    let ServeOptions { ready_file, activated, metrics, levels, origin, instance, .. } = options;
    let sockets = Sockets::open(&settings.http, activated).context(NotStarted)?;
    let ready = announce(&settings, &foundation, &sockets, &instance)?;
    let in_force = InForce::new(settings);
    let controller = raise(&in_force, &foundation, &sockets, &instance, clock).await?;
    let watched = Watched { in_force, snapshot, origin, levels, hangups, metrics };
    let serving = Serving::begin(watched, &foundation, controller, sockets);
    if let Err(error) = ready.announce(ready_file.as_deref()) {
        serving.end().await;
        return Err(error).context("failed to say that we are ready");
    }
    tracing::info!(api = ready.api, admin = ready.admin, "ready");
    stop.requested().await;
    ready::stopping();
    serving.end().await;
    if let Some(registry) = &foundation.registry {
        registry.close().await.context("failed to close the registry")?;
    }
    foundation.store.close().await.context("failed to close the database")?;
    tracing::info!("stopped");
    Ok(())
}

/// The configuration, where it came from, and what is told of the process.
struct Watched {
    in_force: InForce,
    snapshot: Snapshot,
    origin: Origin,
    levels: shoal_telemetry::logs::Levels,
    hangups: Hangups,
    metrics: shoal_telemetry::metrics::Metrics,
}

/// Everything that runs, and how to end it.
struct Serving {
    engine: Engine,
    bmcs: Arc<Bmcs>,
    /// Ends event streams and background work.
    stop: CancellationToken,
    /// Ends the listeners.
    close: CancellationToken,
    /// Ends who follows the jobs' ends.
    retire: CancellationToken,
    tasks: TaskTracker,
    /// What is left to write when nobody can call any more, and the word that this is so.
    last: (TaskTracker, CancellationToken),
}

impl Serving {
    fn begin(
        watched: Watched,
        foundation: &Foundation,
        controller: Controller,
        sockets: Sockets,
    ) -> Self {
        let [stop, close, retired] = std::array::from_fn(|_| CancellationToken::new());
        let tasks = TaskTracker::new();
        let last = (TaskTracker::new(), CancellationToken::new());
        let Watched { in_force, snapshot, origin, levels, hangups, metrics } = watched;
        let settings = in_force.now();
        let access = &settings.access;
        let logins = LoginLimits::default();
        let store = foundation.store.clone();
        let auth = Auth::new(access.mode, access.users.clone(), store.clone(), logins);
        let parts = Parts {
            store,
            clock: controller.clock.clone(),
            tls: foundation.tls.clone(),
            auth: auth.clone(),
            bmcs: controller.bmcs.clone(),
            gate: controller.engine.gate().clone(),
            keys: controller.keys.clone(),
            levels,
            registry: foundation.registry.clone(),
        };
        let registry = serve_registry(foundation, &controller, &in_force, &auth);
        let registry = registry.map(|(service, written)| {
            let (registry, stop) = (service.registry().clone(), stop.clone());
            tasks.spawn(async move { registry.run(stop).await });
            last.0.spawn(written.follow(last.1.clone()));
            service
        });
        let retention = Retention {
            store: foundation.store.clone(),
            mediums: controller.mediums.clone(),
            in_force: in_force.clone(),
            clock: controller.clock.clone(),
            ledger: controller.ledger.clone(),
        };
        let running = Running::new(origin, in_force, snapshot, parts);
        let keeper = foundation.registry.clone().map(|registry| {
            let clock = controller.clock.clone();
            Arc::new(Keeper::new(registry, clock, (stop.clone(), tasks.clone())))
        });
        let registrar = keeper.map(|keeper| keeper as Arc<dyn Registrar>);
        let api = api(&settings, &controller, auth, running.clone(), stop.clone());
        let api = Api { registrar, ..api };
        let health = api.health.clone();
        let media = controller.server.clone();
        let proxies = settings.http.trusted_proxies.clone();
        let main = registry::mounted(shoal_api::router(api, media.clone()), registry);
        let main = client::known(main, proxies.clone());
        let admin = shoal_api::admin_router(health, move || metrics.render());
        let limits = listen::Limits::default().within(listen::raise_file_limit());
        let tls = Some(foundation.tls.clone());
        tasks.spawn(listen::serve(sockets.api, tls, main, limits, close.clone()));
        tasks.spawn(listen::serve(sockets.admin, None, admin, limits, close.clone()));
        if let Some(socket) = sockets.media {
            let plain = client::known(shoal_api::media_router(media), proxies);
            tasks.spawn(listen::serve(socket, None, plain, limits, close.clone()));
        }
        let retire = Retire {
            store: foundation.store.clone(),
            shelf: controller.shelf.clone(),
            server: controller.server.clone(),
            mediums: controller.mediums.clone(),
            bmcs: controller.bmcs.clone(),
            trace: foundation.trace.clone(),
        };
        tasks.spawn(retire.follow(controller.changes, retired.clone()));
        tasks.spawn(retention.follow(stop.clone()));
        tasks.spawn(controller.care.follow(stop.clone()));
        if let Some(registry) = foundation.registry.clone() {
            let care = RegistryCare::new(registry, controller.ledger.clone());
            tasks.spawn(care.follow(stop.clone()));
        }
        // It ends with the listeners, so that the last reads are told too.
        tasks.spawn(controller.shelf.reads().follow(foundation.store.clone(), close.clone()));
        tasks.spawn(controller.keys.follow(stop.clone()));
        tasks.spawn(running.clone().renew(stop.clone()));
        tasks.spawn(running.follow(hangups, stop.clone()));
        let Controller { engine, bmcs, .. } = controller;
        Self { engine, bmcs, stop, close, retire: retired, tasks, last }
    }

    /// Power-ons first: no new one is sent, and what is under way is awaited while media are still
    /// served. Then the listeners, then the sessions with BMCs.
    async fn end(self) {
        self.stop.cancel();
        self.engine.stop().await;
        self.retire.cancel();
        self.close.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let (last, written) = self.last;
        written.cancel();
        last.close();
        last.wait().await;
        self.bmcs.close_all().await;
    }
}

fn announce(
    settings: &Settings,
    foundation: &Foundation,
    sockets: &Sockets,
    instance: &str,
) -> anyhow::Result<Ready> {
    let media = sockets.media.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
    let trust = foundation.tls.trust();
    Ok(Ready {
        api: ready::local_url("https", sockets.api.local_addr()?),
        admin: ready::local_url("http", sockets.admin.local_addr()?),
        media_http: media.map(|address| ready::local_url("http", address)),
        ca_file: trust.file.clone(),
        ca_sha256: trust.sha256.clone(),
        admin_token_file: admin_token_file(settings),
        pid: std::process::id(),
        instance: instance.to_owned(),
    })
}

/// The surface of the registry, and who writes down what is changed through it.
fn serve_registry(
    foundation: &Foundation,
    controller: &Controller,
    in_force: &InForce,
    auth: &Auth,
) -> Option<(Service, Written)> {
    let registry = foundation.registry.clone()?;
    let (store, clock) = (&foundation.store, &controller.clock);
    let pulls = Pulls::new(store.clone(), clock.clone());
    let admission = Admission::new(in_force.clone(), auth.clone(), pulls);
    let (trail, written) = Trail::new(store.clone(), clock.clone());
    Some((Service::new(registry, Arc::new(admission), Arc::new(trail)), written))
}

fn api(
    settings: &Settings,
    controller: &Controller,
    auth: Auth,
    running: Arc<Running>,
    stop: CancellationToken,
) -> Api {
    let clock = controller.clock.clone();
    let store = running.store();
    let looks = Looks::new(store.clone(), controller.bmcs.clone());
    let directories = vec![("task_media", settings.storage.task_iso_dir.clone())];
    Api {
        auth,
        health: Pulse::begin((store.clone(), running.registry()), directories, stop.clone()),
        store,
        gate: controller.engine.gate().clone(),
        planner: Arc::new(controller.rules.clone()),
        prober: Arc::new(looks),
        registrar: None,
        webhook_certificates: match &settings.access.webhook_mtls {
            None => WebhookCertificates::Off,
            Some(mtls) if mtls.required => WebhookCertificates::Required,
            Some(_) => WebhookCertificates::Optional,
        },
        installation: running,
        clock: Arc::new(move || clock.now()),
        stop,
        limits: ApiLimits::default(),
    }
}
