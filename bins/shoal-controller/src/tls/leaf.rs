//! The leaf of the local authority. It is issued anew when the names it must carry have changed,
//! when it nears its end, and when what is on disk cannot be used for whatever reason.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::sign::CertifiedKey;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time,
};

use super::{Error, Names, authority::Authority, certified, names, store};

const DAY: Duration = Duration::from_hours(24);

/// How long a leaf lasts: what browsers still accept from any authority.
const LIFETIME: Duration = Duration::from_hours(24 * 397);

/// With less than this left a leaf is replaced at the next look.
const RENEW_BEFORE: Duration = Duration::from_hours(24 * 120);

/// Clocks of BMCs and of machines just switched on may be behind ours.
const BACKDATED: Duration = DAY;

/// The leaf on disk if it still serves, else a new one.
pub(super) fn open(
    authority: &Authority,
    names: &Names,
    now: SystemTime,
) -> Result<CertifiedKey, Error> {
    let directory = authority.directory();
    let (cert, key) = (directory.join("leaf.pem"), directory.join("leaf.key"));
    // Nobody trusts the leaf as such, so whatever is wrong with it is mended by another one.
    if let Ok(present) = certified(&cert, &key)
        && serves(&present, authority, names, now)
    {
        return Ok(present);
    }
    let fresh = KeyPair::generate()?;
    let certificate = params(authority, names, now)?.signed_by(&fresh, authority.issuer())?;
    let pem = zeroize::Zeroizing::new(fresh.serialize_pem());
    store::write(&key, &pem)?;
    // With the authority behind it a client can compare the fingerprint it was told.
    let chain = store::to_pem(certificate.der()) + &store::to_pem(authority.certificate());
    store::write(&cert, &chain)?;
    certified(&cert, &key)
}

fn serves(present: &CertifiedKey, authority: &Authority, names: &Names, now: SystemTime) -> bool {
    let [leaf, issuer] = present.cert.as_slice() else { return false };
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else { return false };
    let validity = leaf.validity();
    // A leaf that ends with its authority cannot be renewed for longer.
    let soon = (now + RENEW_BEFORE).min(authority.end());
    issuer == authority.certificate()
        && time(validity.not_before) <= now
        && time(validity.not_after) >= soon
        && carried(&leaf).as_ref() == Some(names)
}

/// The names a certificate carries, unless it carries something else as well.
fn carried(leaf: &X509Certificate<'_>) -> Option<Names> {
    let names = leaf.subject_alternative_name().ok()??;
    names.value.general_names.iter().map(name).collect()
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => names::address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn params(
    authority: &Authority,
    names: &Names,
    now: SystemTime,
) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Shoal controller");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, (now + LIFETIME).min(authority.end()));
    Ok(params)
}

/// Sets validity from a little before `from` until `to`.
pub(super) fn set_validity(params: &mut CertificateParams, from: SystemTime, to: SystemTime) {
    let since_epoch =
        |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(from - BACKDATED);
    params.not_after = epoch + since_epoch(to);
}

pub(super) fn time(at: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
