//! Servers, and what a look at their BMCs showed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// A server.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Server {
    pub(crate) serial: String,
    #[serde(default)]
    pub(crate) bmc_address: Option<String>,
    #[serde(default)]
    pub(crate) has_credentials: Option<bool>,
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
    #[serde(default)]
    pub(crate) vendor_hint: Option<String>,
    #[serde(default)]
    pub(crate) media_scheme: Option<String>,
    #[serde(default)]
    pub(crate) media_host: Option<String>,
    #[serde(default)]
    pub(crate) allow_plain_media: bool,
    #[serde(default)]
    pub(crate) quarantine: Option<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) hardware: Option<Hardware>,
    #[serde(default)]
    pub(crate) hands_off_until: Option<Timestamp>,
    /// What an earlier job could not take out of the BMC.
    #[serde(default)]
    pub(crate) residue: Vec<String>,
    #[serde(default)]
    pub(crate) active_job: Option<String>,
    #[serde(default)]
    pub(crate) refused_logins: u32,
    #[serde(default)]
    pub(crate) logins_stopped_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) last_probe: Option<Probe>,
    #[serde(default)]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) updated_at: Option<Timestamp>,
}

/// How a BMC is recognised.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Tls {
    #[serde(default)]
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) sha256: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// What a server was found to be.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Hardware {
    #[serde(default)]
    pub(crate) vendor: Option<String>,
    #[serde(default)]
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) serial: Option<String>,
}

impl Hardware {
    /// Vendor and model, as far as known.
    pub(crate) fn name(&self) -> String {
        let parts = [&self.vendor, &self.model].into_iter().flatten();
        parts.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// What a look at a BMC showed, and what an install would meet there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Probe {
    pub(crate) server_serial: String,
    pub(crate) age_seconds: u64,
    pub(crate) requests: Option<u64>,
    pub(crate) bmc_address: String,
    pub(crate) took_ms: u64,
    pub(crate) reachable: bool,
    pub(crate) tls: Certificate,
    pub(crate) login: Login,
    pub(crate) clock_ahead_seconds: Option<i64>,
    pub(crate) machine: Option<Machine>,
    pub(crate) profile: Option<Profile>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) media_plan: Option<MediaPlan>,
    pub(crate) boot: Option<Boot>,
    pub(crate) licence_hint: Option<String>,
    pub(crate) problems: Vec<Finding>,
    pub(crate) warnings: Vec<String>,
}

/// A BMC's certificate and how it was judged.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Certificate {
    pub(crate) policy: String,
    pub(crate) accepted: Option<bool>,
    pub(crate) sha256: Option<String>,
    pub(crate) key_sha256: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) expires_in_days: Option<i64>,
}

/// What became of the controller's login.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Login {
    pub(crate) state: String,
    pub(crate) form: Option<String>,
    pub(crate) refused: u32,
}

/// The machine behind a BMC.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Machine {
    pub(crate) seen: Hardware,
    pub(crate) bmc_model: Option<String>,
    pub(crate) serial_is: Option<String>,
    pub(crate) recorded: String,
    pub(crate) expected: Option<Hardware>,
    pub(crate) power: String,
    pub(crate) other_systems: Vec<String>,
}

/// The behaviour that is assumed of a BMC.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) because: String,
}

/// One virtual media slot.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Slot {
    pub(crate) id: String,
    pub(crate) media_types: Vec<String>,
    pub(crate) image: Option<String>,
    pub(crate) chosen: Option<String>,
    pub(crate) because: String,
}

/// How both media get into a BMC, or would.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MediaPlan {
    pub(crate) class: String,
    pub(crate) boot_slot: String,
    pub(crate) task_slot: Option<String>,
    pub(crate) boot_scheme: Option<String>,
    pub(crate) task_scheme: Option<String>,
    pub(crate) prefetches: bool,
    pub(crate) notes: Vec<String>,
}

/// How a machine would be made to boot from the boot medium.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Boot {
    pub(crate) strategy: String,
    pub(crate) target: String,
    pub(crate) mode: Option<String>,
}

/// Something that would make an install fail.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) next_step: String,
    pub(crate) seen: Vec<Value>,
}
