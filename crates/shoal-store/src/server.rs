//! What is known of a server: what the operator says of it, what its BMC said of itself, and what
//! the last job left behind.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use shoal_core::{JobId, ServerSerial, Time};

use crate::Secret;

/// What the operator says of one machine. No secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The operator's key.
    pub serial: ServerSerial,
    /// The BMC's `https://` URL.
    pub bmc_address: String,
    /// The vendor, where the BMC does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_hint: Option<String>,
    /// How the BMC proves who it is.
    pub tls: TlsPolicy,
    /// The scheme of media addresses for this BMC; by default what the BMC can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_scheme: Option<Scheme>,
    /// Whether a task medium, which carries secrets, may be fetched over plain HTTP.
    #[serde(default)]
    pub allow_plain_media: bool,
    /// The host in media addresses; by default the local address of our connection to the BMC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_host: Option<String>,
    /// The operator's own words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Why the server takes no jobs, if it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
}

/// How a BMC proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TlsPolicy {
    /// By a certificate of these authorities.
    Ca {
        /// Certificates, PEM.
        pem: String,
    },
    /// By this very certificate.
    Pin {
        /// SHA-256 of the certificate, hex.
        sha256: String,
    },
    /// Not at all. Whoever is in between reads the BMC's password.
    Insecure {
        /// Why that is acceptable; audited.
        reason: String,
    },
}

/// The scheme of media addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// TLS.
    Https,
    /// Plain.
    Http,
}

/// What a BMC said of its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// Serial number.
    pub serial: Option<String>,
    /// Stock keeping unit, for some vendors the service tag.
    pub sku: Option<String>,
    /// System UUID.
    pub uuid: Option<String>,
    /// Manufacturer.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Version of the BMC's firmware.
    pub firmware: Option<String>,
    /// Model of the BMC.
    #[serde(default)]
    pub bmc_model: Option<String>,
}

/// A server with what the store knows about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRecord {
    /// What the operator says.
    pub server: Server,
    /// What the BMC said, once it was asked.
    pub hardware: Option<Hardware>,
    /// When the BMC said so last.
    pub hardware_at: Option<Time>,
    /// When it was first put here.
    pub created_at: Time,
    /// When the operator changed it last.
    pub updated_at: Time,
    /// Until when no job may cut its power: what was installed last is in its first boot.
    pub hands_off_until: Option<Time>,
    /// Slots in which an earlier job may have left a medium.
    pub residue: Vec<String>,
}

/// How we log in at a BMC.
#[derive(Clone)]
pub struct Credentials {
    /// The account.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// What [`crate::Store::put_server`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerChange {
    /// The server is new.
    Created,
    /// It was here before.
    Updated,
}

/// What [`crate::Store::delete_server`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The server is gone; its jobs stay in history.
    Deleted,
    /// There is no such server.
    Unknown,
    /// This job is not complete.
    Busy(JobId),
}

/// Whether a BMC belongs to the machine we think it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HardwareCheck {
    /// It was recorded now.
    FirstSeen,
    /// It is the same machine.
    Same,
    /// It is another machine; nothing was changed.
    Mismatch {
        /// What was recorded earlier.
        recorded: Hardware,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("password", &self.password).finish_non_exhaustive()
    }
}

impl Server {
    /// A server of which the operator says no more than what must be said.
    pub fn new(serial: ServerSerial, bmc_address: impl Into<String>, tls: TlsPolicy) -> Self {
        Self {
            serial,
            bmc_address: bmc_address.into(),
            vendor_hint: None,
            tls,
            media_scheme: None,
            allow_plain_media: false,
            media_host: None,
            labels: BTreeMap::new(),
            quarantine: None,
        }
    }

    /// As it was said, and out of use for as long as it was: saying nothing lifts no quarantine.
    pub(crate) fn still_quarantined(self, known: Option<&ServerRecord>) -> Self {
        let stored = || known.and_then(|known| known.server.quarantine.clone());
        Self { quarantine: self.quarantine.or_else(stored), ..self }
    }
}

impl Hardware {
    /// Whether any identity that both know differs. Case does not matter: firmware updates change it.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if !a.trim().eq_ignore_ascii_case(b.trim()));
        differ(&self.serial, &other.serial)
            || differ(&self.sku, &other.sku)
            || differ(&self.uuid, &other.uuid)
    }

    /// What is seen now; identities that are not seen now stay as they were recorded.
    pub(crate) fn refreshed(self, seen: Self) -> Self {
        Self {
            serial: self.serial.or(seen.serial),
            sku: self.sku.or(seen.sku),
            uuid: self.uuid.or(seen.uuid),
            vendor: seen.vendor.or(self.vendor),
            model: seen.model.or(self.model),
            firmware: seen.firmware.or(self.firmware),
            bmc_model: seen.bmc_model.or(self.bmc_model),
        }
    }
}
