//! TLS: an authority, a pin, and refusals that say what to do.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use shoal::Exit;

use crate::shell::{Shell, text};
use crate::stand_in::{Reply, StandIn};

pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    ca_pem: String,
    /// SHA-256 of the leaf.
    pub(crate) pin: String,
}

/// An authority and a leaf of it for `name`.
pub(crate) fn tls(name: &str) -> Tls {
    tls_of("Shoal CA", name)
}

fn tls_of(authority: &str, name: &str) -> Tls {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, leaf.der());
    let pin = digest.as_ref().iter().fold(String::new(), |pin, byte| format!("{pin}{byte:02x}"));
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    Tls { config: Arc::new(config), ca_pem: ca.pem(), pin }
}

fn stand_in(tls: &Tls) -> StandIn {
    let empty = json!({"servers": [], "next": null});
    let script = [("GET /api/v1/servers", vec![Reply::json(200, &empty)])];
    StandIn::with_tls(script, Arc::clone(&tls.config))
}

#[test]
fn the_right_authority_and_the_right_pin_are_trusted() {
    let tls = tls("127.0.0.1");
    let stand_in = stand_in(&tls);
    let mut shell = Shell::at(&stand_in);
    let ca = shell.file("ca.pem", &tls.ca_pem);

    let by_flag = shell.run(&format!("--ca {} servers list", text(&ca)));
    let by_pin = shell.run(&format!("--pin {} servers list", tls.pin));
    shell.set("SHOAL_CA", text(&ca));
    let by_variable = shell.run("servers list");

    for ran in [by_flag, by_pin, by_variable] {
        assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    }
}

#[test]
fn an_unknown_authority_is_refused_with_the_way_to_trust_it() {
    let stand_in = stand_in(&tls("127.0.0.1"));
    let shell = Shell::at(&stand_in);
    // The first has the right name: a controller that was set up anew.
    let runs = [tls("x"), tls_of("Other CA", "x")].map(|elsewhere| {
        let wrong = shell.file("ca.pem", &elsewhere.ca_pem);
        shell.run(&format!("--ca {} servers list", text(&wrong))).shown()
    });

    assert_eq!(runs[0], runs[1]);
    insta::assert_snapshot!(runs[0]);
    assert!(stand_in.requests().is_empty());
}

#[test]
fn the_systems_authorities_do_not_know_the_controllers_own() {
    let stand_in = stand_in(&tls("127.0.0.1"));

    let ran = Shell::at(&stand_in).run("servers list");

    assert_eq!((ran.exit, stand_in.requests().len()), (Exit::Unreachable, 0), "{}", ran.err);
    assert!(ran.err.contains("next step: pass the authority"), "{}", ran.err);
}

#[test]
fn another_certificate_than_the_pinned_one_is_refused_and_named() {
    let here = tls("127.0.0.1");
    let stand_in = stand_in(&here);

    let ran = Shell::at(&stand_in).run(&format!("--pin {} servers list", "0".repeat(64)));

    assert_eq!(ran.exit, Exit::Unreachable);
    assert!(ran.err.contains(&format!("its certificate is {}", here.pin)), "{}", ran.err);
    assert!(stand_in.requests().is_empty());
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let here = tls("controller.example");
    let stand_in = stand_in(&here);
    let shell = Shell::at(&stand_in);
    let ca = shell.file("ca.pem", &here.ca_pem);

    let ran = shell.run(&format!("--ca {} servers list", text(&ca)));

    assert_eq!(ran.exit, Exit::Unreachable);
    assert!(ran.err.contains("for another name or address"), "{}", ran.err);
}

#[test]
fn a_port_that_speaks_no_tls_is_told() {
    let plain = StandIn::new([("GET /api/v1/servers", vec![Reply::empty(204)])]);
    let url = plain.url().replace("http://", "https://");

    let ran = Shell::with_url(&url).run(&format!("--pin {} servers list", "0".repeat(64)));

    assert_eq!(ran.exit, Exit::Unreachable);
}
