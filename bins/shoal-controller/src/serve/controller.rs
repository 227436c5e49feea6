//! The running parts, made from each other and not yet reachable from outside.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use shoal_engine::{Clock, Engine, Gate};
use shoal_media::{BootMedium, MediaServer, SystemClock};
use shoal_store::Change;
use tokio::sync::broadcast::Receiver;

use super::foundation::Foundation;
use crate::{
    addresses::Addresses,
    boot_medium::Source,
    catalog::Shelf,
    effects::{Bmcs, Live, Making, Mediums, Offered},
    keys::{self, Keys, MediaKeys},
    listen::Sockets,
    planner::Rules,
    reload,
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
    let manifest = foundation.boot.as_ref().and_then(BootMedium::manifest);
    let digest = foundation.boot.as_ref().map(|boot| HEXLOWER.encode(&boot.medium().digest().0));
    let offered = Offered {
        http: addresses.plain.is_some(),
        overlay: manifest.is_some_and(|manifest| manifest.reserved.is_some()),
        addresses: addresses.clone(),
    };
    let signing = MediaKeys::load(&store, &clock).await?;
    let making = Making {
        directory: settings.storage.task_iso_dir.clone(),
        addresses,
        keys: signing.clone(),
        tls: foundation.tls.clone(),
        boot_digest: digest,
    };
    let mediums = Arc::new(Mediums::new(store.clone(), making, clock.clone()));
    let shelf = Shelf::new(store.clone(), mediums.clone(), foundation.boot.clone(), clock.clone());
    let shelf = Arc::new(shelf);
    let checking = keys::ring(&store, &clock).await?;
    let server = Arc::new(MediaServer::new(shelf.clone(), checking, SystemClock::default()));
    let keys = Keys::new(store.clone(), clock.clone(), signing, server.clone());
    let profiles = reload::profiles(&settings)?;
    let bmcs = Bmcs::new(store.clone(), &settings.redfish, profiles, offered, clock.clone());
    let bmcs = Arc::new(bmcs);
    let live = Live { store: store.clone(), bmcs: bmcs.clone(), mediums: mediums.clone() };
    let pace = shoal_engine::Settings {
        instance: instance.to_owned(),
        gate: Gate::new(settings.jobs.limits()),
        disks: vec![settings.storage.db_path.clone(), settings.storage.task_iso_dir.clone()],
        ..shoal_engine::Settings::default()
    };
    let rules = rules(in_force, foundation, &shelf);
    // Before anything can change, so that no job's end is missed.
    let changes = store.subscribe();
    let engine = Engine::start(store, live, clock.clone(), pace).await?;
    let keys = Arc::new(keys);
    Ok(Controller { engine, bmcs, shelf, server, keys, mediums, rules, changes, clock })
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

fn rules(in_force: &InForce, foundation: &Foundation, shelf: &Shelf) -> Rules {
    Rules {
        in_force: in_force.clone(),
        outside_boot_medium: match &foundation.boot_source {
            Some(Source::Outside(url)) => Some(url.clone()),
            Some(Source::File(_)) | None => None,
        },
        own_boot_medium: foundation.boot.is_some(),
        boot_evidence: shelf.gives_evidence(),
        esxi_installer: in_force.now().media.esxi_installer.clone(),
    }
}
