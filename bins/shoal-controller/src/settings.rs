//! What an operator decides, as plain structs, one per concern. Everything is read once, before a
//! socket is bound or a file is written, so that a wrong configuration changes nothing.
//!
//! Order: defaults, then the file, then the environment, then `--set`. The table of keys in the
//! module `key` is the one place that knows names, defaults and meanings.

mod budget;
mod duration;
mod error;
mod in_force;
mod key;
mod layer;
mod network;
mod read;
mod reader;
mod reference;
mod registry;
mod size;
mod snapshot;
mod users;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use shoal_api::{AuthMode, User};
use shoal_core::{Budgets, Workflow};
use shoal_redfish::profile::Profiles;
use shoal_store::{Limits, Secret};
use shoal_telemetry::logs;
use url::Url;

pub use error::Error;
pub use in_force::InForce;
pub use layer::Sources;
pub use network::{InvalidNetwork, Network};
pub use reference::reference;
pub use registry::{Logins, Registry, RegistryAccess};
pub use snapshot::{Difference, Snapshot};
pub use users::InvalidUsers;

/// Everything an operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Listeners and their addresses.
    pub http: Http,
    /// Where things are kept.
    pub storage: Storage,
    /// Where BMCs find their media.
    pub media: Media,
    /// How BMCs are talked to.
    pub redfish: Redfish,
    /// Copies of the job database.
    pub backups: Backups,
    /// How jobs are carried out.
    pub jobs: Jobs,
    /// The registry under `/v2/`.
    pub registry: Registry,
    /// Who may do something.
    pub access: Access,
    /// What the controller tells about itself.
    pub telemetry: Telemetry,
}

/// Listeners and their addresses. Port 0 lets the kernel choose.
#[derive(Clone, Debug)]
pub struct Http {
    /// HTTPS: the API and media.
    pub api_addr: SocketAddr,
    /// Plain, without login: metrics and health.
    pub admin_addr: SocketAddr,
    /// Plain, media only; none unless set.
    pub media_addr: Option<SocketAddr>,
    /// How machines reach this controller.
    pub public_url: Option<Url>,
    /// A certificate from outside; the local authority issues one otherwise.
    pub tls_files: Option<TlsFiles>,
    /// Peers whose word about the client's address is believed.
    pub trusted_proxies: Vec<Network>,
}

/// A certificate chain and its key, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The leaf first, then what links it to its authority.
    pub cert: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

/// Where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The directory everything else is in unless said otherwise.
    pub root: PathBuf,
    /// The job database.
    pub db_path: PathBuf,
    /// Task media, one directory per job.
    pub task_iso_dir: PathBuf,
    /// Boot media that this controller serves.
    pub static_dir: PathBuf,
    /// The key that seals credentials; created at the first start unless the operator named it.
    pub seal_key_file: PathBuf,
}

/// Copies of the job database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backups {
    /// Where they are kept.
    pub dir: PathBuf,
    /// From one to the next.
    pub interval: Duration,
    /// How many are kept; at least 1.
    pub keep: usize,
}

/// Where BMCs find their media.
#[derive(Clone, Debug)]
pub struct Media {
    /// Base of HTTPS media URLs; the public URL unless set.
    pub url_https: Option<Url>,
    /// Base of plain media URLs.
    pub url_http: Option<Url>,
    /// The maintenance OS: an outside URL, or a file under the static directory.
    pub maintenance_iso: Option<String>,
    /// The ESXi installer: an outside URL, or a file under the static directory.
    pub esxi_installer: Option<String>,
}

/// How BMCs are talked to.
#[derive(Clone, Debug)]
pub struct Redfish {
    /// Bound of one request.
    pub timeout: Duration,
    /// How often a request that may be repeated is repeated.
    pub retries: u32,
    /// Whether a server's own word may turn certificate checks off for its BMC.
    pub insecure: bool,
    /// Vendor profiles: those that ship, and those of the directory that was named.
    pub profiles: Arc<Profiles>,
}

/// How jobs are carried out.
#[derive(Clone, Debug)]
pub struct Jobs {
    /// Jobs that may work on a BMC at one time; 0 starts nothing new.
    pub workers: usize,
    /// Jobs that may be under way at one time, waiting ones included.
    pub max_active: usize,
    /// Jobs under way whose servers share a value of this label.
    pub label_limits: BTreeMap<String, u64>,
    /// Bounds all of provisioning, whatever a workflow's own budgets say.
    pub stuck_timeout: Duration,
    /// Budgets of every workflow; each passed [`Budgets::check`].
    pub budgets: BTreeMap<Workflow, Budgets>,
    /// Days after which files that a complete job should not have left are deleted.
    pub retention_days: u32,
    /// Days for which complete jobs, their events and the audit log are kept.
    pub history_days: u32,
}

impl Jobs {
    /// How much may be under way at one time.
    pub fn limits(&self) -> Limits {
        let per_label = self.label_limits.clone();
        Limits { workers: self.workers, active: self.max_active, per_label }
    }
}

/// Who may do something.
#[derive(Clone, Debug)]
pub struct Access {
    /// Which logins are accepted.
    pub mode: AuthMode,
    /// Accounts with passwords.
    pub users: Vec<User>,
    /// The fleet secret; without it only job tokens are accepted.
    pub webhook_secret: Option<Secret>,
    /// Certificates of machines that report.
    pub webhook_mtls: Option<WebhookMtls>,
    /// What signs media addresses; drawn when nobody sets it.
    pub signed_url_secret: Option<Secret>,
    /// How long a former key stays accepted.
    pub dual_accept: Duration,
}

/// Which certificates machines must show when they report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookMtls {
    /// Whether a machine without one is refused.
    pub required: bool,
    /// Authorities whose certificates are accepted, PEM.
    pub client_ca_file: PathBuf,
}

/// What the controller tells about itself.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Level, with exceptions by target; it was parsed once and is valid.
    pub log_level: String,
    /// Shape of log lines.
    pub log_format: logs::Format,
    /// Base URL of a trace collector.
    pub otlp_endpoint: Option<String>,
}

/// Settings, and how they came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Every key that was given, in the order of the reference.
    pub given: Vec<Given>,
    /// Keys of the plain environment that mean something only to other releases.
    pub ignored: Vec<&'static str>,
    /// Everything as it was read, to be compared with a later reading.
    pub snapshot: Snapshot,
}

/// One key that somebody set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its name.
    pub key: String,
    /// Its value as given, `***` for a secret.
    pub value: String,
    /// Who set it.
    pub source: String,
}

impl Settings {
    /// Reads, merges and checks everything; touches nothing.
    ///
    /// # Errors
    /// The first thing that is wrong, naming key and source.
    pub fn load(sources: &Sources) -> Result<Loaded, Error> {
        read::load(sources)
    }
}

#[cfg(test)]
mod tests;
