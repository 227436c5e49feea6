//! Certificates as BMCs have them, against a TLS server with certificates made for the test. No
//! process-wide crypto provider is ever installed here, so these tests also prove that none is needed.

use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData as _,
    date_time_ymd,
};
use shoal_redfish::{Bmc, Error, Fingerprint, Kind, PlanRequest, Tls, TlsFault};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, SupportedProtocolVersion,
        crypto::ring::{default_provider, sign::any_supported_type},
        pki_types::{CertificateDer, PrivateKeyDer},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
        version::{TLS12, TLS13},
    },
};

use crate::{
    bmc::{Fault, TestBmc, What, bytes},
    given::{any, pinned, quick, request},
    model::{Family, Reply},
};

struct Site {
    server: TestBmc,
    authority: String,
}

/// A BMC with a certificate for these names, signed by a fresh authority.
async fn site(names: &[&str], expired: bool) -> Site {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    if expired {
        leaf.not_before = date_time_ymd(2001, 1, 1);
        leaf.not_after = date_time_ymd(2002, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let server = TestBmc::listen(Family::Ilo, Some(TlsAcceptor::from(Arc::new(config)))).await;
    Site { server, authority: issuer.pem() }
}

async fn connect(site: &Site, tls: Tls) -> Result<Bmc, Error> {
    Bmc::connect(site.server.endpoint(tls), quick()).await
}

fn fault(result: Result<Bmc, Error>) -> TlsFault {
    match result.unwrap_err().kind() {
        Kind::Tls(fault) => fault.clone(),
        other => panic!("not a certificate fault: {other}"),
    }
}

#[tokio::test]
async fn a_certificate_is_pinned_by_itself_and_by_its_key_whatever_its_name_and_dates() {
    let site = site(&["somewhere.else"], true).await;
    let first = connect(&site, any()).await.unwrap().certificate().unwrap();
    assert_eq!(first.not_after, Some(1_009_843_200));
    for pin in [first.sha256, first.spki_sha256.unwrap()] {
        connect(&site, pinned(pin)).await.unwrap().look().await.unwrap();
    }
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused_and_shown() {
    let site = site(&["127.0.0.1"], false).await;
    let seen = connect(&site, any()).await.unwrap().certificate().unwrap().sha256;
    let wrong: Fingerprint = "ab".repeat(32).parse().unwrap();
    assert_eq!(fault(connect(&site, pinned(wrong)).await), TlsFault::PinMismatch { seen });
    assert_eq!(site.server.journal().len(), 1, "a request was sent past a refused certificate");
}

#[tokio::test]
async fn an_authority_is_trusted_for_the_right_name_and_dates_only() {
    let good = site(&["127.0.0.1"], false).await;
    connect(&good, Tls::Ca(good.authority.clone())).await.unwrap();
    let misnamed = site(&["somewhere.else"], false).await;
    assert_eq!(
        fault(connect(&misnamed, Tls::Ca(misnamed.authority.clone())).await),
        TlsFault::WrongName
    );
    let expired = site(&["127.0.0.1"], true).await;
    assert_eq!(
        fault(connect(&expired, Tls::Ca(expired.authority.clone())).await),
        TlsFault::Expired
    );
    assert_eq!(
        fault(connect(&good, Tls::Ca(expired.authority.clone())).await),
        TlsFault::UnknownIssuer
    );
    assert_eq!(fault(connect(&good, Tls::Ca("rubbish".to_owned())).await), TlsFault::BadRoots);
}

/// A BMC with a certificate of its own making, which is then given as the one to trust.
async fn own(names: &[&str], authority: bool, year: i32) -> (Site, Result<Bmc, Error>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut own = CertificateParams::new(names).unwrap();
    if authority {
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    own.not_before = date_time_ymd(year, 1, 1);
    own.not_after = date_time_ymd(year + 75, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = own.self_signed(&key).unwrap();
    let (server, _) = shows(certified(certificate.der().to_vec(), &key), &TLS13).await;
    let site = Site { server, authority: certificate.pem() };
    let connected = connect(&site, Tls::Ca(site.authority.clone())).await;
    (site, connected)
}

#[tokio::test]
async fn the_bmcs_own_certificate_is_trusted_where_it_was_given_as_the_authority() {
    for authority in [true, false] {
        for names in [&["127.0.0.1"][..], &[]] {
            let (_, connected) = own(names, authority, 2001).await;
            connected.unwrap_or_else(|error| panic!("{authority} {names:?}: {error}"));
        }
        let (_, misnamed) = own(&["somewhere.else"], authority, 2001).await;
        assert_eq!(fault(misnamed), TlsFault::WrongName, "{authority}");
        for (year, expected) in [(1901, TlsFault::Expired), (2901, TlsFault::NotYetValid)] {
            let (_, out) = own(&["127.0.0.1"], authority, year).await;
            assert_eq!(fault(out), expected, "{authority}");
        }
    }
    let (one, _) = own(&[], true, 2001).await;
    let (other, _) = own(&[], true, 2001).await;
    assert_eq!(fault(connect(&one, Tls::Ca(other.authority)).await), TlsFault::UnknownIssuer);
    let (server, _) = shows(of_version_1(), &TLS12).await;
    let any_other =
        connect(&Site { server, authority: String::new() }, Tls::Ca(one.authority)).await;
    assert!(matches!(any_other.unwrap_err().kind(), Kind::Tls(_)));
}

#[tokio::test]
async fn an_examination_tells_the_certificate_it_refused_and_what_to_pin() {
    let site = site(&["somewhere.else"], true).await;
    for (tls, accepted) in [(any(), true), (Tls::Ca(site.authority.clone()), false)] {
        let bmc = Bmc::prepare(&site.server.endpoint(tls), quick()).unwrap();
        let report = bmc.examine(&PlanRequest::default()).await.report;
        assert_eq!((report.tls.accepted, report.reachable), (Some(accepted), accepted));
        assert_eq!(report.tls.chain.first().unwrap().names, ["somewhere.else"]);
        assert!(report.tls.expires_in_days.unwrap() < 0);
        let pin = report.tls.pin.unwrap();
        connect(&site, pinned(pin)).await.unwrap();
        let page = report.to_string();
        for told in [pin.to_string().as_str(), "ends 2002-01-01", "  for        somewhere.else"] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert_eq!(report.ready, accepted, "{page}");
    }
}

/// Shows whatever certificate it was given last, checked by nobody.
#[derive(Debug)]
struct Shown(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }
}

/// A BMC that shows this certificate, and the means to change it.
async fn shows(
    certificate: CertifiedKey,
    version: &'static SupportedProtocolVersion,
) -> (TestBmc, Arc<Shown>) {
    let shown = Arc::new(Shown(Mutex::new(Arc::new(certificate))));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
    (TestBmc::listen(Family::Ilo, Some(TlsAcceptor::from(Arc::new(config)))).await, shown)
}

fn of_version_3() -> CertifiedKey {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    certified(certificate.der().to_vec(), &key)
}

fn certified(certificate: Vec<u8>, key: &KeyPair) -> CertifiedKey {
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    CertifiedKey::new(
        vec![CertificateDer::from(certificate)],
        any_supported_type(&private).unwrap(),
    )
}

/// As BMCs of the last decade made them: no version, no extensions, no name but a common one.
fn of_version_1() -> CertifiedKey {
    let key = KeyPair::generate().unwrap();
    let algorithm = tlv(0x30, &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
    let named = tlv(0x30, &[[0x06, 3, 0x55, 4, 3].to_vec(), tlv(0x0c, b"idrac")].concat());
    let name = tlv(0x30, &tlv(0x31, &named));
    let dates = [tlv(0x17, b"080101000000Z"), tlv(0x17, b"180101000000Z")].concat();
    let body = [
        tlv(0x02, &[1]),
        algorithm.clone(),
        name.clone(),
        tlv(0x30, &dates),
        name,
        key.subject_public_key_info(),
    ];
    // Who has the pin needs no signature.
    let signature = tlv(0x03, &[0, 1, 2, 3]);
    let certificate = tlv(0x30, &[tlv(0x30, &body.concat()), algorithm, signature].concat());
    certified(certificate, &key)
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match u8::try_from(length) {
        Ok(short) if short < 0x80 => vec![tag, short],
        _ => vec![
            tag,
            0x82,
            u8::try_from(length >> 8).unwrap(),
            u8::try_from(length & 0xff).unwrap(),
        ],
    };
    [head.as_slice(), content].concat()
}

#[tokio::test]
async fn certificates_of_every_age_and_both_versions_of_tls_can_be_pinned() {
    for version in [&TLS12, &TLS13] {
        for certificate in [of_version_3(), of_version_1()] {
            let (server, _) = shows(certificate, version).await;
            let first = Bmc::connect(server.endpoint(any()), quick()).await.unwrap();
            let seen = first.certificate().unwrap();
            for pin in [seen.sha256, seen.spki_sha256.unwrap()] {
                let bmc = Bmc::connect(server.endpoint(pinned(pin)), quick()).await.unwrap();
                bmc.look().await.unwrap();
            }
        }
    }
}

/// A certificate is no secret, so whoever shows it must also have its key.
#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    for version in [&TLS12, &TLS13] {
        let (server, shown) = shows(of_version_3(), version).await;
        let bmc = Bmc::connect(server.endpoint(any()), quick()).await.unwrap();
        let pin = bmc.certificate().unwrap().sha256;
        let stolen = {
            let mut shown = shown.0.lock().unwrap();
            let other = of_version_3();
            let stolen = CertifiedKey::new(shown.cert.clone(), other.key);
            *shown = Arc::new(stolen);
            server.journal().len()
        };
        let result = Bmc::connect(server.endpoint(pinned(pin)), quick()).await;
        assert!(matches!(fault(result), TlsFault::Handshake(_) | TlsFault::UnknownIssuer));
        assert_eq!(server.journal().len(), stolen, "something was sent to a stranger");
    }
}

fn and_closes(reply: &Reply) -> (Vec<u8>, bool) {
    (bytes(reply), true)
}

#[tokio::test]
async fn a_certificate_that_changes_under_us_ends_everything_and_nothing_more_is_sent() {
    let (server, shown) = shows(of_version_3(), &TLS13).await;
    let first = Bmc::connect(server.endpoint(any()), quick()).await.unwrap();
    let pin = first.certificate().unwrap().sha256;
    let bmc = Bmc::connect(server.endpoint(pinned(pin)), quick()).await.unwrap();
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    server.fault(Fault { times: usize::MAX, ..Fault::once("", "", What::Otherwise(and_closes)) });
    bmc.look().await.unwrap();
    *shown.0.lock().unwrap() = Arc::new(of_version_3());
    let sent = server.journal().len();
    for error in [
        bmc.look().await.unwrap_err(),
        bmc.ensure_off(&plan).await.unwrap_err(),
        bmc.power_on(&plan).await.unwrap_err(),
        bmc.close().await.unwrap_err(),
    ] {
        let Kind::Tls(TlsFault::PinMismatch { seen }) = error.kind() else { panic!("{error}") };
        assert_ne!(*seen, pin);
        assert!(!error.may_have_taken_effect() && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("renew the pin"), "{error}");
    }
    assert_eq!(server.journal().len(), sent, "something was sent to a stranger");
}
