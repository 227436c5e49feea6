//! Verbs on servers. Here `--ca`, `--pin`, `--user` and `--password-file` are about the BMC; those
//! about the controller stand before the noun.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{label, serial};
use crate::tls::Pin;

#[derive(Debug, Subcommand)]
pub(crate) enum ServersVerb {
    /// Make a server known, with the way to its BMC
    Add(Box<Add>),
    /// Make many servers known, all of a list or none
    Import(Import),
    /// List servers
    List(ListServers),
    /// Show one server, with what was last seen of its BMC
    Show(Server),
    /// Change parts of a server's record; all else stays
    Set(Box<Set>),
    /// Take no jobs on a server, and say why
    Quarantine(Quarantine),
    /// Take jobs on a quarantined server again
    Release(Server),
    /// Look at a server's BMC: what an install would do there and what would fail
    Probe(Server),
    /// Log in again at a BMC that refused logins, after its account or password was mended
    RetryLogin(Server),
    /// Forget a server; refused while it has an unfinished job
    Remove(Server),
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The server
    #[arg(value_name = "SERIAL", value_parser = serial)]
    pub(crate) serial: String,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("bmc trust").required(true).args(["ca", "pin", "insecure"]))]
pub(crate) struct Add {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Address of the BMC, such as https://10.0.0.7
    #[arg(long, value_name = "URL")]
    pub(crate) bmc: String,
    /// User of the BMC
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// File with the BMC's password; asked for when absent
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// SHA-256 of the BMC's certificate
    #[arg(long, value_name = "SHA256")]
    pub(crate) pin: Option<Pin>,
    /// PEM file with the authority that issued the BMC's certificate, or that certificate itself
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Do not check the BMC's certificate; audited
    #[arg(long, requires = "reason")]
    pub(crate) insecure: bool,
    /// Why the certificate is not checked
    #[arg(long, value_name = "TEXT", requires = "insecure")]
    pub(crate) reason: Option<String>,
    /// A label; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// How the BMC fetches media, when it cannot do what the controller would choose
    #[arg(long, value_enum)]
    pub(crate) media_scheme: Option<MediaScheme>,
    /// The host in media addresses, when the BMC does not reach the controller as the controller would
    /// choose
    #[arg(long, value_name = "HOST")]
    pub(crate) media_host: Option<String>,
    /// Allow the task medium, which carries secrets, to be fetched without TLS
    #[arg(long)]
    pub(crate) allow_plain_media: bool,
    /// What the BMC is, when it cannot be told from the BMC itself
    #[arg(long, value_name = "VENDOR")]
    pub(crate) vendor_hint: Option<String>,
    /// Take no jobs on this server, and say why
    #[arg(long, value_name = "REASON")]
    pub(crate) quarantine: Option<String>,
    /// Write the whole record anew if the server is known; what is not given here is cleared
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is a JSON array of servers, JSON objects one per line, or CSV with a header. Columns of CSV:
  serial, bmc_address, user, password, and one of pin, ca_file, insecure_reason;
  vendor_hint, media_scheme, media_host, allow_plain_media, quarantine, label.KEY as needed.
A record is the whole of what is stored of a server: what it leaves out is cleared, except the
credentials of a known server.

Examples:
  shoal servers import rack7.csv
  shoal servers import rack7.json --credentials-from bmc.env
  inventory-export | shoal servers import - --credentials-from bmc.env")]
pub(crate) struct Import {
    /// The list of servers; - reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// File with lines BMC_USER=... and BMC_PASSWORD=..., for servers of the list without their own
    #[arg(long, value_name = "ENVFILE")]
    pub(crate) credentials_from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListServers {
    /// Also tell when each BMC was last looked at and what was found; asks the controller once per
    /// server
    #[arg(long)]
    pub(crate) probes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal servers quarantine SRV-1 --reason 'fan 3 is broken'
  shoal servers release SRV-1")]
pub(crate) struct Quarantine {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Why; shown to whoever asks for a job
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The record is read, changed and written back: of two changes at the same moment the last one stands.

Examples:
  shoal servers set SRV-1 --bmc https://10.0.0.8
  shoal servers set SRV-1 --user root --password-file bmc.password
  shoal servers set SRV-1 --label rack=8 --remove-label team --clear media-host")]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args([
    "bmc", "user", "pin", "ca", "insecure", "labels", "remove_labels", "media_scheme",
    "media_host", "allow_plain_media", "vendor_hint", "clear"]))]
#[command(group = clap::ArgGroup::new("new trust").args(["pin", "ca", "insecure"]))]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Address of the BMC, such as https://10.0.0.7
    #[arg(long, value_name = "URL")]
    pub(crate) bmc: Option<String>,
    /// User of the BMC; its password comes with it
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// File with the BMC's password; asked for when absent
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// SHA-256 of the BMC's certificate
    #[arg(long, value_name = "SHA256")]
    pub(crate) pin: Option<Pin>,
    /// PEM file with the authority that issued the BMC's certificate, or that certificate itself
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Do not check the BMC's certificate; audited
    #[arg(long, requires = "reason")]
    pub(crate) insecure: bool,
    /// Why the certificate is not checked
    #[arg(long, value_name = "TEXT", requires = "insecure")]
    pub(crate) reason: Option<String>,
    /// A label to add or change; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// A label to take away; may be repeated
    #[arg(long = "remove-label", value_name = "KEY")]
    pub(crate) remove_labels: Vec<String>,
    /// How the BMC fetches media
    #[arg(long, value_enum)]
    pub(crate) media_scheme: Option<MediaScheme>,
    /// The host in media addresses
    #[arg(long, value_name = "HOST")]
    pub(crate) media_host: Option<String>,
    /// Whether the task medium, which carries secrets, may be fetched without TLS
    #[arg(long, value_name = "BOOL")]
    pub(crate) allow_plain_media: Option<bool>,
    /// What the BMC is
    #[arg(long, value_name = "VENDOR")]
    pub(crate) vendor_hint: Option<String>,
    /// Leave this to the controller again; may be repeated
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) clear: Vec<Clearable>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clearable {
    MediaScheme,
    MediaHost,
    VendorHint,
}

impl Clearable {
    /// The member of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::MediaScheme => "media_scheme",
            Self::MediaHost => "media_host",
            Self::VendorHint => "vendor_hint",
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MediaScheme {
    Http,
    Https,
}

impl MediaScheme {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
