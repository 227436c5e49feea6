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
    /// List servers
    List,
    /// Show one server
    Show(Server),
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
    /// PEM file with the authority that issued the BMC's certificate
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
