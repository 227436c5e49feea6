//! The running parts, made from each other and not yet reachable from outside.

use std::sync::Arc;

use shoal_engine::{Clock, Engine, Gate};
use shoal_media::{MediaServer, SystemClock};
use shoal_store::Change;
use tokio::sync::broadcast::Receiver;

use super::foundation::Foundation;
use crate::{
    addresses::Addresses,
    care::{Care, Ledger},
    catalog::Shelf,
    effects::{self, Bmcs, Live, Making, Mediums, Offered},
    keys::{self, Keys, MediaKeys},
    listen::Sockets,
    planner::Rules,
    settings::{InForce, Settings},
};

pub(super) struct Controller {
    pub(super) engine: Engine,
    pub(super) bmcs: Arc<Bmcs>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) server: Arc<MediaServer<Shelf>>,
    pub(super) keys: Arc<Keys>,
    pub(super) mediums: Arc<Mediums>,
    pub(super) rules: Rules,
    pub(super) care: Care,
    pub(super) ledger: Ledger,
    pub(super) changes: Receiver<Change>,
    pub(super) clock: Clock,
}

pub(super) async fn raise(
    in_force: &InForce,
    foundation: &Foundation,
    sockets: &Sockets,
    instance: &str,
    clock: Clock,
) -> anyhow::Result<Controller> {
    let settings = in_force.now();
    let store = foundation.store.clone();
    let addresses = addresses(&settings, sockets)?;
    let offered = Offered {
        http: addresses.plain.is_some(),
        boot: foundation.boot.clone(),
        addresses: addresses.clone(),
    };
    let signing = MediaKeys::load(&store, &clock).await?;
    let making = Making {
        directory: settings.storage.task_iso_dir.clone(),
        addresses,
        keys: signing.clone(),
        tls: foundation.tls.clone(),
        boot: foundation.boot.clone(),
        in_force: in_force.clone(),
    };
    let mediums = Arc::new(Mediums::new(store.clone(), making, clock.clone()));
    let shelf = Shelf::new(store.clone(), mediums.clone(), foundation.boot.clone(), clock.clone());
    let shelf = Arc::new(shelf);
    let checking = keys::ring(&store, &clock).await?;
    let server = Arc::new(MediaServer::new(shelf.clone(), checking, SystemClock::default()));
    let keys = Keys::new(store.clone(), clock.clone(), signing, server.clone());
    let learning = effects::learned(&store).await?;
    let bmcs = Bmcs::new(store.clone(), &settings.redfish, learning, offered, clock.clone());
    let bmcs = Arc::new(bmcs);
    let live = Live {
        store: store.clone(),
        bmcs: bmcs.clone(),
        mediums: mediums.clone(),
        trace: foundation.trace.clone(),
    };
    let pace = shoal_engine::Settings {
        instance: instance.to_owned(),
        gate: Gate::new(settings.jobs.limits()),
        disks: vec![settings.storage.db_path.clone(), settings.storage.task_iso_dir.clone()],
        ..shoal_engine::Settings::default()
    };
    let ledger = Ledger::new(store.clone(), clock.clone());
    let care = Care::begin(ledger.clone(), in_force.clone(), foundation.tls.clone()).await?;
    let rules = Rules { in_force: in_force.clone(), boot: foundation.boot.clone() };
    // Before anything can change, so that no job's end is missed.
    let changes = store.subscribe();
    let engine = Engine::start(store, live, clock.clone(), pace).await?;
    let keys = Arc::new(keys);
    Ok(Controller {
        engine,
        bmcs,
        shelf,
        server,
        keys,
        mediums,
        rules,
        care,
        ledger,
        changes,
        clock,
    })
}

fn addresses(settings: &Settings, sockets: &Sockets) -> anyhow::Result<Addresses> {
    Ok(Addresses {
        public: settings.http.public_url.clone(),
        media_https: settings.media.url_https.clone(),
        media_http: settings.media.url_http.clone(),
        api: sockets.api.local_addr()?,
        plain: sockets.media.as_ref().map(std::net::TcpListener::local_addr).transpose()?,
    })
}
