//! Serving, from settings to a clean stop: what is built from what, and in which order it ends.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use data_encoding::HEXLOWER;
use shoal_api::{Api, Auth, Limits as ApiLimits, LoginLimits, User};
use shoal_engine::{Clock, Engine, system_clock};
use shoal_media::{BootMedium, Key, KeyId, Keyring, MediaServer, SystemClock};
use shoal_redfish::profile::Profiles;
use shoal_store::{Change, KeyPurpose, KeyRing, Options, Role, Store};
use tokio::sync::broadcast::Receiver;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    NotStarted, ServeOptions,
    addresses::Addresses,
    boot_medium::{self, Source},
    catalog::Shelf,
    client,
    effects::{Bmcs, Live, Making, Mediums, Offered},
    first_start,
    listen::{self, Sockets},
    planner::Rules,
    pulse::Pulse,
    ready::{self, Ready},
    retire::Retire,
    settings::Settings,
    signal::Stop,
    tls::Tls,
};

/// Serves until the process is asked to stop.
pub async fn run(settings: Settings, options: ServeOptions) -> anyhow::Result<()> {
    let stop = Stop::listen().context(NotStarted)?;
    let clock = system_clock();
    let foundation = lay(&settings, &options, &clock).await.context(NotStarted)?;
    let sockets = Sockets::open(&settings.http, options.activated).context(NotStarted)?;
    let ready = announce(&settings, &foundation, &sockets, &options.instance)?;
    let controller = raise(&settings, &foundation, &sockets, &options.instance, clock).await?;
    let serving = Serving::begin(&settings, &foundation, controller, sockets, options.metrics);
    if let Err(error) = ready.announce(options.ready_file.as_deref()) {
        serving.end().await;
        return Err(error).context("failed to say that we are ready");
    }
    tracing::info!(api = ready.api, admin = ready.admin, "ready");
    stop.requested().await;
    ready::stopping();
    serving.end().await;
    foundation.store.close().await.context("failed to close the database")?;
    tracing::info!("stopped");
    Ok(())
}

/// What must exist before anything can be served.
struct Foundation {
    store: Store,
    tls: Arc<Tls>,
    boot: Option<BootMedium>,
    boot_source: Option<Source>,
    users: Vec<User>,
}

async fn lay(
    settings: &Settings,
    options: &ServeOptions,
    clock: &Clock,
) -> anyhow::Result<Foundation> {
    first_start::directories(&settings.storage)?;
    let sealing = first_start::sealing(&settings.storage.seal_key_file)?;
    let path = settings.storage.db_path.clone();
    let instance = options.instance.clone();
    let open = move || Store::open(Options { path, instance, sealing });
    let store = tokio::task::spawn_blocking(open).await?.context("failed to open the database")?;
    let tls = Arc::new(Tls::open(settings, SystemTime::now())?);
    let trust = tls.trust();
    if trust.created {
        tracing::info!(file = %trust.file.display(), sha256 = trust.sha256, "made a local certificate authority");
    }
    if let Some(secret) = &settings.access.webhook_secret {
        first_start::fleet_secret(&store, secret, clock.now()).await?;
    }
    first_start::admin_token(&store, &admin_token_file(settings), clock.now()).await?;
    let users = users(settings)?;
    let source = settings.media.maintenance_iso.as_deref();
    let boot_source = source.map(|value| Source::parse(value, &settings.storage.static_dir));
    let boot = match &boot_source {
        Some(Source::File(path)) => Some(boot_medium::open(path.clone()).await?),
        Some(Source::Outside(_)) | None => None,
    };
    let start = [
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("certificate_sha256".to_owned(), tls.leaf_sha256()),
    ];
    store.installation_event("start", start.into(), clock.now()).await?;
    Ok(Foundation { store, tls, boot, boot_source, users })
}

fn admin_token_file(settings: &Settings) -> std::path::PathBuf {
    settings.storage.root.join("secrets").join("admin-token")
}

/// The running parts, not yet reachable.
struct Controller {
    engine: Engine,
    bmcs: Arc<Bmcs>,
    shelf: Arc<Shelf>,
    server: Arc<MediaServer<Shelf>>,
    mediums: Arc<Mediums>,
    rules: Rules,
    changes: Receiver<Change>,
    clock: Clock,
}

async fn raise(
    settings: &Settings,
    foundation: &Foundation,
    sockets: &Sockets,
    instance: &str,
    clock: Clock,
) -> anyhow::Result<Controller> {
    let store = foundation.store.clone();
    let keys = store.keys(KeyPurpose::Media).await?;
    let addresses = Addresses {
        public: settings.http.public_url.clone(),
        media_https: settings.media.url_https.clone(),
        media_http: settings.media.url_http.clone(),
        api: sockets.api.local_addr()?,
        plain: sockets.media.as_ref().map(std::net::TcpListener::local_addr).transpose()?,
    };
    let manifest = foundation.boot.as_ref().and_then(BootMedium::manifest);
    let digest = foundation.boot.as_ref().map(|boot| HEXLOWER.encode(&boot.medium().digest().0));
    let offered = Offered {
        http: addresses.plain.is_some(),
        overlay: manifest.is_some_and(|manifest| manifest.reserved.is_some()),
        addresses: addresses.clone(),
    };
    let making = Making {
        directory: settings.storage.task_iso_dir.clone(),
        addresses,
        keyring: media_keys(&keys)?,
        ca_pem: foundation.tls.trust().pem.clone(),
        boot_digest: digest,
    };
    let mediums = Arc::new(Mediums::new(store.clone(), making, clock.clone()));
    let shelf = Shelf::new(store.clone(), mediums.clone(), foundation.boot.clone(), clock.clone());
    let shelf = Arc::new(shelf);
    let server =
        Arc::new(MediaServer::new(shelf.clone(), media_keys(&keys)?, SystemClock::default()));
    let profiles = match &settings.redfish.profile_dir {
        Some(directory) => Profiles::with_overrides(directory)?,
        None => Profiles::builtin(),
    };
    let bmcs = Bmcs::new(store.clone(), &settings.redfish, profiles, offered, clock.clone());
    let bmcs = Arc::new(bmcs);
    let live = Live { store: store.clone(), bmcs: bmcs.clone(), mediums: mediums.clone() };
    let pace = shoal_engine::Settings {
        instance: instance.to_owned(),
        workers: settings.jobs.workers,
        max_active: settings.jobs.max_active,
        ..shoal_engine::Settings::default()
    };
    let rules = rules(settings, foundation, &shelf);
    // Before anything can change, so that no job's end is missed.
    let changes = store.subscribe();
    let engine = Engine::start(store, live, clock.clone(), pace).await?;
    Ok(Controller { engine, bmcs, shelf, server, mediums, rules, changes, clock })
}

fn rules(settings: &Settings, foundation: &Foundation, shelf: &Shelf) -> Rules {
    Rules {
        budgets: settings.jobs.budgets.clone(),
        outside_boot_medium: match &foundation.boot_source {
            Some(Source::Outside(url)) => Some(url.clone()),
            Some(Source::File(_)) | None => None,
        },
        own_boot_medium: foundation.boot.is_some(),
        boot_evidence: shelf.gives_evidence(),
        esxi_installer: settings.media.esxi_installer.clone(),
    }
}

fn media_keys(keys: &KeyRing) -> anyhow::Result<Keyring> {
    let key = |key: &shoal_store::Key| -> anyhow::Result<Key> {
        let id = KeyId::new(u16::from(key.id)).context("a media key has an id out of range")?;
        Ok(Key::new(id, key.secret.expose().to_vec())?)
    };
    let accepted = keys.accepted.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    Ok(Keyring::new(key(&keys.current)?, accepted)?)
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
}

impl Serving {
    fn begin(
        settings: &Settings,
        foundation: &Foundation,
        controller: Controller,
        sockets: Sockets,
        metrics: shoal_telemetry::metrics::Metrics,
    ) -> Self {
        let [stop, close, retired] = std::array::from_fn(|_| CancellationToken::new());
        let tasks = TaskTracker::new();
        let api = api(settings, foundation, &controller, stop.clone());
        let health = api.health.clone();
        let media = controller.server.clone();
        let proxies = settings.http.trusted_proxies.clone();
        let main = client::known(shoal_api::router(api, media.clone()), proxies.clone());
        let admin = shoal_api::admin_router(health, move || metrics.render());
        let limits = listen::Limits::default();
        let tls = Some(foundation.tls.server_config());
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
        };
        tasks.spawn(retire.follow(controller.changes, retired.clone()));
        tasks.spawn(renew(foundation.tls.clone(), stop.clone()));
        let Controller { engine, bmcs, .. } = controller;
        Self { engine, bmcs, stop, close, retire: retired, tasks }
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
        self.bmcs.close_all().await;
    }
}

/// Renews the local certificate long before it ends; connections under way keep the one they have.
async fn renew(tls: Arc<Tls>, stop: CancellationToken) {
    let mut daily = tokio::time::interval(Duration::from_hours(24));
    while stop.run_until_cancelled(daily.tick()).await.is_some() {
        let tls = tls.clone();
        match tokio::task::spawn_blocking(move || tls.refresh(SystemTime::now())).await {
            Ok(Ok(true)) => tracing::info!("the certificate was renewed"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "failed to renew the certificate"),
            Err(error) => tracing::error!(%error, "failed to look at the certificate"),
        }
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

fn api(
    settings: &Settings,
    foundation: &Foundation,
    controller: &Controller,
    stop: CancellationToken,
) -> Api {
    let clock = controller.clock.clone();
    let store = foundation.store.clone();
    let directories = vec![("task_media", settings.storage.task_iso_dir.clone())];
    Api {
        auth: Auth::new(foundation.users.clone(), store.clone(), LoginLimits::default()),
        health: Pulse::begin(store.clone(), directories, stop.clone()),
        store,
        planner: Arc::new(controller.rules.clone()),
        fleet_secret: settings.access.webhook_secret.is_some(),
        clock: Arc::new(move || clock.now()),
        stop,
        limits: ApiLimits::default(),
    }
}

/// The accounts of the configuration.
fn users(settings: &Settings) -> anyhow::Result<Vec<User>> {
    let Some(basic) = &settings.access.basic else { return Ok(Vec::new()) };
    let password = basic.pass_hash.expose().parse().context("BASIC_PASS_HASH")?;
    Ok(vec![User { name: basic.user.clone(), password, role: Role::Admin }])
}
