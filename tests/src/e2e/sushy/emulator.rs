//! sushy-emulator as a process, and what can be seen of it without our client.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use reqwest::Method;
use serde_json::{Value, json};
use shoal_tests::{PATIENCE, on_path, python_tools};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::{sleep, timeout},
};

const PROGRAM: &str = "sushy-emulator";
/// UUID of the one machine.
pub(super) const UUID: &str = "5a2b7c1d-0000-4000-8000-00000000c0de";
const USER: &str = "admin";
const PASSWORD: &str = "password";
/// bcrypt of [`PASSWORD`], the only form the emulator reads.
const HTPASSWD: &str = "admin:$2b$05$KHNkI6adnUD3.Z/LawAWV.P.aH9Q5n2zyvvyP84fYNJjdYlqvqvi.\n";
/// Between two looks at a power state that changes by itself within 11 s.
const LOOK: Duration = Duration::from_millis(500);

/// A running emulator with one machine.
pub(super) struct Emulator {
    child: Child,
    url: String,
    sha256: String,
    temporary: PathBuf,
    http: reqwest::Client,
}

/// What can be seen of its machine.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) power: String,
    /// How many slots hold a medium.
    pub(super) inserted: usize,
    pub(super) boot_target: String,
}

/// Whether the program can be started.
pub(crate) fn is_installed() -> bool {
    program().is_some()
}

fn program() -> Option<PathBuf> {
    let installed = python_tools().map(|tools| tools.join(PROGRAM)).filter(|path| path.is_file());
    on_path(PROGRAM).or(installed)
}

impl Emulator {
    pub(super) async fn start(directory: &Path) -> Result<Self> {
        let program =
            program().context("sushy-emulator is missing: cargo xtask test --stage setup")?;
        let temporary = directory.join("tmp");
        fs::create_dir_all(&temporary).context("make the emulator's directory")?;
        let sha256 = configure(directory)?;
        let mut child = Command::new(program)
            .arg("--config")
            .arg(directory.join("emulator.conf"))
            .arg("--fake")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PYTHONUNBUFFERED", "1")
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("start sushy-emulator")?;
        let output = child.stderr.take().context("read what the emulator prints")?;
        let mut lines = BufReader::new(output).lines();
        let url = timeout(PATIENCE, announced(&mut lines)).await;
        let url = url.context("sushy-emulator did not start in time")??;
        let log = directory.join("emulator.log");
        // Ends with the emulator's output, that is with the emulator.
        tokio::spawn(keep(lines, log));
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        Ok(Self { child, url, sha256, temporary, http })
    }

    /// The record by which the controller is to know it.
    pub(super) fn record(&self) -> Value {
        json!({
            "bmc_address": self.url,
            "credentials": {"user": USER, "password": PASSWORD},
            "tls": {"policy": "pin", "sha256": self.sha256},
        })
    }

    /// Switches the machine on, so that the job meets one that is on.
    pub(super) async fn switch_on(&self) -> Result<()> {
        let reset = format!("/Systems/{UUID}/Actions/ComputerSystem.Reset");
        self.ask(Method::POST, &reset, Some(json!({"ResetType": "On"}))).await?;
        let wait = async {
            // The state changes by itself and announces nothing.
            while self.look().await?.power != "On" {
                sleep(LOOK).await;
            }
            Ok(())
        };
        timeout(PATIENCE, wait).await.context("the emulator's machine does not go on")?
    }

    pub(super) async fn look(&self) -> Result<Sight> {
        let system = self.ask(Method::GET, &format!("/Systems/{UUID}"), None).await?;
        let text = |pointer: &str| {
            system.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut inserted = 0;
        for slot in ["Cd1", "Cd2"] {
            let slot = format!("/Systems/{UUID}/VirtualMedia/{slot}");
            let slot = self.ask(Method::GET, &slot, None).await?;
            inserted += usize::from(slot.get("Inserted") == Some(&Value::Bool(true)));
        }
        let (power, boot_target) = (text("/PowerState"), text("/Boot/BootSourceOverrideTarget"));
        Ok(Sight { power, inserted, boot_target })
    }

    /// A medium as the emulator stored it.
    pub(super) fn downloaded(&self, name: &str) -> Result<PathBuf> {
        for entry in fs::read_dir(&self.temporary).context("look at what was downloaded")? {
            let candidate = entry?.path().join(name);
            if candidate.is_file() {
                return Ok(candidate);
            }
        }
        bail!("{name} was not downloaded to {}", self.temporary.display())
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("end sushy-emulator")
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}/redfish/v1{path}", self.url);
        let request = self.http.request(method, url).basic_auth(USER, Some(PASSWORD));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }
}

/// Writes certificate, accounts and configuration; gives the certificate's fingerprint.
fn configure(directory: &Path) -> Result<String> {
    let write = |name: &str, text: &str| {
        fs::write(directory.join(name), text).with_context(|| format!("write {name}"))
    };
    let identity = rcgen::generate_simple_self_signed(vec!["sushy.invalid".to_owned()])?;
    write("cert.pem", &identity.cert.pem())?;
    write("key.pem", &identity.signing_key.serialize_pem())?;
    write("htpasswd", HTPASSWD)?;
    let at = |name: &str| directory.join(name).display().to_string();
    // A Python file; JSON texts are Python texts.
    let settings = [
        ("LISTEN_IP", json!("127.0.0.1")),
        ("LISTEN_PORT", json!(0)),
        ("SSL_CERT", json!(at("cert.pem"))),
        ("SSL_KEY", json!(at("key.pem"))),
        ("AUTH_FILE", json!(at("htpasswd"))),
        ("STATE_DIR", json!(at("state"))),
        ("FEATURE_SET", json!("full")),
        ("FAKE_SYSTEMS", json!([{"uuid": UUID, "name": "fake", "power_state": "Off", "nics": []}])),
        (
            "VMEDIA_DEVICES",
            json!({
                "Cd1": {"Name": "Virtual CD 1", "MediaTypes": ["CD", "DVD"]},
                "Cd2": {"Name": "Virtual CD 2", "MediaTypes": ["CD", "DVD"]},
            }),
        ),
    ];
    let mut lines = vec!["SUSHY_EMULATOR_VMEDIA_VERIFY_SSL = False\n".to_owned()];
    lines.extend(settings.map(|(name, value)| format!("SUSHY_EMULATOR_{name} = {value}\n")));
    write("emulator.conf", &lines.concat())?;
    let digest = ring::digest::digest(&ring::digest::SHA256, identity.cert.der());
    Ok(HEXLOWER.encode(digest.as_ref()))
}

/// The address the emulator says it listens on.
async fn announced(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<String> {
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await.context("read what the emulator prints")? {
        if let Some((_, url)) = line.split_once("Running on ") {
            return Ok(url.trim().trim_end_matches('/').to_owned());
        }
        said.push(line);
    }
    bail!("sushy-emulator ended at start: {}", said.join(" / "))
}

async fn keep(mut lines: Lines<BufReader<ChildStderr>>, log: PathBuf) {
    let mut text = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        text.push_str(&line);
        text.push('\n');
    }
    // For people who look for a reason; nothing depends on it.
    let _ = fs::write(&log, text);
}
