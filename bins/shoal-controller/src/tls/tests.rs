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

/// What a reload does.
fn refresh(tls: &Tls, settings: &Settings, now: SystemTime) -> Result<bool, Error> {
    Prepared::read(settings, now).map(|prepared| tls.install(prepared))
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
    let settings = settings(root.path(), &[]);
    let tls = Tls::open(&settings, start).unwrap();
    let first = tls.leaf_sha256();

    assert!(!refresh(&tls, &settings, start + 200 * DAY).unwrap());
    assert!(refresh(&tls, &settings, start + 300 * DAY).unwrap());
    let second = tls.leaf_sha256();
    assert_ne!(first, second);

    let late = start + 3500 * DAY;
    assert!(refresh(&tls, &settings, late).unwrap());
    let last = tls.leaf_sha256();
    assert!(!refresh(&tls, &settings, late + DAY).unwrap(), "nothing longer can be issued");
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

    assert!(!refresh(&tls, &settings, now()).unwrap());
    let before = tls.leaf_sha256();
    let [other_cert, other_key] = operators_files(root.path(), "two");
    fs::copy(other_cert, &cert).unwrap();
    let mismatch = refresh(&tls, &settings, now()).unwrap_err();
    assert!(matches!(mismatch, Error::Pair { .. }), "{mismatch}");
    assert_eq!(tls.leaf_sha256(), before);
    fs::copy(other_key, &key).unwrap();
    assert!(refresh(&tls, &settings, now()).unwrap());
    assert_ne!(tls.leaf_sha256(), before);
}

#[test]
fn a_certificate_whose_time_is_over_is_refused_but_used_where_there_is_no_other() {
    let root = tempfile::tempdir().unwrap();
    let [cert, key] = operators_files(root.path(), "one");
    let set = [format!("TLS_CERT_FILE={cert}"), format!("TLS_KEY_FILE={key}")];
    let settings = settings(root.path(), &[&set[0], &set[1]]);
    let late = now() + 31 * DAY;

    let refused = Prepared::read(&settings, late).unwrap_err().to_string();
    assert!(refused.contains(&cert) && refused.contains("valid from"), "{refused}");
    assert!(Prepared::check(&settings, late).is_err());
    assert!(Prepared::check(&settings, now()).is_ok());
    assert!(Tls::open(&settings, late).is_ok());
}

#[test]
fn trust_is_what_a_machine_would_find() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let set = ["PUBLIC_URL=https://shoal.example"];
    let tls = Tls::open(&settings(one.path(), &set), now()).unwrap();
    let stranger = Tls::open(&settings(other.path(), &set), now()).unwrap();
    let prepared = Prepared::read(&settings(one.path(), &set), now()).unwrap();

    let trusted = |tls: &Tls, address| prepared.is_trusted(&tls.trust().pem, address, now());
    assert!(trusted(&tls, "https://shoal.example:8443/api"));
    assert!(trusted(&tls, "https://192.0.2.7/api"));
    assert!(!trusted(&tls, "https://other.example/api"), "another name");
    assert!(!trusted(&stranger, "https://shoal.example/api"), "another authority");
    assert!(!prepared.is_trusted("", "https://shoal.example/api", now()));
    assert!(!prepared.is_trusted(&tls.trust().pem, "https://shoal.example", now() + 400 * DAY));

    let [cert, key] = operators_files(one.path(), "alone");
    let set = [format!("TLS_CERT_FILE={cert}"), format!("TLS_KEY_FILE={key}")];
    let alone = settings(one.path(), &[&set[0], &set[1]]);
    let pem = fs::read_to_string(&cert).unwrap();
    let alone = Prepared::read(&alone, now()).unwrap();
    assert!(alone.is_trusted(&pem, "https://anything.example", now()), "pinned as it is");
}
