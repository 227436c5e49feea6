//! How a BMC proves who it is, as callers write it: one object whose `policy` says which of the three.

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_store::TlsPolicy;

/// How a server's BMC proves who it is.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "TlsPolicy")]
pub(super) enum Tls {
    Ca { pem: String },
    Pin { sha256: String },
    Insecure { reason: String },
}

/// Longest reason.
pub(super) const REASON_MAX: usize = 1024;

impl Tls {
    /// What is wrong with it, if anything; completes "tls ...".
    pub(super) fn problem(&self) -> Option<&'static str> {
        let (fine, problem) = match self {
            Self::Ca { pem } => (
                are_authorities(pem),
                "must have a pem of certificates of authorities, each of them whole",
            ),
            Self::Pin { sha256 } => (
                sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit()),
                "must be the certificate's SHA-256 in 64 hex digits",
            ),
            Self::Insecure { reason } => (
                !reason.trim().is_empty()
                    && reason.len() <= REASON_MAX
                    && !reason.chars().any(char::is_control),
                "must say in at most 1024 bytes why the BMC's identity need not be checked",
            ),
        };
        (!fine).then_some(problem)
    }
}

/// Whether the text holds certificates, and a BMC can be told by every one of them.
fn are_authorities(pem: &str) -> bool {
    let mut roots = RootCertStore::empty();
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    certificates.all(|found| found.is_ok_and(|it| roots.add(it).is_ok())) && !roots.is_empty()
}

impl From<TlsPolicy> for Tls {
    fn from(policy: TlsPolicy) -> Self {
        match policy {
            TlsPolicy::Ca { pem } => Self::Ca { pem },
            TlsPolicy::Pin { sha256 } => Self::Pin { sha256 },
            TlsPolicy::Insecure { reason } => Self::Insecure { reason },
        }
    }
}

impl From<Tls> for TlsPolicy {
    fn from(tls: Tls) -> Self {
        match tls {
            Tls::Ca { pem } => Self::Ca { pem },
            Tls::Pin { sha256 } => Self::Pin { sha256: sha256.to_ascii_lowercase() },
            Tls::Insecure { reason } => Self::Insecure { reason },
        }
    }
}
