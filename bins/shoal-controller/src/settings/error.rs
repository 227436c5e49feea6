//! Why a configuration is refused. Every variant names the key and who set it, because that pair is
//! what an operator has to go and change.

use std::path::PathBuf;

use super::InvalidUsers;

/// A configuration that is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration file cannot be read.
    #[error("read configuration file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is not TOML.
    #[error("parse configuration file {}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Nobody knows this key.
    #[error("use {key} from {origin}: no such key")]
    Unknown {
        /// The key as given.
        key: String,
        /// Who set it.
        origin: String,
    },
    /// The key is known, and this release does not do what it asks for.
    #[error("use {key} from {origin}: this release does not have what it configures")]
    NotInThisRelease {
        /// The key.
        key: String,
        /// Who set it.
        origin: String,
    },
    /// One source sets the key twice.
    #[error("use {key} from {origin}: it is set twice there")]
    Twice {
        /// The key.
        key: String,
        /// Who set it.
        origin: String,
    },
    /// A secret where everybody can read it.
    #[error(
        "use {key} from {origin}: secrets come from the environment or from a file named by {key}_FILE"
    )]
    SecretInPlainSight {
        /// The key.
        key: String,
        /// Who set it.
        origin: String,
    },
    /// The value is not what the key takes.
    #[error("use {key} from {origin}: expected {expected}{}", shown(value.as_ref()))]
    Invalid {
        /// The key.
        key: String,
        /// Who set it.
        origin: String,
        /// What it takes.
        expected: String,
        /// The value, unless it is a secret.
        value: Option<String>,
    },
    /// A file or directory the key names cannot be used.
    #[error("use {key} from {origin}: open {}", path.display())]
    Missing {
        /// The key.
        key: String,
        /// Who set it.
        origin: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Certificate and key cannot be shown.
    #[error("use TLS_CERT_FILE from {origin}")]
    Certificate {
        /// Who set it.
        origin: String,
        /// What is wrong with them.
        source: Box<crate::tls::Error>,
    },
    /// The file of accounts has a line that is none.
    #[error("use USERS_FILE from {origin}: read {}", path.display())]
    Users {
        /// Who set it.
        origin: String,
        /// The file.
        path: PathBuf,
        /// Which line, and why.
        source: InvalidUsers,
    },
    /// The registry's file of users cannot be used.
    #[error("use REGISTRY_USERS_FILE from {origin}")]
    RegistryUsers {
        /// Who set it.
        origin: String,
        /// Which line, and why.
        source: Box<shoal_oci::auth::BadUsers>,
    },
    /// A vendor profile that cannot be followed.
    #[error("use REDFISH_PROFILE_DIR from {origin}")]
    Profiles {
        /// Who set it.
        origin: String,
        /// Which file, line and key, and why.
        source: Box<shoal_redfish::profile::ProfileError>,
    },
    /// Two keys, each right on its own, do not go together.
    #[error("use {key} from {origin}: {reason}")]
    Contradiction {
        /// The key.
        key: String,
        /// Who set it.
        origin: String,
        /// What it does not go together with.
        reason: String,
    },
}

impl Error {
    /// The key to blame, where it is one key's fault.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::File { .. } | Self::Toml { .. } => None,
            Self::Certificate { .. } => Some("TLS_CERT_FILE"),
            Self::Users { .. } => Some("USERS_FILE"),
            Self::RegistryUsers { .. } => Some("REGISTRY_USERS_FILE"),
            Self::Profiles { .. } => Some("REDFISH_PROFILE_DIR"),
            Self::Unknown { key, .. }
            | Self::NotInThisRelease { key, .. }
            | Self::Twice { key, .. }
            | Self::SecretInPlainSight { key, .. }
            | Self::Invalid { key, .. }
            | Self::Missing { key, .. }
            | Self::Contradiction { key, .. } => Some(key),
        }
    }
}

fn shown(value: Option<&String>) -> String {
    value.map(|value| format!(", found {value:?}")).unwrap_or_default()
}
