//! rotel, a collector that others wrote, takes what a controller exports and prints what it
//! understood.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::BuildHasher as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use shoal_redfish_mock::Ending;
use shoal_tests::{PATIENCE, on_path, python_tools};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::trace::exporting;
use crate::{
    Group, PERSONAS, proof,
    stage::host,
    suite::{Place, Scenario},
};

const PROGRAM: &str = "rotel-agent";
/// Ports below those that Linux gives to whoever asks for any.
const FIRST_PORT: u16 = 16_000;
const PORTS: u16 = 12_000;
/// Between two looks at what it printed.
const LOOK: Duration = Duration::from_millis(200);

/// Whether the program can be started.
pub(crate) fn is_installed() -> bool {
    program().is_some()
}

/// It lies in its package, beside the modules that would start it.
fn program() -> Option<PathBuf> {
    let inside = || {
        let libraries = fs::read_dir(python_tools()?.parent()?.join("lib")).ok()?;
        let mut packages = libraries.flatten().map(|it| it.path().join("site-packages/rotel"));
        packages.find_map(|package| Some(package.join(PROGRAM)).filter(|path| path.is_file()))
    };
    on_path(PROGRAM).or_else(inside)
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, ..] = PERSONAS;
    let name = "rotel: a collector that others wrote understands the trace of a job";
    vec![Scenario::new(Group::Told, Some(first), name, move |place| run(place, first))]
}

async fn run(place: Place, persona: &'static str) -> Result<()> {
    let rotel = Rotel::start(&place.directory.join("rotel")).await?;
    let stage = exporting(&place, rotel.endpoint()).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    let shown = proof::installed(&stage.api, &job, &machine, &follow).await?;
    let id = shown.whole.get("trace_id").and_then(Value::as_str).context("no trace id")?;
    let wanted = [
        id,
        job.as_str(),
        "POST /api/v1/jobs",
        "job.attempt",
        "iso.build",
        "redfish.mount.task",
        "http.request.method",
        "media.open",
        "POST /api/v1/status-webhook/{server_serial}",
        "job.run",
        "shoal-controller",
    ];
    rotel.prints(&wanted).await?;
    stage.strike([machine]).await
}

/// The running collector.
struct Rotel {
    _child: Child,
    http: SocketAddr,
    printed: PathBuf,
}

impl Rotel {
    async fn start(directory: &Path) -> Result<Self> {
        let program = program().context("rotel is missing: cargo xtask test --stage setup")?;
        fs::create_dir_all(directory).context("make rotel's directory")?;
        let printed = directory.join("printed.log");
        let output = File::create(&printed).context("make rotel's log")?;
        let (http, grpc) = free()?;
        let mut child = Command::new(program)
            .arg("start")
            .args(["--otlp-http-endpoint", &http.to_string()])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .args(["--exporter", "blackhole", "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed"])
            .current_dir(directory)
            .env_clear()
            .env("HOME", directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share rotel's log")?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("start rotel")?;
        let listens = async {
            while TcpStream::connect(http).await.is_err() {
                if let Some(status) = child.try_wait().context("look after rotel")? {
                    bail!("rotel ended: {status}");
                }
                sleep(LOOK).await;
            }
            Ok(())
        };
        timeout(PATIENCE, listens).await.context("rotel did not listen in time")??;
        Ok(Self { _child: child, http, printed })
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Waits until all of this was printed.
    async fn prints(&self, wanted: &[&str]) -> Result<()> {
        let mut missing = Vec::new();
        let complete = async {
            loop {
                let printed = fs::read_to_string(&self.printed).context("read rotel's log")?;
                missing = wanted.iter().filter(|text| !printed.contains(**text)).collect();
                if missing.is_empty() {
                    return anyhow::Ok(());
                }
                sleep(LOOK).await;
            }
        };
        match timeout(PATIENCE, complete).await {
            Ok(complete) => complete,
            Err(_) => bail!("rotel did not print {missing:?}"),
        }
    }
}

/// Two addresses nobody listens at. rotel cannot be given a socket, nor say which port it chose. These
/// are none that the kernel gives to whoever asks for any, so nobody takes them before rotel does.
fn free() -> Result<(SocketAddr, SocketAddr)> {
    let somewhere = RandomState::new().hash_one(()) % u64::from(PORTS);
    let first = FIRST_PORT + u16::try_from(somewhere)?;
    let ports = (first..FIRST_PORT + PORTS).chain(FIRST_PORT..first);
    let free = ports.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    let mut addresses = free.map(|it| it.local_addr().context("read an address"));
    let mut next = || addresses.next().context("no port is free")?;
    Ok((next()?, next()?))
}
