//! The real binary: exit codes, and the commands that need no running controller.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use shoal_sqlite::{Config, Database, Error, Migration, manifest_path};

const MIGRATIONS: &[Migration] =
    &[Migration { name: "notes", sql: "CREATE TABLE notes (text TEXT NOT NULL) STRICT;" }];

fn controller() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal-controller"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn run(arguments: &[&str]) -> Output {
    controller().args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn open(path: &Path) -> Database {
    Database::open(Config::new(path, 7, MIGRATIONS)).unwrap()
}

fn note(database: &Database, text: &str) {
    let text = text.to_owned();
    let insert = move |tx: &shoal_sqlite::rusqlite::Transaction<'_>| -> Result<_, Error> {
        Ok(tx.execute("INSERT INTO notes VALUES (?1)", [text])?)
    };
    database.write_blocking(insert).unwrap();
}

fn notes(path: &Path) -> i64 {
    open(path)
        .read_blocking(|tx| -> Result<i64, Error> {
            Ok(tx.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?)
        })
        .unwrap()
}

struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn the_version_is_told_in_both_spellings() {
    let version = format!("shoal-controller {}\n", env!("CARGO_PKG_VERSION"));

    for spelling in ["version", "--version"] {
        let output = run(&[spelling]);
        assert_eq!((code(&output), stdout(&output)), (0, version.clone()), "{spelling}");
    }
}

#[test]
fn wrong_usage_exits_with_64() {
    for arguments in [&[][..], &["fly"], &["serve", "--nonsense"], &["db", "restore"]] {
        let output = run(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        assert!(stderr(&output).contains("Usage"), "{arguments:?}");
    }
}

#[test]
fn config_check_tells_what_would_be_used() {
    let files = Files::new();
    let file = files.text("shoal.toml");
    fs::write(&file, "worker_concurrency = 9\n").unwrap();

    let output = controller()
        .args(["config", "check", "--config", &file, "--set", "LOG_LEVEL=warn"])
        .env("WEBHOOK_SECRET", "hunter2")
        .output()
        .unwrap();

    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains(&format!("WORKER_CONCURRENCY = 9 (file {file})\n")), "{said}");
    assert!(said.contains("LOG_LEVEL = warn (--set)\n"), "{said}");
    assert!(
        said.contains("WEBHOOK_SECRET = *** (environment variable WEBHOOK_SECRET)\n"),
        "{said}"
    );
}

#[test]
fn a_refused_configuration_exits_with_64_and_names_key_and_source() {
    for command in [&["config", "check"][..], &["serve"], &["db", "check"]] {
        let output =
            controller().args(command).env("SHOAL_WORKER_CONCURENCY", "9").output().unwrap();
        assert_eq!(code(&output), 64, "{command:?}");
        let expected = "shoal-controller: use WORKER_CONCURENCY from environment variable \
                        SHOAL_WORKER_CONCURENCY: no such key\n";
        assert_eq!(stderr(&output), expected, "{command:?}");
    }
}

#[test]
fn a_boot_medium_that_cannot_be_served_is_refused_before_anything_is_made() {
    let files = Files::new();
    let root = files.path("storage");
    let storage = format!("STORAGE_ROOT={}", root.to_str().unwrap());
    let disc = files.text("notes.iso");
    fs::write(&disc, vec![0; 100_000]).unwrap();
    let missing = files.text("missing.iso");
    for (key, file, why) in [
        ("ESXI_INSTALLER_URL", &disc, "this is no disc of an ESXi installer"),
        ("ESXI_INSTALLER_URL", &missing, "No such file"),
        ("MAINTENANCE_ISO_URL", &missing, "No such file"),
    ] {
        let set = format!("{key}={file}");
        let output = run(&["serve", "--set", &storage, "--set", &set]);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(code(&output), 64, "{said}");
        assert!(said.contains(key) && said.contains(why), "{said}");
        assert!(!root.exists(), "nothing was made");
    }
}

#[test]
fn sockets_with_a_foreign_name_are_refused() {
    let output = controller()
        .arg("serve")
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "ssh")
        .stdin(Stdio::null())
        .output()
        .unwrap();

    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("\"ssh\""), "{}", stderr(&output));
}

#[test]
fn db_check_tells_an_intact_database_from_a_damaged_one() {
    let files = Files::new();
    let path = files.path("jobs.db");
    let database = open(&path);
    for _ in 0..500 {
        note(&database, &"text ".repeat(40));
    }
    drop(database);
    let check = ["db", "check", "--database", &files.text("jobs.db")];

    let intact = run(&check);
    assert_eq!(code(&intact), 0, "{}", stderr(&intact));

    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(3 * 4096)).unwrap();
    file.write_all(&[0x55; 4096]).unwrap();
    let damaged = run(&check);
    assert_eq!(code(&damaged), 65, "{}", stderr(&damaged));
}

#[test]
fn db_commands_name_whoever_holds_the_database_and_exit_with_69() {
    let files = Files::new();
    let _held = open(&files.path("jobs.db"));

    let output = run(&["db", "vacuum", "--database", &files.text("jobs.db")]);

    assert_eq!(code(&output), 69);
    let holder = format!("pid {}", std::process::id());
    assert!(stderr(&output).contains(&holder), "{}", stderr(&output));
}

#[test]
fn db_vacuum_keeps_what_is_in_the_configured_database() {
    let files = Files::new();
    let database = open(&files.path("db/provisioner.db"));
    note(&database, "one");
    drop(database);

    let root = format!("STORAGE_ROOT={}", files.directory.path().display());
    let output = run(&["db", "vacuum", "--set", &root]);

    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(notes(&files.path("db/provisioner.db")), 1);
}

#[test]
fn db_restore_brings_a_backup_back_and_keeps_the_former_database() {
    let files = Files::new();
    let (path, backup) = (files.path("jobs.db"), files.path("backup.db"));
    let database = open(&path);
    note(&database, "one");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(database.backup(&backup, std::collections::BTreeMap::new())).unwrap();
    note(&database, "two");
    drop(database);
    let restore = ["db", "restore", "--database", &files.text("jobs.db"), &files.text("backup.db")];

    let output = run(&restore);

    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("the former database is"), "{}", stdout(&output));
    assert_eq!(notes(&path), 1);

    let manifest = manifest_path(&backup);
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("\"bytes\": ", "\"bytes\": 1", 1)).unwrap();
    let forged = run(&restore);
    assert_eq!(code(&forged), 65, "{}", stderr(&forged));
}

#[test]
fn a_mock_bmc_of_each_kind_answers_redfish_until_it_is_asked_to_stop() {
    let told: &[&str] = &["--ending", "lose-power-at:installer:30", "--restart", "cold:5"];
    let more: &[&str] =
        &["--keeps-override", "--rereads-media", "--wakes-after", "60", "--prefetch"];
    let quiet = ["idrac9-old", "idrac9-scp", "idrac10", "ilo6", "xcc", "smc-x12", "smc-x13"];
    let quiet = quiet.into_iter().chain(["openbmc", "ami-megarac"]);
    let quiet = quiet.map(|persona| (persona, [].as_slice()));
    let other: &[&str] = &["--habit", "power.lag_ms = 5000", "--habit", "media.max_at_once = 1"];
    let with_story = [("idrac9-6x", told), ("ilo5", more), ("generic", other)];
    for (persona, story) in with_story.into_iter().chain(quiet) {
        let files = Files::new();
        let mut mock = controller()
            .args(["mock-bmc", "--persona", persona, "--scratch", &files.text("host")])
            .args(story)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(mock.stdout.take().unwrap());
        let mut url = String::new();
        out.read_line(&mut url).unwrap();
        let root = format!("{}/redfish/v1/", url.trim());

        let curl = Command::new("curl")
            .args(["--silent", "--show-error", "--insecure", "--noproxy", "*", &root])
            .output()
            .expect("curl is missing: apt-get install -y curl");
        let stopped =
            Command::new("kill").args(["-TERM", &mock.id().to_string()]).status().unwrap();

        assert!(stdout(&curl).contains("RedfishVersion"), "{} {}", stdout(&curl), stderr(&curl));
        assert!(stopped.success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert!(rest.starts_with("certificate SHA-256 "), "{rest}");
        assert_eq!(mock.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn an_unknown_ending_is_refused_with_the_known_ones() {
    let files = Files::new();

    for (option, known) in [("--ending", "hang-at:STEP"), ("--restart", "cold:SECONDS")] {
        let output = run(&["mock-bmc", option, "tea", "--scratch", &files.text("host")]);

        assert_eq!(code(&output), 64);
        assert!(stderr(&output).contains(known), "{}", stderr(&output));
    }
}

#[test]
fn a_habit_that_no_persona_has_is_refused() {
    let files = Files::new();

    let habit = ["--habit", "power.colour = \"red\""];
    let output = run(&[&["mock-bmc", "--scratch", &files.text("host")], &habit[..]].concat());

    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("these habits"), "{}", stderr(&output));
}

#[test]
fn an_unknown_persona_is_refused_with_the_known_ones() {
    let files = Files::new();

    let output = run(&["mock-bmc", "--persona", "abacus", "--scratch", &files.text("host")]);

    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("ilo5"), "{}", stderr(&output));
}

/// The units are checked by systemd itself, with the program in the place where the test has it.
#[test]
fn systemd_accepts_the_units() {
    let files = Files::new();
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops");
    let names = ["shoal.service", "shoal.socket", "shoal-media.socket"];
    for name in names {
        let unit = fs::read_to_string(units.join(name)).unwrap();
        let unit =
            unit.replace("/usr/local/bin/shoal-controller", env!("CARGO_BIN_EXE_shoal-controller"));
        fs::write(files.path(name), unit).unwrap();
    }

    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(names.map(|name| files.path(name)))
        .output()
        .expect("systemd-analyze is missing: apt-get install -y systemd");

    let problems = stderr(&verify);
    assert!(verify.status.success(), "{problems}");
    let ours: Vec<&str> = problems.lines().filter(|line| line.contains("shoal")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn a_lost_registry_is_rebuilt_and_nothing_else_is_made_or_replaced() {
    let files = Files::new();
    let root = files.text("oci");
    let rebuild = ["registry", "rebuild", "--root", &root];
    let nothing = run(&rebuild);
    assert_eq!(code(&nothing), 69);
    assert!(!files.path("oci").exists(), "nothing was made");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let registry = shoal_oci::Registry::open(shoal_oci::Config::new(&root)).unwrap();
    runtime.block_on(registry.close()).unwrap();
    drop(registry);
    let there = run(&rebuild);
    assert_eq!(code(&there), 69);
    assert!(stderr(&there).contains("move it away if it is damaged"), "{}", stderr(&there));
    fs::remove_file(files.path("oci/registry.db")).unwrap();
    let rebuilt = run(&rebuild);
    assert_eq!(code(&rebuilt), 0, "{}", stderr(&rebuilt));
    assert!(stdout(&rebuilt).starts_with("found 0 blobs, 0 manifests and 0 tags\n"));
    assert!(stdout(&rebuilt).contains("shoal registry gc --confirm"));
}
