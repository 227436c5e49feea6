//! A BMC's certificate as people need to see it before they trust it: who it names, who issued it,
//! how long it lasts, and the fingerprints that pin it. Whether it is accepted is decided elsewhere.

use serde::{Deserialize, Serialize};

use crate::{der, tls::Fingerprint};

/// Certificates of one handshake that are kept; honest chains have two or three.
const CHAIN: usize = 6;

/// A certificate a BMC showed in the last handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// SHA-256 of the whole certificate.
    pub sha256: Fingerprint,
    /// SHA-256 of its public key; it survives a renewal that keeps the key. Absent when the
    /// certificate could not be parsed.
    pub spki_sha256: Option<Fingerprint>,
    /// Whom it names, such as `CN=idrac-ABC1234, O=Dell Inc.`; empty when it names nobody.
    pub subject: String,
    /// Who issued it, in the same form; equal to `subject` for the self-signed ones.
    pub issuer: String,
    /// DNS names and addresses it is for (subject alternative names); many BMCs have none.
    pub names: Vec<String>,
    /// Start of validity, seconds since 1970.
    pub not_before: Option<i64>,
    /// End of validity, seconds since 1970.
    pub not_after: Option<i64>,
}

impl Certificate {
    /// True when it names itself as its issuer. Its signature is not looked at.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    pub(crate) fn of(der_bytes: &[u8]) -> Self {
        let sha256 = Fingerprint::of(der_bytes);
        let Some(parts) = der::certificate(der_bytes) else {
            return Self {
                sha256,
                spki_sha256: None,
                subject: String::new(),
                issuer: String::new(),
                names: Vec::new(),
                not_before: None,
                not_after: None,
            };
        };
        Self {
            sha256,
            spki_sha256: Some(Fingerprint::of(parts.spki)),
            subject: parts.subject,
            issuer: parts.issuer,
            names: parts.names,
            not_before: parts.not_before,
            not_after: parts.not_after,
        }
    }

    /// The chain of a handshake, the BMC's own certificate first.
    pub(crate) fn chain<'a>(own: &'a [u8], above: impl Iterator<Item = &'a [u8]>) -> Vec<Self> {
        std::iter::once(own).chain(above).take(CHAIN).map(Self::of).collect()
    }

    pub(crate) fn matches(&self, pin: Fingerprint) -> bool {
        self.sha256 == pin || self.spki_sha256 == Some(pin)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};

    use super::*;

    #[test]
    fn a_certificate_tells_whom_it_names_and_who_issued_it() {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.distinguished_name.push(DnType::CommonName, "Root of the site");
        root.distinguished_name.push(DnType::OrganizationName, "Site");
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let names = ["bmc-7.site", "10.0.0.7", "fd00::7"].map(str::to_owned);
        let mut leaf = CertificateParams::new(names.to_vec()).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "bmc\u{1b}[2J-7");
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();

        let chain = Certificate::chain(leaf.der(), [issuer.der().as_ref()].into_iter());

        let [own, above] = chain.as_slice() else { panic!("{chain:?}") };
        assert!(own.subject.ends_with("CN=bmc[2J-7"), "{}", own.subject);
        assert_eq!(own.names, names);
        assert_eq!(own.issuer, above.subject);
        assert!(above.issuer.contains("CN=Root of the site") && above.issuer.contains("O=Site"));
        assert!(above.is_self_issued() && !own.is_self_issued());
        assert!(own.not_before < own.not_after);
    }

    #[test]
    fn what_is_no_certificate_still_has_a_fingerprint() {
        let odd = Certificate::of(b"rubbish");
        assert_eq!((odd.spki_sha256, odd.not_after, odd.names.len()), (None, None, 0));
        assert_eq!(odd.sha256, Fingerprint::of(b"rubbish"));
    }
}
