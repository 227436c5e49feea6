//! What must exist before anything can be served: directories, keys, the database, a certificate, the
//! boot medium. The first start makes what is missing.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use anyhow::Context;
use shoal_core::Time;
use shoal_engine::Clock;
use shoal_oci::Registry;
use shoal_store::{KeyPurpose, Options, Store};

use crate::{
    ServeOptions,
    boot_medium::BootMedia,
    first_start, restored,
    settings::{Settings, Snapshot},
    tls::Tls,
    trace::Trace,
};

pub(super) struct Foundation {
    pub(super) store: Store,
    pub(super) tls: Arc<Tls>,
    pub(super) boot: BootMedia,
    /// None where it is switched off.
    pub(super) registry: Option<Registry>,
    pub(super) trace: Trace,
}

pub(super) async fn lay(
    settings: &Settings,
    snapshot: &Snapshot,
    options: &ServeOptions,
    clock: &Clock,
) -> anyhow::Result<Foundation> {
    // First, because a configuration that cannot be followed changes nothing.
    let boot = BootMedia::open(&settings.media, &settings.storage.static_dir).await?;
    first_start::directories(settings)?;
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
    let imported = first_start::secrets(&store, &settings.access, clock.now()).await;
    for warning in imported.context("failed to take over the configured secrets")? {
        tracing::warn!("{warning}");
    }
    first_start::admin_token(&store, &admin_token_file(settings), clock.now()).await?;
    let registry = registry(settings).await?;
    note_start(&store, &tls, snapshot, clock).await?;
    restored::note(&store, &settings.storage.db_path, clock.now()).await?;
    let trace = Trace::new(store.clone(), options.spans.clone(), options.instance.clone());
    Ok(Foundation { store, tls, boot, registry, trace })
}

async fn registry(settings: &Settings) -> anyhow::Result<Option<Registry>> {
    if !settings.registry.enabled {
        return Ok(None);
    }
    let config = settings.registry.config.clone();
    let root = config.root.display().to_string();
    let opened = tokio::task::spawn_blocking(move || Registry::open(config)).await?;
    let opened = opened.with_context(|| {
        format!("failed to open the registry in {root}; ENABLE_REGISTRY=false starts without it")
    })?;
    Ok(Some(opened))
}

/// Writes down what this start began with: who looks for a cause asks what changed first.
async fn note_start(
    store: &Store,
    tls: &Tls,
    snapshot: &Snapshot,
    clock: &Clock,
) -> anyhow::Result<()> {
    let mut start = std::collections::BTreeMap::from([
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("certificate_sha256".to_owned(), tls.leaf_sha256()),
        ("config_sha256".to_owned(), snapshot.sha256()),
        ("sealing_key".to_owned(), store.sealing_key_id()),
    ]);
    for purpose in [KeyPurpose::Media, KeyPurpose::WebhookToken] {
        let id = store.keys(purpose).await?.current.id;
        start.insert(format!("{}_key", purpose.as_str()), id.to_string());
    }
    let before = store.installation_events(Time::from_millis(0)).await?;
    // Every start, reload and renewal tells it, so that the last to do so knows what was in use.
    let told = before.iter().rev().find_map(|event| event.detail.get("certificate_sha256"));
    let before = before.iter().rev().find(|event| event.kind == "start");
    let version = env!("CARGO_PKG_VERSION");
    let from = before.and_then(|event| event.detail.get("version")).filter(|it| *it != version);
    if let Some(from) = from {
        let detail = [("from", from.as_str()), ("to", version)];
        let detail = detail.map(|(name, word)| (name.to_owned(), word.to_owned())).into();
        store.installation_event("version", detail, clock.now()).await?;
    }
    let shown = tls.leaf_sha256();
    if told.is_some_and(|told| *told != shown) {
        let detail = [("certificate_sha256".to_owned(), shown)].into();
        store.installation_event("certificate", detail, clock.now()).await?;
    }
    store.installation_event("start", start, clock.now()).await?;
    Ok(())
}

pub(super) fn admin_token_file(settings: &Settings) -> PathBuf {
    settings.storage.root.join("secrets").join("admin-token")
}
