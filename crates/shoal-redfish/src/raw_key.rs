//! A pinned certificate vouches for its key by being the pinned one, so the handshake is checked with
//! that key and nothing else of the certificate is judged. A validating parser would refuse what old
//! BMCs show, such as certificates of version 1 (RFC 5280, section 4.1.2.1), before it came to the key.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved,
    client::danger::HandshakeSignatureValid, crypto::WebPkiSupportedAlgorithms,
};

use crate::der;

/// How many of a scheme's algorithms may have made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curves {
    /// TLS 1.2 names a hash and leaves the curve to the key (RFC 5246, section 7.4.1.4.1).
    OfTheKey,
    /// TLS 1.3 names both (RFC 8446, section 4.2.3).
    Named,
}

/// Checks the signature of a handshake with the key of a certificate.
pub(crate) fn verify(
    message: &[u8],
    certificate: &[u8],
    signature: &DigitallySignedStruct,
    (supported, curves): (&WebPkiSupportedAlgorithms, Curves),
) -> Result<HandshakeSignatureValid, Error> {
    let parts = der::certificate(certificate).and_then(|parts| der::public_key(parts.spki));
    let (algorithm, key) = parts.ok_or(CertificateError::BadEncoding)?;
    let offered = supported.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme);
    let (_, offered) = offered.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let offered = match curves {
        Curves::OfTheKey => *offered,
        Curves::Named => offered.get(..1).unwrap_or_default(),
    };
    let fits = |one: &&&dyn rustls_pki_types::SignatureVerificationAlgorithm| {
        one.public_key_alg_id().as_ref() == algorithm
    };
    let verified = offered
        .iter()
        .filter(fits)
        .any(|one| one.verify_signature(key, message, signature.signature()).is_ok());
    if verified {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}
