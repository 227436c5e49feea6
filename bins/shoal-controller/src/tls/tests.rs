//! Whether strangers would trust what is shown: checked by openssl and by a client's own verifier.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Duration};

use super::*;
use crate::settings::Sources;

const DAY: Duration = Duration::from_hours(24);

fn settings(root: &Path, set: &[&str]) -> Settings {
    let mut set: Vec<String> = set.iter().map(ToString::to_string).collect();
    set.push(format!("STORAGE_ROOT={}", root.display()));
    set.push("CONTROLLER_HTTP_ADDR=192.0.2.7:8443".to_owned());
    Settings::load(&Sources { set, ..Sources::default() }).unwrap().settings
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn openssl(arguments: &[&str]) -> String {
    let run = Command::new("openssl").args(arguments).output();
    let run = run.expect("openssl is missing: apt-get install -y openssl");
    format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr))
}

#[test]
fn openssl_accepts_the_leaf_for_every_name_it_must_carry() {
    let root = tempfile::tempdir().unwrap();
    let set = ["PUBLIC_URL=https://shoal.example:8443", "MEDIA_URL_HTTPS=https://[2001:db8::5]/"];
    let tls = Tls::open(&settings(root.path(), &set), now()).unwrap();

    let (ca, leaf) = (root.path().join("tls/ca.pem"), root.path().join("tls/leaf.pem"));
    let (ca, leaf) = (ca.to_str().unwrap(), leaf.to_str().unwrap());
    let names = [
        ("-verify_hostname", "shoal.example"),
        ("-verify_hostname", "localhost"),
        ("-verify_ip", "192.0.2.7"),
        ("-verify_ip", "127.0.0.1"),
        ("-verify_ip", "2001:db8::5"),
    ];
    for (how, name) in names {
        let said = openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            ca,
            how,
            name,
            leaf,
        ]);
        assert!(said.ends_with("leaf.pem: OK\n"), "{name}: {said}");
    }
    let other = openssl(&["verify", "-CAfile", ca, "-verify_hostname", "other.example", leaf]);
    assert!(other.contains("hostname mismatch"), "{other}");
    let printed = openssl(&["x509", "-in", ca, "-noout", "-fingerprint", "-sha256"]);
    let printed = printed.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(tls.trust().sha256, printed);
}

#[test]
fn keys_and_certificates_are_for_this_account_only() {
    let root = tempfile::tempdir().unwrap();
    Tls::open(&settings(root.path(), &[]), now()).unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = root.path().join("tls");
    assert_eq!(mode(&directory), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["ca.key", "ca.pem", "leaf.key", "leaf.pem"]);
}

#[test]
fn a_restart_shows_the_same_certificate() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path(), &[]);
    let first = Tls::open(&settings, now()).unwrap();

    let second = Tls::open(&settings, now() + DAY).unwrap();

    assert!(first.trust().created && !second.trust().created);
    assert_eq!(first.trust().sha256, second.trust().sha256);
    assert_eq!(first.leaf_sha256(), second.leaf_sha256());
}

#[test]
fn the_leaf_is_renewed_when_its_names_change_and_the_authority_stays() {
    let root = tempfile::tempdir().unwrap();
    let first = Tls::open(&settings(root.path(), &[]), now()).unwrap();

    let renamed = settings(root.path(), &["PUBLIC_URL=https://new.example"]);
    let second = Tls::open(&renamed, now()).unwrap();

    assert_ne!(first.leaf_sha256(), second.leaf_sha256());
    assert_eq!(first.trust().sha256, second.trust().sha256);
}

#[test]
fn the_leaf_is_renewed_near_its_end_and_never_outlives_the_authority() {
    let root = tempfile::tempdir().unwrap();
    let start = now();
    let tls = Tls::open(&settings(root.path(), &[]), start).unwrap();
    let first = tls.leaf_sha256();

    assert!(!tls.refresh(start + 200 * DAY).unwrap());
    assert!(tls.refresh(start + 300 * DAY).unwrap());
    let second = tls.leaf_sha256();
    assert_ne!(first, second);

    let late = start + 3500 * DAY;
    assert!(tls.refresh(late).unwrap());
    let last = tls.leaf_sha256();
    assert!(!tls.refresh(late + DAY).unwrap(), "nothing longer can be issued");
    assert_eq!(tls.leaf_sha256(), last);
}

#[test]
fn a_damaged_leaf_is_replaced_and_a_lost_authority_key_is_told() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path(), &[]);
    let first = Tls::open(&settings, now()).unwrap();
    fs::write(root.path().join("tls/leaf.key"), "rubbish").unwrap();

    let second = Tls::open(&settings, now()).unwrap();
    assert_ne!(first.leaf_sha256(), second.leaf_sha256());

    fs::remove_file(root.path().join("tls/ca.key")).unwrap();
    let lost = Tls::open(&settings, now()).unwrap_err();
    assert!(matches!(lost, Error::AuthorityKey { .. }), "{lost}");
}

#[test]
fn an_authority_certificate_of_another_key_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Tls::open(&settings(one.path(), &[]), now()).unwrap();
    Tls::open(&settings(other.path(), &[]), now()).unwrap();
    fs::copy(other.path().join("tls/ca.pem"), one.path().join("tls/ca.pem")).unwrap();

    let refused = Tls::open(&settings(one.path(), &[]), now()).unwrap_err();

    assert!(matches!(refused, Error::AuthorityCertificate { .. }), "{refused}");
}

/// A certificate from openssl, as an operator would bring it.
fn operators_files(directory: &Path, name: &str) -> [String; 2] {
    let [cert, key] = ["pem", "key"].map(|kind| directory.join(format!("{name}.{kind}")));
    let (cert, key) = (cert.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned());
    let subject = format!("/CN={name}");
    let said = openssl(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", &subject,
        "-keyout", &key, "-out", &cert,
    ]);
    assert!(Path::new(&cert).exists(), "{said}");
    [cert, key]
}

#[test]
fn the_operators_files_are_used_and_read_again() {
    let root = tempfile::tempdir().unwrap();
    let [cert, key] = operators_files(root.path(), "one");
    let set = [format!("TLS_CERT_FILE={cert}"), format!("TLS_KEY_FILE={key}")];
    let settings = settings(root.path(), &[&set[0], &set[1]]);
    let tls = Tls::open(&settings, now()).unwrap();

    assert_eq!(tls.trust().pem.trim(), fs::read_to_string(&cert).unwrap().trim());
    assert_eq!(tls.trust().sha256, tls.leaf_sha256());
    assert!(!root.path().join("tls").exists());

    assert!(!tls.refresh(now()).unwrap());
    let before = tls.leaf_sha256();
    let [other_cert, other_key] = operators_files(root.path(), "two");
    fs::copy(other_cert, &cert).unwrap();
    let mismatch = tls.refresh(now()).unwrap_err();
    assert!(matches!(mismatch, Error::Pair { .. }), "{mismatch}");
    assert_eq!(tls.leaf_sha256(), before);
    fs::copy(other_key, &key).unwrap();
    assert!(tls.refresh(now()).unwrap());
    assert_ne!(tls.leaf_sha256(), before);
}
