//! The judgement on a configuration that may be taken over: everything that can be wrong with it is
//! found here, before anything changes.

use std::{collections::BTreeMap, time::SystemTime};

use shoal_api::{Changed, ReloadRefusal};
use shoal_store::{KeyPurpose, Store};
use shoal_telemetry::logs::Level;

use super::Origin;
use crate::{
    first_start,
    settings::{Access, Difference, Settings, Snapshot, Sources},
    tls::Prepared,
};

/// Jobs that a refusal names; further ones are counted.
const JOBS_NAMED: usize = 5;

/// A configuration that may be taken over.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) snapshot: Snapshot,
    pub(super) changed: Vec<Changed>,
    pub(super) certificate: Prepared,
    pub(super) level: Level,
}

impl Plan {
    /// Reads everything anew, files included.
    pub(super) async fn read(origin: &Origin, before: &Snapshot) -> Result<Self, ReloadRefusal> {
        let (origin, before) = (origin.clone(), before.clone());
        let read = tokio::task::spawn_blocking(move || Self::read_blocking(origin, &before));
        read.await.unwrap_or_else(|error| Err(ReloadRefusal::of("reload", error.to_string())))
    }

    fn read_blocking(origin: Origin, before: &Snapshot) -> Result<Self, ReloadRefusal> {
        let loaded = Settings::load(&Sources::of_process(origin.file, origin.set))
            .map_err(|error| ReloadRefusal::of(error.key().unwrap_or("reload"), chain(&error)))?;
        let (settings, snapshot) = (loaded.settings, loaded.snapshot);
        let differences = before.differences(&snapshot);
        let fixed = differences.iter().filter(|difference| !difference.reload);
        let reasons: BTreeMap<String, String> = fixed.map(refused).collect();
        if !reasons.is_empty() {
            return Err(ReloadRefusal { reasons });
        }
        let certificate = Prepared::read(&settings, SystemTime::now())
            .map_err(|error| ReloadRefusal::of("TLS_CERT_FILE", chain(&error)))?;
        let level = settings.telemetry.log_level.parse();
        let level = level.map_err(|error| ReloadRefusal::of("LOG_LEVEL", chain(&error)))?;
        let changed = differences.into_iter().map(changed).collect();
        Ok(Self { settings, snapshot, changed, certificate, level })
    }
}

/// Refuses a certificate that the machine of an unfinished job would not accept when it reports.
pub(super) async fn check_trust(
    store: &Store,
    certificate: &Prepared,
) -> Result<(), ReloadRefusal> {
    let now = SystemTime::now();
    let under_way = store.under_way().await.map_err(|error| of_store(&error))?;
    let mistrusting: Vec<String> = under_way
        .iter()
        .filter(|attempt| attempt.frozen.webhook_url.starts_with("https:"))
        .filter(|attempt| {
            !certificate.is_trusted(&attempt.frozen.ca_pem, &attempt.frozen.webhook_url, now)
        })
        .map(|attempt| attempt.job.to_string())
        .collect();
    if mistrusting.is_empty() {
        return Ok(());
    }
    let named = mistrusting.iter().take(JOBS_NAMED).map(String::as_str).collect::<Vec<_>>();
    let more = mistrusting.len().saturating_sub(JOBS_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let reason = format!(
        "the machines of unfinished jobs would not trust this certificate, and their reports would \
         be lost: {}{more}; wait for them, or force it",
        named.join(", ")
    );
    Err(ReloadRefusal::of("TLS_CERT_FILE", reason))
}

/// Refuses secrets that were revoked.
pub(super) async fn check_secrets(store: &Store, access: &Access) -> Result<(), ReloadRefusal> {
    store.check_keys(first_start::given(access)).await.map_err(|error| of_store(&error))
}

pub(super) fn of_store(error: &shoal_store::Error) -> ReloadRefusal {
    let key = match error {
        shoal_store::Error::RevokedKey { purpose: KeyPurpose::FleetWebhook, .. } => {
            "WEBHOOK_SECRET"
        }
        shoal_store::Error::RevokedKey { purpose: KeyPurpose::Media, .. } => "SIGNED_URL_SECRET",
        _ => "reload",
    };
    ReloadRefusal::of(key, chain(error))
}

fn refused(difference: &Difference) -> (String, String) {
    let Difference { key, from, to, source, .. } = difference;
    (key.clone(), format!("{key} from {source} changes from {from} to {to}, which needs a restart"))
}

fn changed(Difference { key, from, to, source, .. }: Difference) -> Changed {
    Changed { key, from, to, source }
}

/// An error and its sources on one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
