//! Verbs on BMCs that no server is registered with. `--ca`, `--pin`, `--user` and `--password-file`
//! are about the BMC.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::tls::Pin;

#[derive(Debug, Subcommand)]
pub(crate) enum BmcVerb {
    /// Have the controller look at a BMC before a server is registered with it; nothing is kept
    Doctor(Doctor),
    /// List what is known of kinds of BMCs, such as which request forms they take, or forget a kind
    Learned(Learned),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Forget a kind when its BMCs were changed in a way that their firmware version does not tell: the
next of them is read whole and met as if none had been before. Nothing else is changed.

Examples:
  shoal bmc learned
  shoal bmc learned --forget 'dell/iDRAC 9/6.10.30.00'")]
pub(crate) struct Learned {
    /// Forget what is known of this kind, named as in the list
    #[arg(long, value_name = "KIND")]
    pub(crate) forget: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --pin, --ca or --insecure, or without --user, nothing but the certificate is looked at: no
password is sent to a BMC that has not proved who it is, unless you say --insecure.

Examples:
  shoal bmc doctor --bmc https://10.0.0.7
  shoal bmc doctor --bmc https://10.0.0.7 --pin 5fd2... --user root --password-file bmc.password")]
#[command(group = clap::ArgGroup::new("bmc trust").args(["ca", "pin", "insecure"]))]
pub(crate) struct Doctor {
    /// Address of the BMC, such as https://10.0.0.7
    #[arg(long, value_name = "URL")]
    pub(crate) bmc: String,
    /// User of the BMC
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// File with the BMC's password; without it BMC_PASSWORD of the environment, else it is asked for
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// SHA-256 of the BMC's certificate
    #[arg(long, value_name = "SHA256")]
    pub(crate) pin: Option<Pin>,
    /// PEM file with the authority that issued the BMC's certificate, or that certificate itself
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Do not check the BMC's certificate
    #[arg(long, requires = "reason")]
    pub(crate) insecure: bool,
    /// Why the certificate is not checked
    #[arg(long, value_name = "TEXT", requires = "insecure")]
    pub(crate) reason: Option<String>,
}
