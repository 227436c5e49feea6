//! Whom to trust is an explicit choice: one authority, one pinned certificate, or the system's
//! authorities. Controllers make their own authority at first start, so refusing an unknown one with
//! the right advice is the most common first contact.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Makes ring the crypto provider of this process. To be called once, first thing.
pub fn install_crypto() {
    // It fails only when a provider is installed already, and then there is one.
    let _ = ring::default_provider().install_default();
}

/// SHA-256 of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin([u8; 32]);

impl Pin {
    fn of(certificate: &[u8]) -> Self {
        let digest = ::ring::digest::digest(&::ring::digest::SHA256, certificate);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl FromStr for Pin {
    type Err = BadPin;

    /// Reads 64 hexadecimal digits; colons and a leading `sha256:` are allowed.
    fn from_str(text: &str) -> Result<Self, BadPin> {
        let text = text.trim();
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.ok_or(BadPin)?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        match (rest, <[u8; 32]>::try_from(bytes)) {
            ([], Ok(bytes)) => Ok(Self(bytes)),
            _ => Err(BadPin),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pin is the SHA-256 of a certificate: 64 hexadecimal digits")]
pub(crate) struct BadPin;

/// What proves that a controller is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// An authority in this PEM text issued its certificate, and it names the address.
    Ca(String),
    /// Its certificate is exactly this one; nothing else about it matters.
    Pin(Pin),
    /// An authority the operating system trusts issued it.
    System,
}

/// Why a controller is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsFault {
    #[error("its certificate was not issued by a trusted authority")]
    UnknownIssuer,
    #[error("its certificate is {seen}, which is not the pinned one")]
    PinMismatch { seen: Pin },
    #[error("its certificate is for another name or address")]
    WrongName,
    #[error("its certificate has expired")]
    Expired,
    #[error("its certificate is not valid yet")]
    NotYetValid,
    #[error("the file of the authority holds no usable certificate")]
    BadCa,
    #[error("the operating system has no usable authorities")]
    NoSystem,
    #[error("the handshake failed: {0}")]
    Handshake(String),
}

impl TlsFault {
    pub(crate) fn next_step(&self) -> String {
        let step = match self {
            Self::UnknownIssuer | Self::NoSystem => {
                "pass the authority the controller made at its first start with --ca FILE, or pin its \
                 certificate with --pin SHA256"
            }
            Self::PinMismatch { .. } => {
                "if the controller's certificate was renewed, pin the new one after comparing it on the \
                 controller; else somebody may be in between"
            }
            Self::WrongName => "use an address that its certificate names, or --pin SHA256",
            Self::Expired => "renew the controller's certificate; check the clock of this machine",
            Self::NotYetValid => "check the clocks of this machine and of the controller",
            Self::BadCa => "give a PEM file with BEGIN CERTIFICATE",
            Self::Handshake(_) => "check that the port speaks TLS",
        };
        step.to_owned()
    }

    /// Finds the reason inside a transport error, if TLS was at fault.
    pub(crate) fn inside(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut current = Some(error);
        while let Some(error) = current {
            if let Some(fault) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of(fault));
            }
            // `io::Error::source` skips the error it wraps, so that one is opened by hand.
            let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            current = match wrapped {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
        None
    }

    fn of(error: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(reason) = error else {
            return Self::Handshake(error.to_string());
        };
        match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            // A bad signature is what an authority of the same name but another key looks like, such as
            // that of a controller that was set up anew.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Other(OtherError(inner)) => match inner.downcast_ref::<Self>() {
                Some(fault) => fault.clone(),
                // The system verifier's own words for an authority that it does not know.
                None if inner.to_string().contains("UnknownIssuer") => Self::UnknownIssuer,
                None => Self::Handshake(inner.to_string()),
            },
            other => Self::Handshake(other.to_string()),
        }
    }
}

/// The TLS side of a client; none means that the HTTP client's default, the system, is right.
pub(crate) fn config(trust: &Trust) -> Result<Option<ClientConfig>, TlsFault> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault::Handshake(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::System => return Ok(None),
        Trust::Ca(pem) => WebPkiServerVerifier::builder_with_provider(roots(pem)?, provider)
            .build()
            .map_err(|_| TlsFault::BadCa)?,
        Trust::Pin(pin) => Arc::new(Pinned { pin: *pin, provider }),
    };
    let config = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Some(config.with_no_client_auth()))
}

/// Whether a text holds at least one certificate that can be trusted.
pub(crate) fn roots(pem: &str) -> Result<Arc<RootCertStore>, TlsFault> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| TlsFault::BadCa)?;
        store.add(certificate).map_err(|_| TlsFault::BadCa)?;
    }
    if store.is_empty() {
        return Err(TlsFault::BadCa);
    }
    Ok(Arc::new(store))
}

/// Accepts one certificate. Its names and dates do not matter: the pin says more than they could.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Pin::of(end_entity);
        if seen == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        let fault = Arc::new(TlsFault::PinMismatch { seen });
        Err(CertificateError::Other(OtherError(fault)).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_in_the_forms_tools_print_them() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");

        for text in [plain.clone(), colons, format!("sha256:{plain}\n")] {
            assert_eq!(text.parse::<Pin>().unwrap().to_string(), plain, "{text}");
        }
        for wrong in [String::new(), "ab".repeat(31), "xy".repeat(32), format!("{plain}a")] {
            assert_eq!(wrong.parse::<Pin>(), Err(BadPin), "{wrong}");
        }
    }
}
