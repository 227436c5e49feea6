//! What this crate asks of the process around it: things that are neither in the store nor decided
//! by a request, such as the configuration in force.

use std::{collections::BTreeMap, future::Future, pin::Pin, time::Duration};

/// A future of a trait that is used as an object.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running process, as far as administrators can change it.
pub trait Installation: Send + Sync {
    /// Whether the fleet secrets in the store are accepted: only while `WEBHOOK_SECRET` is set.
    fn accepts_fleet_secret(&self) -> bool;

    /// How long a key stays accepted after another one took its place.
    fn dual_accept(&self) -> Duration;

    /// Follows a change of the keys in the store. When this returns without an error, no address
    /// signed with a revoked key is served any more.
    fn keys_changed(&self) -> Pending<'_, Result<(), shoal_store::Error>>;

    /// Reads the configuration again and takes it over, all of it or nothing.
    fn reload(&self, wanted: Reload) -> Pending<'_, Result<Reloaded, ReloadRefusal>>;
}

/// How a reload shall go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Look at everything and change nothing.
    pub dry_run: bool,
    /// Take over a certificate that machines of unfinished jobs do not trust.
    pub force: bool,
}

/// A configuration that was taken over, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What is different, in the order of the reference.
    pub changed: Vec<Changed>,
    /// What an operator should know although it is no reason to refuse.
    pub warnings: Vec<String>,
    /// SHA-256 of the configuration, its secrets left out, in lower-case hexadecimal.
    pub config_sha256: String,
}

/// One key of the configuration, or the content of a file it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The key.
    pub key: String,
    /// Its value before; never a secret.
    pub from: String,
    /// Its value now; never a secret.
    pub to: String,
    /// Who sets it.
    pub source: String,
}

/// A configuration that is not taken over. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reload the configuration: {}", reason(reasons))]
pub struct ReloadRefusal {
    /// Why, by key; `reload` where it is no key's fault.
    pub reasons: BTreeMap<String, String>,
}

impl ReloadRefusal {
    /// One reason.
    pub fn of(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { reasons: BTreeMap::from([(key.into(), reason.into())]) }
    }
}

fn reason(reasons: &BTreeMap<String, String>) -> String {
    reasons.values().map(String::as_str).collect::<Vec<_>>().join("; ")
}
