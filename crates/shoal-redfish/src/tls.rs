//! BMC certificates are mostly self-signed, nameless or expired, so each policy (roots, pin,
//! none) is an explicit verifier of ours, and the certificate that was seen is remembered for
//! pinning on first use. The crypto provider is always passed explicitly: an embedding program may
//! have installed another one, or none.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, PeerMisbehaved,
    RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{
        CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature,
    },
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use serde::{Deserialize, Serialize};

use crate::{
    certificate::Certificate,
    endpoint::Tls,
    raw_key::{self, Curves},
};

/// SHA-256 of a certificate or of its public key (`SubjectPublicKeyInfo`), both in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// Reads 64 hexadecimal digits, with or without colons.
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let mut nibbles = Vec::with_capacity(64);
        for character in text.trim().chars().filter(|c| *c != ':') {
            let digit = character.to_digit(16).ok_or(BadFingerprint)?;
            nibbles.push(u8::try_from(digit).map_err(|_| BadFingerprint)?);
        }
        let (pairs, rest) = nibbles.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        match (rest.is_empty(), <[u8; 32]>::try_from(bytes)) {
            (true, Ok(bytes)) => Ok(Self(bytes)),
            _ => Err(BadFingerprint),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = BadFingerprint;

    fn try_from(text: String) -> Result<Self, BadFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// The text is not a SHA-256 in hexadecimal.
#[derive(Debug, thiserror::Error)]
#[error("not a SHA-256 fingerprint of 64 hexadecimal digits")]
pub struct BadFingerprint;

/// What was wrong with a BMC's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// Another certificate than the pinned one.
    #[error("the certificate {seen} is not the pinned one")]
    PinMismatch {
        /// SHA-256 of the certificate that was shown.
        seen: Fingerprint,
    },
    /// Past its end date.
    #[error("the certificate has expired")]
    Expired,
    /// Before its start date; often the BMC's clock was wrong when it was made.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// The address is not among its names.
    #[error("the certificate is for another name")]
    WrongName,
    /// Not signed by a given root.
    #[error("the certificate was not issued by a trusted authority")]
    UnknownIssuer,
    /// The given roots could not be read.
    #[error("the given authority certificates cannot be used")]
    BadRoots,
    /// Anything else, such as no common cipher.
    #[error("the handshake failed: {0}")]
    Handshake(String),
}

/// Where the verifier leaves the certificates it saw, the BMC's own first.
pub(crate) type SeenChain = Arc<Mutex<Vec<Certificate>>>;

pub(crate) fn client_config(tls: &Tls, seen: SeenChain) -> Result<ClientConfig, TlsFault> {
    let provider = Arc::new(default_provider());
    let policy = match tls {
        Tls::Ca(pem) => given(pem, Arc::clone(&provider))?,
        Tls::Pin(pin) => Policy::Pin(*pin),
        Tls::Insecure { .. } => Policy::Any,
    };
    let verifier = Verifier { policy, seen, provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault::Handshake(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A resumed session shows no certificate, and each one that is relied on is judged.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Finds the certificate fault inside a transport error, if there is one.
pub(crate) fn fault_in(error: &(dyn std::error::Error + 'static)) -> Option<TlsFault> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(fault) = error.downcast_ref::<rustls::Error>() {
            return Some(fault_of(fault));
        }
        // `io::Error::source` skips the error it wraps, so that one is opened by hand.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        current = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn fault_of(error: &rustls::Error) -> TlsFault {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return TlsFault::Handshake(error.to_string());
    };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::WrongName
        }
        // A bad signature is that of another authority with the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownIssuer,
        CertificateError::Other(OtherError(inner)) => match inner.downcast_ref::<TlsFault>() {
            Some(fault) => fault.clone(),
            None => TlsFault::Handshake(inner.to_string()),
        },
        other => TlsFault::Handshake(other.to_string()),
    }
}

fn given(pem: &str, provider: Arc<CryptoProvider>) -> Result<Policy, TlsFault> {
    let mut store = RootCertStore::empty();
    let mut given = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| TlsFault::BadRoots)?;
        given.push(Fingerprint::of(&certificate));
        store.add(certificate).map_err(|_| TlsFault::BadRoots)?;
    }
    let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|_| TlsFault::BadRoots)?;
    Ok(Policy::Ca { roots, given })
}

#[derive(Debug)]
enum Policy {
    /// Below one of the given certificates, or one of them itself: who gives a BMC's own certificate
    /// means that one, whatever kind it is of.
    Ca {
        roots: Arc<WebPkiServerVerifier>,
        given: Vec<Fingerprint>,
    },
    Pin(Fingerprint),
    Any,
}

impl Policy {
    /// Whether exactly this certificate was given beforehand, so that its issuer does not matter.
    fn knows(&self, certificate: &[u8]) -> bool {
        match self {
            Self::Ca { given, .. } => given.contains(&Fingerprint::of(certificate)),
            Self::Pin(pin) => Certificate::of(certificate).matches(*pin),
            Self::Any => false,
        }
    }
}

/// Dates and names of a certificate that is trusted for itself. One without names is for any address,
/// as most BMCs' are.
fn check_validity(
    end_entity: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let certificate = Certificate::of(end_entity);
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if certificate.not_before.is_some_and(|start| now < start) {
        return Err(CertificateError::NotValidYet.into());
    }
    if certificate.not_after.is_none_or(|end| now > end) {
        return Err(CertificateError::Expired.into());
    }
    if certificate.names.is_empty() {
        return Ok(());
    }
    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)
}

#[derive(Debug)]
struct Verifier {
    policy: Policy,
    seen: SeenChain,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = Certificate::of(end_entity);
        let above = intermediates.iter().map(AsRef::as_ref);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Certificate::chain(end_entity, above);
        match &self.policy {
            Policy::Ca { .. } if self.policy.knows(end_entity) => {
                check_validity(end_entity, server_name, now)?;
                Ok(ServerCertVerified::assertion())
            }
            Policy::Ca { roots, .. } => roots
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| match error {
                    // An authority's certificate that vouches for itself alone.
                    rustls::Error::InvalidCertificate(CertificateError::Other(_))
                        if certificate.is_self_issued() =>
                    {
                        CertificateError::UnknownIssuer.into()
                    }
                    other => other,
                }),
            Policy::Pin(pin) if !certificate.matches(*pin) => {
                let fault = TlsFault::PinMismatch { seen: certificate.sha256 };
                Err(CertificateError::Other(OtherError(Arc::new(fault))).into())
            }
            Policy::Pin(_) | Policy::Any => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let supported = &self.provider.signature_verification_algorithms;
        match self.policy {
            Policy::Ca { .. } if !self.policy.knows(certificate) => {
                verify_tls12_signature(message, certificate, signature, supported)
            }
            Policy::Ca { .. } | Policy::Pin(_) => {
                raw_key::verify(message, certificate, signature, (supported, Curves::OfTheKey))
            }
            // Nothing is authenticated under this policy, and some old keys are too short to be used.
            Policy::Any => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let supported = &self.provider.signature_verification_algorithms;
        match self.policy {
            Policy::Ca { .. } if !self.policy.knows(certificate) => {
                verify_tls13_signature(message, certificate, signature, supported)
            }
            // TLS 1.3 does away with the signatures that the older versions allowed.
            Policy::Ca { .. } | Policy::Pin(_) if !tls13_knows(signature.scheme) => {
                Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
            }
            Policy::Ca { .. } | Policy::Pin(_) => {
                raw_key::verify(message, certificate, signature, (supported, Curves::Named))
            }
            Policy::Any => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn tls13_knows(scheme: SignatureScheme) -> bool {
    !matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
            | SignatureScheme::ECDSA_SHA1_Legacy
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let plain = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        assert_eq!(plain.parse::<Fingerprint>().unwrap(), colons.parse().unwrap());
        assert_eq!(plain.parse::<Fingerprint>().unwrap().to_string(), plain);
        assert!("ab".repeat(31).parse::<Fingerprint>().is_err());
        assert!("zz".repeat(32).parse::<Fingerprint>().is_err());
    }
}
