//! What a caller says about one mock machine, and the secret type its password lives in.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use zeroize::Zeroizing;

use crate::{Clock, HostScript, Persona};

/// A password or token. It cannot be printed and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    pub(crate) fn is(&self, offered: &str) -> bool {
        // Both sides are hashed, so that the comparison tells nothing about a common prefix.
        let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        digest(&self.0).as_ref() == digest(offered).as_ref()
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One mock machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The kind of BMC.
    pub persona: Persona,
    /// Serial number printed on the chassis, reported where the persona keeps it.
    pub serial: String,
    /// System UUID.
    pub uuid: String,
    /// The one account.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Where to listen; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// The machine's clock.
    pub clock: Clock,
    /// Certificate authorities in PEM that media servers are checked against.
    ///
    /// Without it every certificate is accepted, as most BMCs do by default.
    pub media_ca: Option<String>,
    /// How long an interrupted read of a medium is retried, in real time.
    pub media_patience: Duration,
    /// The host behind the BMC.
    pub host: HostConfig,
}

impl Config {
    /// A machine with that serial: user `admin`, password `password`, a UUID derived from the
    /// serial, port chosen by the kernel, real time, any media certificate accepted.
    pub fn new(persona: Persona, serial: impl Into<String>, host: HostConfig) -> Self {
        let serial = serial.into();
        Self {
            persona,
            uuid: uuid_of(&serial),
            serial,
            user: "admin".to_owned(),
            password: Secret::new("password"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Clock::default(),
            media_ca: None,
            media_patience: Duration::from_secs(20),
            host,
        }
    }
}

/// The host behind a mock BMC.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The dispatcher, run as `dispatcher run --root R --medium D --systemctl S`.
    ///
    /// Without it the maintenance OS finds its task medium and then waits.
    pub dispatcher: Option<PathBuf>,
    /// The reporter, run as `reporter report --root R …`. Without it nothing is reported.
    pub reporter: Option<PathBuf>,
    /// Directory for the host's files; each boot of the maintenance OS gets `boot-N` in it.
    pub scratch: PathBuf,
    /// Longest run of one child process, in real time. A reporter that retries while nobody
    /// answers is killed then, and its report is lost.
    pub child_limit: Duration,
    /// Whether the disk holds an operating system from the start.
    pub installed: bool,
    /// What the host will do.
    pub script: HostScript,
}

impl HostConfig {
    /// A host with an empty disk and neither dispatcher nor reporter.
    pub fn new(scratch: impl Into<PathBuf>) -> Self {
        Self {
            dispatcher: None,
            reporter: None,
            scratch: scratch.into(),
            child_limit: Duration::from_mins(5),
            installed: false,
            script: HostScript::default(),
        }
    }
}

/// A stable UUID made from the serial, so that two runs of one machine agree.
pub(crate) fn uuid_of(serial: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, serial.as_bytes());
    let hex = data_encoding::HEXLOWER.encode(digest.as_ref());
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn the_uuid_is_well_formed_and_stable() {
        let uuid = uuid_of("SN1");
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid, uuid_of("SN1"));
        assert_ne!(uuid, uuid_of("SN2"));
    }
}
