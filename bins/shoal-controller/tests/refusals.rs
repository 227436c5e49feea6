//! The real binary against configurations it must refuse: each with exit 64, key and source, before a
//! socket is bound or a file written.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Output},
};

use shoal_store::{KeyPurpose, Options, Sealing, SealingKey, Store};

/// `crypt` of libxcrypt made this of `secret`.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

fn controller(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal-controller"));
    command.env_clear().env("STORAGE_ROOT", directory.join("storage"));
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// One wrong value for every key, and what goes wrong between keys.
const WRONG: &[(&str, &str)] = &[
    ("ADMIN_HTTP_ADDR", "9090"),
    ("MEDIA_HTTP_ADDR", "localhost"),
    ("PUBLIC_URL", "shoal.example"),
    ("MEDIA_URL_HTTPS", "http://shoal.example"),
    ("MEDIA_URL_HTTP", "http://shoal.example"),
    ("TLS_CERT_FILE", "/nowhere/cert.pem"),
    ("TLS_KEY_FILE", "/nowhere/key.pem"),
    ("TRUSTED_PROXIES", "proxy"),
    ("SEAL_KEY_FILE", "/nowhere/seal.key"),
    ("MAINTENANCE_ISO_URL", "nfs://shoal.example/m.iso"),
    ("ESXI_INSTALLER_URL", "ftp://shoal.example/e.iso"),
    ("REDFISH_TIMEOUT", "0s"),
    ("REDFISH_RETRIES", "21"),
    ("REDFISH_INSECURE", "yes"),
    ("REDFISH_PROFILE_DIR", "/nowhere/profiles"),
    ("WORKER_CONCURRENCY", "many"),
    ("MAX_ACTIVE_JOBS", "0"),
    ("JOB_STUCK_TIMEOUT", "1h"),
    ("JOB_RETENTION_DAYS", "0"),
    ("JOB_HISTORY_DAYS", "-1"),
    ("AUTH_MODE", "none"),
    ("BASIC_USER", "admin"),
    ("BASIC_PASS_HASH", "hunter2"),
    ("USERS_FILE", "/nowhere/users"),
    ("WEBHOOK_SECRET_FILE", "/nowhere/secret"),
    ("WEBHOOK_MTLS", "required"),
    ("WEBHOOK_CLIENT_CA_FILE", "/nowhere/ca.pem"),
    ("SIGNED_URL_SECRET", "hunter2"),
    ("SECRET_DUAL_ACCEPT", "1m"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
    ("ENABLE_REGISTRY", "on"),
    ("REGISTRY_STORAGE", "/"),
    ("REGISTRY_AUTH_MODE", "token"),
    ("REGISTRY_USERS_FILE", "/nowhere/users.htpasswd"),
    ("REGISTRY_MAX_CONCURRENCY", "129"),
    ("REGISTRY_STALL_TIMEOUT", "0s"),
    ("REGISTRY_READ_ONLY", "1"),
    ("REGISTRY_ALLOW_DELETE", "yes"),
    ("REGISTRY_PUSH_ALLOW", "Tools/*"),
    ("REGISTRY_IMMUTABLE_TAGS", "tools/*,,"),
    ("REGISTRY_QUOTAS", "tools/*=20"),
    ("REGISTRY_HEADROOM", "256"),
    ("REGISTRY_RETENTION", "tools/*=0"),
    ("REGISTRY_RETENTION_TOOLS_KEEP", "0"),
    ("REGISTRY_GC_INTERVAL", "0s"),
    ("REGISTRY_GC_GRACE", "3600"),
    ("REGISTRY_CREDENTIALS_FILE", "/nowhere/credentials"),
    ("SHOAL_JOB_LEASE_TTL", "10m"),
    ("SHOAL_NONSENSE", "1"),
];

#[test]
fn a_wrong_configuration_is_refused_before_anything_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    // Whoever got as far as binding this one would exit with 69.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (key, value) in WRONG {
        for command in [&["serve"][..], &["config", "check"]] {
            let output = controller(directory.path())
                .args(command)
                .env("CONTROLLER_HTTP_ADDR", &address)
                .env(key, value)
                .output()
                .unwrap();
            let text = said(&output);
            assert_eq!(output.status.code(), Some(64), "{key}: {text}");
            assert!(text.contains(key.trim_start_matches("SHOAL_")), "{key}: {text}");
            assert!(text.contains(&format!("environment variable {key}")), "{key}: {text}");
            assert!(!text.contains("hunter2"), "{key}: {text}");
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was written");
}

/// Certificates that exist and cannot be shown.
#[test]
fn a_certificate_that_does_not_belong_to_its_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for name in ["one", "two"] {
        let [key, cert] = [path(&format!("{name}.key")), path(&format!("{name}.pem"))];
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"])
            .args(["-subj", "/CN=shoal.example", "-keyout", &key, "-out", &cert])
            .output()
            .expect("openssl is missing: apt-get install -y openssl");
        assert!(made.status.success(), "{}", said(&made));
    }
    let check = |key: &str| {
        controller(directory.path())
            .args(["config", "check"])
            .env("TLS_CERT_FILE", path("one.pem"))
            .env("TLS_KEY_FILE", path(key))
            .output()
            .unwrap()
    };

    let right = check("one.key");
    assert_eq!(right.status.code(), Some(0), "{}", said(&right));
    let wrong = check("two.key");
    assert_eq!(wrong.status.code(), Some(64));
    let expected = "use TLS_CERT_FILE from environment variable TLS_CERT_FILE";
    assert!(
        said(&wrong).contains(expected) && said(&wrong).contains("one.pem"),
        "{}",
        said(&wrong)
    );
}

#[test]
fn a_bad_line_of_accounts_is_named_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    fs::write(&users, format!("olga:{BCRYPT}:operator\nrita:hunter2\n")).unwrap();

    let output = controller(directory.path())
        .args(["config", "check"])
        .env("USERS_FILE", &users)
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(64));
    let text = said(&output);
    assert!(text.contains("line 2") && text.contains(users.to_str().unwrap()), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_profile_that_cannot_be_followed_is_named_by_file_line_and_key() {
    let directory = tempfile::tempdir().unwrap();
    let profiles = directory.path().join("profiles");
    fs::create_dir(&profiles).unwrap();
    fs::write(profiles.join("mine.toml"), "name = \"mine\"\n\n[media]\nmost = 1\n").unwrap();
    let run = |command: &[&str]| {
        controller(directory.path())
            .args(command)
            .env("REDFISH_PROFILE_DIR", &profiles)
            .output()
            .unwrap()
    };
    let right = run(&["config", "check"]);
    assert_eq!(right.status.code(), Some(0), "{}", said(&right));

    fs::write(profiles.join("other.toml"), "name = \"other\"\n\n[media]\nmots = 1\n").unwrap();
    for command in [&["serve"][..], &["config", "check"]] {
        let wrong = run(command);
        assert_eq!(wrong.status.code(), Some(64), "{}", said(&wrong));
        let expected = "other.toml, line 4, mots: unknown field `mots`";
        assert!(said(&wrong).contains(expected), "{}", said(&wrong));
    }
}

/// Opens the database as a start would, with these keys.
fn open(path: &Path, sealing: Sealing) -> Result<Store, shoal_store::Error> {
    let instance = "test".to_owned();
    Store::open(Options { path: path.to_owned(), instance, sealing })
}

fn key(byte: u8) -> SealingKey {
    SealingKey::from_bytes([byte; 32])
}

#[test]
fn a_database_is_sealed_under_another_key_however_often_it_is_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let storage = directory.path().join("storage");
    for name in ["db", "secrets"] {
        fs::create_dir_all(storage.join(name)).unwrap();
    }
    let database = storage.join("db/provisioner.db");
    let new = storage.join("secrets/new.key");
    let run = || {
        let mut command = controller(directory.path());
        command.args(["db", "reseal", "--new-key-file"]).arg(&new).output().unwrap()
    };
    let nothing = run();
    assert_eq!(nothing.status.code(), Some(69), "{}", said(&nothing));
    assert!(!database.exists() && !new.exists(), "a database or a key was made");

    fs::write(storage.join("secrets/seal.key"), "01".repeat(32)).unwrap();
    fs::write(&new, "02".repeat(32)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let media = runtime.block_on(async {
        let store = open(&database, Sealing::new(key(1))).unwrap();
        let media = store.keys(KeyPurpose::Media).await.unwrap().current;
        store.close().await.unwrap();
        // Killed after it began: both keys are in use from here on.
        let begun = open(&database, Sealing::new(key(2)).and_older(key(1))).unwrap();
        begun.keys(KeyPurpose::WebhookToken).await.unwrap();
        begun.close().await.unwrap();
        media
    });

    for _ in 0..2 {
        let output = run();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains("before the next start"), "{}", said(&output));
    }

    assert!(matches!(
        open(&database, Sealing::new(key(1))),
        Err(shoal_store::Error::WrongSealingKey { .. })
    ));
    let store = open(&database, Sealing::new(key(2))).unwrap();
    let kept = runtime.block_on(store.keys(KeyPurpose::Media)).unwrap().current;
    assert_eq!(kept.secret.expose(), media.secret.expose());
    fs::rename(&new, storage.join("secrets/seal.key")).unwrap();
    let held = run();
    assert_eq!(held.status.code(), Some(69), "a controller has it: {}", said(&held));
}
