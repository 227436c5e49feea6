//! Where the commands of a page run: a directory of their own, a real controller, one simulated
//! server nobody has told it about, and a shell in which nothing is set but what the page relies on.

use std::{
    ffi::OsString,
    fs::{self, File, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use shoal_redfish_mock::{Ending, HostScript};
use shoal_tests::{
    BootMedium, Config, Controller, Follow, Machine, Programs, Rack, Ready, linux_job,
};
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::page::{Block, Kind};

/// Longest run of one block, in real time.
const BLOCK: Duration = Duration::from_mins(10);
/// The simulated server.
const SERIAL: &str = "DL385-001";

/// Runs one block: takes over what earlier blocks exported, as one terminal would, stops at the first
/// command that fails, and leaves what this one exported behind.
const SHELL: &str = r#"
set -euo pipefail
if [ -f "$1" ]; then . "$1"; fi
trap 'export -p >"$1"' EXIT
. "$2"
"#;

/// How a page's commands are told which controller they talk to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Surroundings {
    /// On the controller's machine, with its storage and nothing set up yet.
    Host,
    /// Anywhere, with the command line's own variables.
    Client,
    /// The same, and on the controller's machine, after one job was carried out.
    Job,
}

/// A controller, a server, and a directory to work in.
pub(crate) struct Sandbox {
    controller: Controller,
    machine: Machine,
    environment: Vec<(&'static str, OsString)>,
    scratch: TempDir,
}

impl Sandbox {
    /// Starts everything, with waits shortened that only hardware needs.
    pub(crate) async fn start(surroundings: Surroundings) -> Result<Self> {
        let programs = Programs::find()?;
        let scratch = tempfile::tempdir().context("make a scratch directory")?;
        let storage = scratch.path().join("controller/storage");
        let images = storage.join("static/isos");
        BootMedium::make(&images)?;
        let config = Config::new(scratch.path().join("controller"), images)
            .budget("settle", 1)
            .budget("quiet", 2)
            .budget("look", 1)
            .budget("off_confirm", 2);
        let mut controller = Controller::start(&programs, config).await?;
        let rack = Rack::new(&programs, scratch.path().join("rack"), controller.ca()?);
        let machine = rack.add("ilo5", SERIAL, host()).await?;
        let work = scratch.path().join("work");
        fs::create_dir(&work).context("make a directory to work in")?;
        write_private(&work.join("bmc.password"), &password(&machine)?)?;
        let mut environment = vec![
            ("PATH", search_path(journal(scratch.path(), &controller)?, &programs)?),
            ("HOME", work.into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("SERIAL", SERIAL.into()),
            ("BMC", machine.mock().url().trim_start_matches("https://").into()),
        ];
        let ready = controller.ready().clone();
        environment.extend(match surroundings {
            Surroundings::Host => vec![
                ("STORAGE_ROOT", storage.into()),
                ("CONTROLLER", ready.api.clone().into()),
                ("ADMIN", ready.admin.clone().into()),
            ],
            Surroundings::Client => client(&ready),
            Surroundings::Job => {
                let job = carried_out(&mut controller, &machine).await?;
                let more = [("ADMIN", ready.admin.clone().into()), ("JOB", job.into())];
                client(&ready).into_iter().chain(more).collect()
            }
        });
        Ok(Self { controller, machine, environment, scratch })
    }

    /// Runs a block and holds it to what its fence says.
    pub(crate) async fn run(&self, block: &Block) -> Result<()> {
        let Kind::Run { exit, expect } = &block.kind else { return Ok(()) };
        let output = self.scratch.path().join("output");
        let judged = async {
            let status = self.shell(&block.script, &output).await?;
            ensure!(status.code() == Some(*exit), "it ended with {status} instead of {exit}");
            match expect {
                Some(pattern) => matches(&output, pattern).await,
                None => Ok(()),
            }
        };
        judged.await.with_context(|| {
            let printed = fs::read_to_string(&output).unwrap_or_default();
            let log = self.controller.log_tail(10);
            format!("run\n{}it printed\n{printed}the controller's log ends\n{log}", block.script)
        })
    }

    async fn shell(&self, script: &str, output: &Path) -> Result<ExitStatus> {
        let file = self.scratch.path().join("block.sh");
        fs::write(&file, script).context("write the block")?;
        // A file and no pipe: a program that the block left behind would keep a pipe open.
        let printed = File::create(output).context("make a file for the output")?;
        let mut shell = Command::new("bash")
            .args(["--noprofile", "--norc", "-c", SHELL, "block"])
            .args([self.scratch.path().join("exported"), file])
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.scratch.path().join("work"))
            .stdin(Stdio::null())
            .stdout(printed.try_clone().context("share the output")?)
            .stderr(printed)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("start bash")?;
        let group = shell.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let ended = timeout(BLOCK, shell.wait()).await;
        if let Some(group) = group {
            // Whatever the block left running; usually nothing, and then this fails.
            let _ = kill_process_group(group, Signal::KILL);
        }
        match ended {
            Ok(status) => status.context("wait for bash"),
            Err(_) => bail!("it did not end within {} s", BLOCK.as_secs()),
        }
    }

    /// Ends everything in order.
    pub(crate) async fn end(self) -> Result<()> {
        self.controller.stop().await?;
        self.machine.shutdown().await;
        Ok(())
    }
}

/// What the command line is told by its environment.
fn client(ready: &Ready) -> Vec<(&'static str, OsString)> {
    vec![
        ("SHOAL_URL", ready.api.clone().into()),
        ("SHOAL_CA", ready.ca_file.clone().into()),
        ("SHOAL_TOKEN_FILE", ready.admin_token_file.clone().into()),
    ]
}

/// Carries out the documented job, and starts the controller again: a process that ended has written
/// all of its log.
async fn carried_out(controller: &mut Controller, machine: &Machine) -> Result<String> {
    let api = controller.api()?;
    api.enrol(machine).await?;
    let job = api.create_job(&linux_job(machine.serial())?).await?;
    Follow::start(&api, &job).completed().await?;
    controller.pause().await?;
    controller.restart().await?;
    Ok(job)
}

/// A directory with the service manager's journal, which has what this controller wrote.
fn journal(scratch: &Path, controller: &Controller) -> Result<PathBuf> {
    let directory = scratch.join("programs");
    fs::create_dir(&directory).context("make a directory for programs")?;
    let log = controller.directory().join("controller.log");
    let program = directory.join("journalctl");
    let script = format!("#!/bin/sh\nexec cat '{}'\n", log.display());
    fs::write(&program, script).context("write a program")?;
    fs::set_permissions(&program, Permissions::from_mode(0o700)).context("let it be run")?;
    Ok(directory)
}

/// A host that takes a few seconds of our time.
fn host() -> HostScript {
    HostScript {
        ending: Ending::Succeed,
        post: Duration::from_secs(20),
        os_start: Duration::from_secs(10),
        step: Duration::from_secs(10),
        progress: vec![50, 100],
        installed_start: Duration::from_secs(10),
        ..HostScript::default()
    }
}

fn password(machine: &Machine) -> Result<String> {
    let record = machine.record();
    let password = record.pointer("/credentials/password").and_then(Value::as_str);
    password.map(str::to_owned).context("the machine's record has no password")
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;

    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| writeln!(file, "{text}"));
    written.with_context(|| format!("write {}", path.display()))
}

/// The programs under test come first, so that no installed ones are run.
fn search_path(first: PathBuf, programs: &Programs) -> Result<OsString> {
    let own = programs.cli.parent().map(PathBuf::from);
    let system = std::env::var_os("PATH").unwrap_or_default();
    let all = [Some(first), own].into_iter().flatten().chain(std::env::split_paths(&system));
    std::env::join_paths(all).context("make a PATH")
}

/// Asks grep, whose expressions are those a reader knows.
async fn matches(output: &Path, pattern: &str) -> Result<()> {
    let mut grep = Command::new("grep");
    grep.args(["-E", "-q", "-e", pattern]).arg(output).stdin(Stdio::null());
    let status = grep.status().await.context("start grep")?;
    ensure!(status.success(), "no line of its output matches {pattern}");
    Ok(())
}
