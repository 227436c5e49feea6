//! The certificate this controller shows, and the trust others need for it. Machines and BMCs come
//! without our certificates, so a long-lived local authority is what an operator installs once; the
//! leaf behind it changes as often as it must.

mod authority;
mod client;
mod leaf;
mod names;
mod prepared;
mod store;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring as provider},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::settings::{Settings, TlsFiles};
use authority::Authority;
pub(crate) use client::Clients;
pub use names::Names;
pub use prepared::Prepared;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("find a {what} in {}", path.display())]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not go together, or the key is of a kind we cannot use.
    #[error("use certificate {} with its key", path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong with them.
        source: rustls::Error,
    },
    /// The certificate's time is over, or has not come.
    #[error("show certificate {}: it is valid from {from} until {until}, and now it is {now}", path.display())]
    Time {
        /// The certificate's file.
        path: PathBuf,
        /// First second, seconds since 1970.
        from: i64,
        /// Last second, seconds since 1970.
        until: i64,
        /// This second, seconds since 1970.
        now: i64,
    },
    /// The file with authorities of clients holds none that can be used.
    #[error("use the client authorities in {}", path.display())]
    ClientAuthority {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::server::VerifierBuilderError,
    },
    /// The authority's certificate is there and its key is not, so nothing can be issued under the
    /// name that others trust already.
    #[error("find the local authority's key {}: restore it, or remove its certificate to begin anew", path.display())]
    AuthorityKey {
        /// Where the key should be.
        path: PathBuf,
    },
    /// The authority's certificate is none, or belongs to another key.
    #[error("use the local authority's certificate {}: it does not belong to its key", path.display())]
    AuthorityCertificate {
        /// The certificate's file.
        path: PathBuf,
    },
    /// A certificate could not be made.
    #[error("issue a certificate")]
    Issue(#[from] rcgen::Error),
    /// The TLS library refused our parameters.
    #[error("set up TLS")]
    Config(#[source] rustls::Error),
}

/// What others need to trust this controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// A file with it.
    pub file: PathBuf,
    /// Its content: one or more certificates in PEM.
    pub pem: String,
    /// SHA-256 of its last certificate, the authority, in lower-case hexadecimal.
    pub sha256: String,
    /// Whether the authority was made just now, so that its fingerprint is worth telling.
    pub created: bool,
}

/// The certificate in use, which can be exchanged while connections go on.
pub struct Tls {
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    trust: ArcSwap<Trust>,
    clients: Clients,
    /// When the first of the authorities ends whose machines may report.
    client_authorities_end: Option<i64>,
}

/// What new handshakes get. Connections under way keep what they were given.
struct Current(ArcSwap<CertifiedKey>);

impl Tls {
    /// Loads the operator's certificate, or one of the local authority under the storage root, which
    /// is made at the first start. One whose time is over is used all the same: the BMCs that do not
    /// look are better served than not.
    pub fn open(settings: &Settings, now: SystemTime) -> Result<Self, Error> {
        let Prepared { key, trust, path } = Prepared::load(settings, now)?;
        if let Err(error) = prepared::in_time(&key, &path, now) {
            tracing::error!(%error, "clients will refuse this certificate");
        }
        let current = Arc::new(Current(ArcSwap::from_pointee(key)));
        let clients = Clients::of(settings.access.webhook_mtls.as_ref())?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Error::Config)?;
        let builder = match clients.asker() {
            Some(asker) => builder.with_client_cert_verifier(asker),
            None => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let authorities = settings.access.webhook_mtls.as_ref();
        let authorities = authorities.map(|mtls| chain(&mtls.client_ca_file)).transpose()?;
        Ok(Self {
            current,
            config: Arc::new(config),
            trust: ArcSwap::from_pointee(trust),
            clients,
            client_authorities_end: authorities.as_deref().and_then(first_end),
        })
    }

    /// For the listener; it follows every exchange of the certificate.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What is thought of the certificates that clients show.
    pub(crate) fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// What others need to trust this controller.
    pub fn trust(&self) -> Arc<Trust> {
        self.trust.load_full()
    }

    /// SHA-256 of the leaf in use, in lower-case hexadecimal.
    pub fn leaf_sha256(&self) -> String {
        self.current.0.load().cert.first().map(|leaf| fingerprint(leaf)).unwrap_or_default()
    }

    /// When the leaf in use ends, in seconds since 1970.
    pub fn not_after(&self) -> Option<i64> {
        prepared::validity(&self.current.0.load()).map(|(_, until)| until)
    }

    /// When the leaf in use, what others trust it by, and the authorities of clients end, each in
    /// seconds since 1970 under its metric label.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&'static str, i64)> {
        let trusted: Vec<_> = CertificateDer::pem_slice_iter(self.trust().pem.as_bytes())
            .filter_map(Result::ok)
            .collect();
        let ends = [
            ("server", self.not_after()),
            ("ca", first_end(&trusted)),
            ("webhook_client_ca", self.client_authorities_end),
        ];
        ends.into_iter().filter_map(|(cert, end)| Some((cert, end?)))
    }

    /// Whether that is another certificate than the one in use.
    pub fn is_news(&self, prepared: &Prepared) -> bool {
        prepared.key.cert != self.current.0.load().cert
    }

    /// Shows that certificate from the next handshake on; answers whether it is another one.
    pub fn install(&self, prepared: Prepared) -> bool {
        let news = self.is_news(&prepared);
        let Prepared { key, trust, .. } = prepared;
        self.current.0.store(Arc::new(key));
        self.trust.store(Arc::new(trust));
        news
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("trust", &self.trust.load()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

/// SHA-256 of a certificate, lower-case hexadecimal.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    data_encoding::HEXLOWER.encode(digest.as_ref())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(provider::default_provider())
}

/// When the first of these certificates ends, in seconds since 1970.
fn first_end(certificates: &[CertificateDer<'_>]) -> Option<i64> {
    let end = |der: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(certificate.validity().not_after.timestamp())
    };
    certificates.iter().filter_map(end).min()
}

/// Refuses files that hold no chain and key which belong together.
pub(crate) fn check_pair(files: &TlsFiles) -> Result<(), Error> {
    certified(&files.cert, &files.key).map(drop)
}

/// A chain and its key, found to belong together.
fn certified(cert: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let chain = chain(cert)?;
    let text = store::read(key)?;
    let pem = |source| Error::Pem { what: "private key", path: key.to_owned(), source };
    let private = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(pem)?;
    let pair = |source| Error::Pair { path: cert.to_owned(), source };
    CertifiedKey::from_der(chain, private, &provider()).map_err(pair)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = store::read(path)?;
    let pem = |source| Error::Pem { what: "certificate", path: path.to_owned(), source };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = chain.map_err(pem)?;
    if chain.is_empty() {
        return Err(pem(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(chain)
}

/// What the operator's chain asks others to trust: everything behind the leaf, or the leaf itself
/// when it stands alone.
fn trust_in(files: &TlsFiles) -> Result<Trust, Error> {
    let chain = chain(&files.cert)?;
    let behind = chain.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(&chain);
    Ok(Trust {
        file: files.cert.clone(),
        pem: behind.iter().map(|certificate| store::to_pem(certificate)).collect(),
        sha256: behind.last().map(|certificate| fingerprint(certificate)).unwrap_or_default(),
        created: false,
    })
}

#[cfg(test)]
mod tests;
