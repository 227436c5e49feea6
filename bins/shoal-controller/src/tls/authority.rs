//! The local authority: a certificate of ten years that an operator installs once, so that leaves
//! may come and go without anybody noticing. Its name is derived from its key, so that two
//! authorities of one site are never mistaken for each other.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{Error, Trust, chain, fingerprint, leaf, store};

/// How long the authority lasts.
const LIFETIME: Duration = Duration::from_hours(24 * 3650);

/// An authority that can issue leaves.
pub(super) struct Authority {
    directory: PathBuf,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    end: SystemTime,
    created: bool,
}

impl Authority {
    /// Loads the authority from that directory; makes it when its certificate is not there, since
    /// nobody can trust what was never shown.
    pub(super) fn open(directory: &Path, now: SystemTime) -> Result<Self, Error> {
        store::prepare(directory)?;
        let created = !directory.join("ca.pem").exists();
        if created {
            create(directory, now)?;
        }
        let (cert_path, key_path) = (directory.join("ca.pem"), directory.join("ca.key"));
        if !key_path.exists() {
            return Err(Error::AuthorityKey { path: key_path });
        }
        let key = KeyPair::from_pem(&store::read(&key_path)?)?;
        let foreign = || Error::AuthorityCertificate { path: cert_path.clone() };
        let certificate = chain(&cert_path)?.into_iter().next().ok_or_else(foreign)?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| foreign())?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(foreign());
        }
        let end = leaf::time(parsed.validity().not_after);
        let issuer = Issuer::new(params(&key, now), key);
        Ok(Self { directory: directory.to_owned(), certificate, issuer, end, created })
    }

    pub(super) fn trust(&self) -> Trust {
        Trust {
            file: self.directory.join("ca.pem"),
            pem: store::to_pem(&self.certificate),
            sha256: fingerprint(&self.certificate),
            created: self.created,
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When it ends, and every leaf with it.
    pub(super) fn end(&self) -> SystemTime {
        self.end
    }
}

/// The key first: a certificate without its key would be an authority that cannot issue.
fn create(directory: &Path, now: SystemTime) -> Result<(), Error> {
    let key = KeyPair::generate()?;
    let certificate = params(&key, now).self_signed(&key)?;
    let pem = zeroize::Zeroizing::new(key.serialize_pem());
    store::write(&directory.join("ca.key"), &pem)?;
    store::write(&directory.join("ca.pem"), &store::to_pem(certificate.der()))
}

fn params(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
    let id = data_encoding::HEXLOWER.encode(digest.as_ref().get(..6).unwrap_or_default());
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Shoal local authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    leaf::set_validity(&mut params, now, now + LIFETIME);
    params
}
