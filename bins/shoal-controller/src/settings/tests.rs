//! What is accepted, what wins, and that every refusal names key and source.

use std::{ffi::OsString, fs, path::Path};

use proptest::prelude::*;
use shoal_store::Role;

use super::*;

mod registry;

/// `crypt` of libxcrypt made this of `secret`.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

#[derive(Default)]
struct Setup {
    directory: Option<tempfile::TempDir>,
    sources: Sources,
}

impl Setup {
    fn file(mut self, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shoal.toml");
        fs::write(&path, text).unwrap();
        self.sources.file = Some(path);
        self.directory = Some(directory);
        self
    }

    fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn set(mut self, item: &str) -> Self {
        self.sources.set.push(item.to_owned());
        self
    }

    fn load(&self) -> Settings {
        Settings::load(&self.sources).unwrap().settings
    }

    /// The refusal with its whole chain.
    fn refusal(&self) -> String {
        format!("{:#}", anyhow::Error::new(Settings::load(&self.sources).unwrap_err()))
    }
}

fn nothing() -> Setup {
    Setup::default()
}

#[track_caller]
fn assert_refused(setup: &Setup, key: &str, source: &str) {
    let refusal = setup.refusal();
    assert!(refusal.contains(key), "{key} is not in {refusal:?}");
    assert!(refusal.contains(source), "{source} is not in {refusal:?}");
}

#[test]
fn defaults_are_those_of_the_product() {
    let settings = nothing().load();

    assert_eq!(settings.http.api_addr, "0.0.0.0:8443".parse().unwrap());
    assert_eq!(settings.http.admin_addr, "127.0.0.1:9090".parse().unwrap());
    assert_eq!((settings.http.media_addr, settings.http.tls_files), (None, None));
    let storage = Storage {
        root: "/var/lib/shoal".into(),
        db_path: "/var/lib/shoal/db/provisioner.db".into(),
        task_iso_dir: "/var/lib/shoal/tasks".into(),
        static_dir: "/var/lib/shoal/static/isos".into(),
        seal_key_file: "/var/lib/shoal/secrets/seal.key".into(),
    };
    assert_eq!(settings.storage, storage);
    assert_eq!((settings.redfish.timeout, settings.redfish.retries), (Duration::from_secs(30), 5));
    assert!(!settings.redfish.insecure);
    assert_eq!((settings.jobs.workers, settings.jobs.max_active), (4, 10_000));
    assert_eq!((settings.jobs.retention_days, settings.jobs.history_days), (14, 365));
    assert_eq!(settings.jobs.stuck_timeout, Duration::from_hours(4));
    for (workflow, budgets) in settings.jobs.budgets {
        assert_eq!(budgets, Budgets::for_workflow(workflow));
    }
    let access = settings.access;
    assert!(access.users.is_empty() && access.webhook_secret.is_none());
    assert!(access.webhook_mtls.is_none() && access.signed_url_secret.is_none());
    assert_eq!((access.mode, access.dual_accept), (AuthMode::Any, Duration::from_hours(7 * 24)));
    assert_eq!(settings.telemetry.log_format, logs::Format::Auto);
}

#[test]
fn every_key_of_the_table_is_read() {
    // A value nothing accepts shows that somebody looks at it. Paths and free text accept almost
    // everything, so they are given what cannot be opened, or are listed with what they become.
    let kept = ["STORAGE_ROOT", "DB_PATH", "TASK_ISO_DIR", "STATIC_DIR", "BACKUP_DIR"];
    let free: Vec<&str> = kept.into_iter().chain(["REGISTRY_STORAGE", "WEBHOOK_SECRET"]).collect();
    let named = |key: &&key::Key| !free.contains(&key.name) && key.name != "SIGNED_URL_SECRET";
    for key in key::all().filter(named) {
        assert_refused(&nothing().env(key.name, ":nonsense://"), key.name, "environment variable");
    }
    assert_refused(
        &nothing().env("SIGNED_URL_SECRET", "short"),
        "SIGNED_URL_SECRET",
        "environment variable",
    );
    let mut setup = nothing();
    for name in &free {
        setup = setup.env(name, format!("/x/{name}"));
    }
    let settings = setup.load();
    let storage = settings.storage;
    let paths = [storage.root, storage.db_path, storage.task_iso_dir, storage.static_dir];
    let read = paths.into_iter().chain([settings.backups.dir, settings.registry.config.root]);
    for (path, name) in read.zip(free) {
        assert_eq!(path, Path::new("/x").join(name));
    }
    assert_eq!(settings.access.webhook_secret.unwrap().expose(), "/x/WEBHOOK_SECRET");
}

#[test]
fn later_layers_win() {
    let file =
        || nothing().file("worker_concurrency = 5\nMAX_ACTIVE_JOBS = 50\nlog_level = 'warn'");
    let environment = || file().env("WORKER_CONCURRENCY", "6").env("SHOAL_LOG_LEVEL", "debug");
    let command_line = environment().set("WORKER_CONCURRENCY=7");

    assert_eq!(file().load().jobs.workers, 5);
    assert_eq!(environment().load().jobs.workers, 6);
    let settings = command_line.load();
    assert_eq!((settings.jobs.workers, settings.jobs.max_active), (7, 50));
    assert_eq!(settings.telemetry.log_level, "debug");
}

#[test]
fn an_empty_value_is_no_value() {
    let settings = nothing().env("PUBLIC_URL", "").env("WORKER_CONCURRENCY", " ").load();

    assert_eq!((settings.http.public_url, settings.jobs.workers), (None, 4));
}

#[test]
fn unknown_keys_are_refused_where_they_are_meant_for_us() {
    assert_refused(&nothing().file("worker_concurency = 5"), "WORKER_CONCURENCY", "shoal.toml");
    assert_refused(
        &nothing().file("[budgets.linux]\nsetle = '1s'"),
        "budgets.linux.setle",
        "shoal.toml",
    );
    assert_refused(&nothing().file("[budgets.bsd]\nsettle = '1s'"), "budgets.bsd", "shoal.toml");
    assert_refused(&nothing().file("[http]\naddr = ':1'"), "http", "shoal.toml");
    assert_refused(
        &nothing().env("SHOAL_URL", "https://x").env("SHOAL_NONSENSE", "1"),
        "NONSENSE",
        "environment variable SHOAL_NONSENSE",
    );
    assert_refused(&nothing().set("NONSENSE=1"), "NONSENSE", "--set");

    assert_eq!(nothing().env("NONSENSE", "1").load().jobs.workers, 4);
}

#[test]
fn keys_of_other_releases_are_refused_or_told() {
    assert_refused(&nothing().file("job_lease_ttl = '10m'"), "JOB_LEASE_TTL", "this release");
    assert_refused(&nothing().env("SHOAL_JOB_LEASE_TTL", "5m"), "JOB_LEASE_TTL", "this release");

    let plain = nothing().env("JOB_LEASE_TTL", "5m");
    assert_eq!(Settings::load(&plain.sources).unwrap().ignored, ["JOB_LEASE_TTL"]);
}

#[test]
fn one_source_sets_a_key_once() {
    let file = nothing().file("log_level = 'info'\nLOG_LEVEL = 'debug'");
    assert_refused(&file, "LOG_LEVEL", "twice");
    let environment = nothing().env("LOG_LEVEL", "info").env("SHOAL_LOG_LEVEL", "debug");
    assert_refused(&environment, "LOG_LEVEL", "environment variable SHOAL_LOG_LEVEL");

    let agreeing = nothing().env("LOG_LEVEL", "debug").env("SHOAL_LOG_LEVEL", "debug").load();
    assert_eq!(agreeing.telemetry.log_level, "debug");
}

#[test]
fn wrong_values_are_refused_with_what_was_expected() {
    for (key, value, expected) in [
        ("CONTROLLER_HTTP_ADDR", "8443", "an address with a port"),
        ("WORKER_CONCURRENCY", "-1", "a number from 0"),
        ("MAX_ACTIVE_JOBS", "0", "a number from 1"),
        ("JOB_LABEL_LIMITS", "rack", "labels and counts"),
        ("JOB_LABEL_LIMITS", "rack=0", "labels and counts"),
        ("JOB_LABEL_LIMITS", "rack=4,rack=5", "labels and counts"),
        ("JOB_LABEL_LIMITS", "a b=4", "labels and counts"),
        ("REDFISH_TIMEOUT", "30", "a duration"),
        ("REDFISH_TIMEOUT", "0s", "a duration"),
        ("REDFISH_INSECURE", "yes", "true or false"),
        ("LOG_LEVEL", "loud", "a level"),
        ("LOG_FORMAT", "xml", "auto, json or human"),
        ("PUBLIC_URL", "shoal.example", "an http or https URL"),
        ("PUBLIC_URL", "https://user:pw@shoal.example", "an http or https URL"),
        ("MEDIA_URL_HTTPS", "http://shoal.example", "an https URL"),
        ("MAINTENANCE_ISO_URL", "nfs://shoal.example/m.iso", "an http, https or file URL"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy", "addresses or networks"),
        ("AUTH_MODE", "none", "any, basic or token"),
        ("WEBHOOK_MTLS", "on", "off, optional or required"),
        ("SECRET_DUAL_ACCEPT", "a week", "a duration"),
    ] {
        let setup = nothing().env(key, value);
        assert_refused(&setup, key, &format!("environment variable {key}: expected {expected}"));
    }
    let file = nothing().file("redfish_timeout = 30.5");
    assert_refused(&file, "redfish_timeout", "shoal.toml");
}

#[test]
fn files_that_are_named_must_be_there() {
    let gone = "/nowhere/at/all";
    for key in [
        "TLS_CERT_FILE",
        "TLS_KEY_FILE",
        "SEAL_KEY_FILE",
        "REDFISH_PROFILE_DIR",
        "USERS_FILE",
        "WEBHOOK_CLIENT_CA_FILE",
        "WEBHOOK_SECRET_FILE",
        "SIGNED_URL_SECRET_FILE",
        "BASIC_PASS_HASH_FILE",
    ] {
        assert_refused(&nothing().env(key, gone), key, gone);
    }
    let mut setup = nothing();
    setup.sources.file = Some(Path::new(gone).to_owned());
    assert_refused(&setup, "configuration file", gone);
}

#[test]
fn accounts_come_from_the_configuration_and_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users");
    fs::write(&path, format!("olga:{BCRYPT}:operator\n")).unwrap();
    let both = || {
        let basic = nothing().set("BASIC_USER=admin").env("BASIC_PASS_HASH", BCRYPT);
        basic.env("USERS_FILE", &path)
    };
    let users = both().load().access.users;
    let told: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.role)).collect();
    assert_eq!(told, [("admin", Role::Admin), ("olga", Role::Operator)]);

    fs::write(&path, format!("admin:{BCRYPT}\n")).unwrap();
    assert_refused(&both(), "USERS_FILE from environment variable USERS_FILE", "\"admin\"");
    fs::write(&path, "olga:hunter2\n").unwrap();
    assert_refused(&both(), "USERS_FILE from environment variable USERS_FILE", "line 1");
    assert_refused(&both(), &path.display().to_string(), "argon2id or bcrypt");
}

#[test]
fn two_readings_tell_what_is_different_and_what_a_reload_may_change() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    fs::write(&users, format!("olga:{BCRYPT}\n")).unwrap();
    let read = |setup: Setup| {
        let setup = setup.env("USERS_FILE", &users);
        Settings::load(&setup.sources).unwrap().snapshot
    };
    let before = read(nothing().env("WEBHOOK_SECRET", "hunter2"));
    assert!(before.differences(&read(nothing().env("WEBHOOK_SECRET", "hunter2"))).is_empty());

    fs::write(&users, format!("olga:{BCRYPT}:admin\n")).unwrap();
    let after = nothing().file("log_level = 'warn'\n[budgets.linux]\nlook = '9s'");
    let file = format!("file {}", after.sources.file.as_ref().unwrap().display());
    let after =
        read(after.env("WEBHOOK_SECRET", "hunter3").set("CONTROLLER_HTTP_ADDR=127.0.0.1:1"));

    let told = before.differences(&after);
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.key.as_str(), it.to.as_str(), it.source.as_str(), it.reload))
        .collect();
    let other = format!("{} (other content)", users.display());
    let expected = [
        ("CONTROLLER_HTTP_ADDR", "127.0.0.1:1", "--set", false),
        ("LOG_LEVEL", "warn", file.as_str(), true),
        ("USERS_FILE", other.as_str(), "environment variable USERS_FILE", true),
        ("WEBHOOK_SECRET", "***", "environment variable WEBHOOK_SECRET", true),
        ("budgets.linux.look", "9s", file.as_str(), true),
    ];
    assert_eq!(told, expected);
    assert_ne!(before.sha256(), after.sha256());
    let secret = read(nothing().env("WEBHOOK_SECRET", "hunter4"));
    let without = read(nothing().env("WEBHOOK_SECRET", "hunter5"));
    assert_eq!(secret.sha256(), without.sha256(), "a digest must not help to guess a secret");
}

#[test]
fn contradictions_are_refused() {
    let cert = tempfile::NamedTempFile::new().unwrap();
    let only = |key| nothing().env(key, cert.path());
    assert_refused(&only("TLS_CERT_FILE"), "TLS_CERT_FILE from environment", "needs TLS_KEY_FILE");
    assert_refused(&only("TLS_KEY_FILE"), "TLS_KEY_FILE from environment", "needs TLS_CERT_FILE");
    assert_refused(
        &nothing().set("MEDIA_URL_HTTP=http://m"),
        "MEDIA_URL_HTTP from --set",
        "needs MEDIA_HTTP_ADDR",
    );
    assert_refused(
        &nothing().set("BASIC_USER=admin"),
        "BASIC_USER from --set",
        "needs BASIC_PASS_HASH",
    );
    assert_refused(
        &only("WEBHOOK_CLIENT_CA_FILE"),
        "WEBHOOK_CLIENT_CA_FILE",
        "WEBHOOK_MTLS is off",
    );
    assert_refused(
        &nothing().set("WEBHOOK_MTLS=optional"),
        "WEBHOOK_MTLS from --set",
        "needs WEBHOOK_CLIENT_CA_FILE",
    );
    assert_refused(&nothing().set("AUTH_MODE=basic"), "AUTH_MODE from --set", "role admin");
    let token = nothing().set("AUTH_MODE=token").set("BASIC_USER=a").env("BASIC_PASS_HASH", BCRYPT);
    assert_refused(&token, "BASIC_USER from --set", "AUTH_MODE is token");
    assert_refused(
        &nothing().set("SECRET_DUAL_ACCEPT=3h"),
        "SECRET_DUAL_ACCEPT from --set",
        "JOB_STUCK_TIMEOUT",
    );
    let same = nothing().set("ADMIN_HTTP_ADDR=127.0.0.1:1").set("CONTROLLER_HTTP_ADDR=127.0.0.1:1");
    assert_refused(&same, "ADMIN_HTTP_ADDR from --set", "same address");

    let chosen =
        nothing().set("ADMIN_HTTP_ADDR=127.0.0.1:0").set("CONTROLLER_HTTP_ADDR=127.0.0.1:0");
    assert_eq!(chosen.load().http.api_addr.port(), 0);
}

#[test]
fn budgets_are_read_and_checked_against_each_other() {
    let file = nothing().file("[budgets.linux]\nsettle = '2s'\nreport = '3h'");
    let settings = file.load();
    let linux = &settings.jobs.budgets[&Workflow::Linux];
    assert_eq!((linux.settle, linux.report), (Duration::from_secs(2), Duration::from_hours(3)));
    assert_eq!(settings.jobs.budgets[&Workflow::Esxi], Budgets::for_workflow(Workflow::Esxi));

    let late = nothing().file("[budgets.esxi]\nstuck = '3h'");
    assert_refused(&late, "budgets.esxi.stuck", "shoal.toml");
    let short = nothing().env("JOB_STUCK_TIMEOUT", "2h");
    assert_refused(&short, "JOB_STUCK_TIMEOUT", "environment variable JOB_STUCK_TIMEOUT");
    let beyond = nothing().file("[budgets.linux]\nprovisioning = '5h'");
    assert_refused(&beyond, "budgets.linux.provisioning", "JOB_STUCK_TIMEOUT");
}

#[test]
fn the_stuck_timeout_bounds_every_workflow() {
    let settings = nothing().env("JOB_STUCK_TIMEOUT", "6h").load();

    let bounds = settings.jobs.budgets.values().map(|budgets| budgets.provisioning);
    assert!(bounds.eq([Duration::from_hours(6); 5]));
}

#[test]
fn secrets_come_from_the_environment_or_a_file_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, "hunter2\n").unwrap();
    let read = |setup: Setup| setup.load().access.webhook_secret.unwrap().expose().clone();

    assert_eq!(read(nothing().env("WEBHOOK_SECRET", "hunter2")), "hunter2");
    assert_eq!(read(nothing().env("WEBHOOK_SECRET_FILE", &path)), "hunter2");
    let named = format!("webhook_secret_file = {:?}", path.display().to_string());
    assert_eq!(read(nothing().file(&named)), "hunter2");
    assert_eq!(read(nothing().file(&named).env("WEBHOOK_SECRET", "newer")), "newer");

    assert_refused(&nothing().file("webhook_secret = 'hunter2'"), "WEBHOOK_SECRET", "shoal.toml");
    assert_refused(&nothing().set("WEBHOOK_SECRET=hunter2"), "WEBHOOK_SECRET", "--set");
    let both = nothing().env("WEBHOOK_SECRET", "hunter2").env("WEBHOOK_SECRET_FILE", &path);
    assert_refused(&both, "WEBHOOK_SECRET_FILE", "is set as well");
    fs::write(&path, "two\nlines\n").unwrap();
    assert_refused(&nothing().env("WEBHOOK_SECRET_FILE", &path), "WEBHOOK_SECRET_FILE", "one line");
}

#[test]
fn no_secret_is_shown() {
    let secrets = nothing()
        .env("WEBHOOK_SECRET", "hunter2")
        .env("BASIC_USER", "admin")
        .env("BASIC_PASS_HASH", BCRYPT)
        .env("SIGNED_URL_SECRET", "hunter2-and-more-of-it");
    let loaded = format!("{:?}", Settings::load(&secrets.sources).unwrap());
    assert!(!loaded.contains("hunter2") && !loaded.contains("$2y$"), "{loaded}");
    assert!(loaded.contains("***"), "{loaded}");

    let wrong = nothing().env("BASIC_USER", "admin").env("BASIC_PASS_HASH", "hunter2").refusal();
    assert!(wrong.contains("BASIC_PASS_HASH") && !wrong.contains("hunter2"), "{wrong}");
    let file = nothing().file("basic_pass_hash = 'hunter2'").refusal();
    assert!(!file.contains("hunter2"), "{file}");
}

#[test]
fn what_was_given_is_told_with_its_source() {
    let setup = nothing()
        .file("worker_concurrency = 5\n[budgets.linux]\nlook = '2m'")
        .env("WEBHOOK_SECRET", "x");
    let file = format!("file {}", setup.sources.file.as_ref().unwrap().display());

    let given = Settings::load(&setup.sources).unwrap().given;

    let told: Vec<_> =
        given.iter().map(|it| (it.key.as_str(), it.value.as_str(), it.source.as_str())).collect();
    let expected = [
        ("WORKER_CONCURRENCY", "5", file.as_str()),
        ("WEBHOOK_SECRET", "***", "environment variable WEBHOOK_SECRET"),
        ("budgets.linux.look", "2m", file.as_str()),
    ];
    assert_eq!(told, expected);
}

#[test]
fn media_over_https_follow_the_public_url_unless_it_is_plain() {
    let media = |url| nothing().env("PUBLIC_URL", url).load().media.url_https;

    assert_eq!(media("https://shoal.example").unwrap().as_str(), "https://shoal.example/");
    assert_eq!(media("http://shoal.example"), None);
}

/// The page in the repository is what the table says.
#[test]
fn configuration_reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("SHOAL_GENERATE").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == reference(),
        "docs/configuration.md is not current: run `cargo xtask generate`"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_file_is_settings_or_a_refusal_that_names_the_file(
        lines in proptest::collection::vec(line(), 0..6),
    ) {
        let setup = nothing().file(&lines.join("\n"));
        if let Err(error) = Settings::load(&setup.sources) {
            let told = format!("{:#}", anyhow::Error::new(error));
            prop_assert!(told.contains("shoal.toml") || told.contains("defaults"), "{}", told);
        }
    }

    #[test]
    fn any_environment_is_settings_or_a_refusal_that_names_the_variable(
        name in name(),
        value in value(),
        prefixed in any::<bool>(),
    ) {
        let variable = if prefixed { format!("SHOAL_{name}") } else { name.to_owned() };
        let setup = nothing().env(&variable, value);
        if let Err(error) = Settings::load(&setup.sources) {
            let told = format!("{:#}", anyhow::Error::new(error));
            prop_assert!(told.contains(name), "{}", told);
            let is_secret = key::find(name).is_some_and(|key| key.secret);
            prop_assert!(!is_secret || !told.contains("canary"), "{}", told);
        }
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(key::all().map(|key| key.name).collect::<Vec<_>>())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,20}(ms|s|m|h|d)?",
        "([0-9a-f.:/\\[\\]]{1,20},?){1,3}",
        "(https?|ftp|file)://[a-z:@]{0,6}[a-z0-9.\\[\\]:]{0,12}[/?#a-z]{0,6}",
        "(info|shoal_redfish|,|=|debug){0,5}",
        "canary[ -~]{0,10}",
        "\\PC{0,20}",
    ]
    .prop_map(|text| text.replace('\0', ""))
}

fn line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        4 => name().prop_map(str::to_ascii_lowercase),
        1 => "[a-z_.\\[\\]]{1,20}",
        1 => "budgets\\.(linux|esxi|mars)\\.(stuck|report|x)",
    ];
    let value = prop_oneof![
        3 => value().prop_map(|text| format!("{text:?}")),
        1 => Just("true".to_owned()),
        1 => "[0-9]{1,25}",
        1 => "\\[[0-9a-z\",]{0,9}\\]?",
        1 => "\\{[a-z]=1\\}",
    ];
    (key, value).prop_map(|(key, value)| format!("{key} = {value}"))
}
