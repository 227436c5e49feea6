//! Certificates as BMCs have them, against a TLS server with certificates made for the test. No
//! process-wide crypto provider is ever installed here, so these tests also prove that none is needed.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use shoal_redfish::{Bmc, Error, Fingerprint, Kind, PlanRequest, Tls, TlsFault};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer},
};

use crate::{
    bmc::TestBmc,
    given::{any, pinned, quick},
    model::Family,
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
