//! A certificate that was read and judged and is not shown yet. A reload makes one, asks whether those
//! who depend on us would trust it, and only then puts it in place.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use url::{Host, Url};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{Authority, Error, Names, Trust, certified, leaf, provider, trust_in};
use crate::settings::Settings;

/// A certificate ready to be shown.
#[derive(Debug)]
pub struct Prepared {
    pub(super) key: CertifiedKey,
    pub(super) trust: Trust,
    /// The file to name when something is wrong with it.
    pub(super) path: PathBuf,
}

impl Prepared {
    /// Reads the operator's files, or the leaf of the local authority, which is issued anew when it
    /// nears its end; refuses one whose time is over.
    pub fn read(settings: &Settings, now: SystemTime) -> Result<Self, Error> {
        let prepared = Self::load(settings, now)?;
        in_time(&prepared.key, &prepared.path, now)?;
        Ok(prepared)
    }

    /// As [`Prepared::read`] for the operator's files, and makes nothing.
    pub fn check(settings: &Settings, now: SystemTime) -> Result<(), Error> {
        match &settings.http.tls_files {
            Some(files) => in_time(&certified(&files.cert, &files.key)?, &files.cert, now),
            None => Ok(()),
        }
    }

    pub(super) fn load(settings: &Settings, now: SystemTime) -> Result<Self, Error> {
        if let Some(files) = &settings.http.tls_files {
            let key = certified(&files.cert, &files.key)?;
            return Ok(Self { key, trust: trust_in(files)?, path: files.cert.clone() });
        }
        let authority = Authority::open(&settings.storage.root.join("tls"), now)?;
        let key = leaf::open(&authority, &Names::of(settings), now)?;
        let trust = authority.trust();
        Ok(Self { key, path: trust.file.with_file_name("leaf.pem"), trust })
    }

    /// SHA-256 of the leaf, in lower-case hexadecimal.
    pub fn leaf_sha256(&self) -> String {
        self.key.cert.first().map(|leaf| super::fingerprint(leaf)).unwrap_or_default()
    }

    /// Whether a machine that trusts these certificates (PEM) and calls this address accepts it.
    pub fn is_trusted(&self, pem: &str, address: &str, now: SystemTime) -> bool {
        let Some((leaf, chain)) = self.key.cert.split_first() else { return false };
        let trusted: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect();
        // A certificate that stands alone is trusted as such.
        if trusted.contains(leaf) {
            return true;
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted);
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let time = UnixTime::since_unix_epoch(since_epoch);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let (Ok(verifier), Some(name)) = (verifier, name_in(address)) else { return false };
        verifier.verify_server_cert(leaf, chain, &name, &[], time).is_ok()
    }
}

fn name_in(address: &str) -> Option<ServerName<'static>> {
    match Url::parse(address).ok()?.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
        Host::Ipv6(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
    }
}

/// First and last second of the leaf, since 1970.
pub(super) fn validity(key: &CertifiedKey) -> Option<(i64, i64)> {
    let (_, leaf) = X509Certificate::from_der(key.cert.first()?).ok()?;
    let validity = leaf.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// Refuses a leaf whose time is over, or has not come.
pub(super) fn in_time(key: &CertifiedKey, path: &Path, now: SystemTime) -> Result<(), Error> {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    match validity(key) {
        Some((from, until)) if !(from..=until).contains(&now) => {
            Err(Error::Time { path: path.to_owned(), from, until, now })
        }
        Some(_) | None => Ok(()),
    }
}
