//! One run of the controller's program. It tells readiness as every service of systemd does, by a
//! datagram, so that waiting for it needs no polling.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::UnixDatagram, process::Child, time::timeout};

use super::Config;
use crate::socket::Sockets;

/// Longest start, of a debug build on a busy machine.
const START: Duration = Duration::from_mins(5);
/// Longest gentle end: the controller's own bound for open connections, and much for a busy machine.
const END: Duration = Duration::from_mins(3);

/// What became of a process that was started.
pub(super) enum Wakened {
    Ready,
    Ended(ExitStatus),
}

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    news: UnixDatagram,
}

impl Process {
    /// Starts the program with a configuration file and an environment of nothing else.
    pub(super) fn spawn(
        program: &Path,
        config: &Config,
        (file, environment): (&Path, Vec<(&'static str, String)>),
        sockets: &Sockets,
    ) -> Result<Self> {
        let (ready, notify) =
            (config.directory.join("ready.json"), config.directory.join("notify"));
        for left in [&ready, &notify] {
            if left.exists() {
                fs::remove_file(left).with_context(|| format!("remove {}", left.display()))?;
            }
        }
        let news = UnixDatagram::bind(&notify)
            .with_context(|| format!("listen on {}", notify.display()))?;
        let log = File::options().create(true).append(true).open(config.log());
        let log = log.with_context(|| format!("open {}", config.log().display()))?;
        // Apart, so that what is no log line cannot pass for one.
        let errors = File::options().create(true).append(true).open(config.errors());
        let errors = errors.with_context(|| format!("open {}", config.errors().display()))?;
        let mut command = command(program, &config.wrapper);
        command
            .args(["serve", "--config"])
            .arg(file)
            .arg("--ready-file")
            .arg(&ready)
            .env_clear()
            .envs(environment)
            .env("NOTIFY_SOCKET", &notify)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // An interrupt at the terminal is for us; we end our processes in order.
            .process_group(0);
        sockets.hand_to(&mut command)?;
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn();
        let child = child.with_context(|| format!("start {}", program.display()))?;
        Ok(Self { child, news })
    }

    /// Waits until the process says that it is ready, or ends.
    pub(super) async fn wakened(&mut self) -> Result<Wakened> {
        let wait = async {
            let mut message = [0; 4096];
            loop {
                tokio::select! {
                    status = self.child.wait() => {
                        return status.map(Wakened::Ended).context("wait for the controller");
                    }
                    received = self.news.recv(&mut message) => {
                        let len = received.context("hear from the controller")?;
                        let text = message.get(..len).unwrap_or_default();
                        if text.split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                            return Ok(Wakened::Ready);
                        }
                    }
                }
            }
        };
        timeout(START, wait).await.context("the controller did not become ready in time")?
    }

    /// Sends the signal to reload, and waits for the status that ends it.
    pub(super) async fn hang_up(&mut self) -> Result<String> {
        self.signal(Signal::HUP).context("ask the controller to reload")?;
        let wait = async {
            let mut message = [0; 4096];
            loop {
                let len = self.news.recv(&mut message).await.context("hear from the controller")?;
                let text = String::from_utf8_lossy(message.get(..len).unwrap_or_default());
                if let Some(status) = text.lines().find_map(|line| line.strip_prefix("STATUS=")) {
                    return Ok(status.to_owned());
                }
            }
        };
        timeout(END, wait).await.context("the controller did not say how its reload went")?
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(kill_process(pid.context("the controller has ended")?, signal)?)
    }

    pub(super) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("kill the controller")
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).context("ask the controller to stop")?;
        }
        let status =
            timeout(END, self.child.wait()).await.context("the controller did not stop")?;
        let status = status.context("wait for the controller")?;
        ensure!(status.success(), "the controller ended with {status} when asked to stop");
        Ok(())
    }
}

/// What the program prints of a configuration that it takes.
pub(super) async fn checked(
    program: &Path,
    file: &Path,
    environment: Vec<(&'static str, String)>,
) -> Result<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(["config", "check", "--config"]).arg(file).env_clear().envs(environment);
    let output = timeout(END, command.kill_on_drop(true).output()).await;
    let output = output.context("the check of a configuration did not end")?;
    let output = output.with_context(|| format!("start {}", program.display()))?;
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    ensure!(output.status.success(), "the configuration is refused: {out}{err}");
    Ok(format!("{out}{err}"))
}

/// The program, or what becomes it.
fn command(program: &Path, wrapper: &[String]) -> Command {
    let Some((first, rest)) = wrapper.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}
