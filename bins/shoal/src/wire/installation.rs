//! What administrators look at: drain, reload, keys, tokens, changes.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Whether the controller drains, and what still depends on it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DrainState {
    pub(crate) drain: bool,
    #[serde(default)]
    pub(crate) picking: bool,
    pub(crate) bmc_active: u64,
    pub(crate) need_media: u64,
    #[serde(default)]
    pub(crate) queued: u64,
}

/// A configuration that was taken over, or would be.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reloaded {
    pub(crate) changed: Vec<Setting>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    pub(crate) config_sha256: String,
}

/// A key of the configuration that is different.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) from: String,
    pub(crate) to: String,
    #[serde(default)]
    pub(crate) source: String,
}

/// A key, without the key itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Key {
    pub(crate) purpose: String,
    pub(crate) id: u64,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) accepted_until: Option<Timestamp>,
    #[serde(default)]
    pub(crate) revoked_at: Option<Timestamp>,
}

/// A key that is current from now on. The answer may carry it; this view does not.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SetKey {
    pub(crate) purpose: String,
    pub(crate) id: u64,
    pub(crate) former_accepted_until: Timestamp,
}

/// An API token, without its text.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) last_used_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
}

/// Something that somebody did or tried to do.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Audited {
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    #[serde(default)]
    pub(crate) address: Option<String>,
    pub(crate) action: String,
    #[serde(default)]
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) detail: String,
    pub(crate) ok: bool,
}

/// Something that happened to the installation.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Change {
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) detail: Map<String, Value>,
}
