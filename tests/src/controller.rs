//! The real controller as a process: started with sockets that are ours, told by itself when it is
//! ready, and ended gently or not.

mod process;

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::Deserialize;

use self::process::{Process, Wakened};
use crate::{Api, BootMedium, Programs, Scrape, Workflow, socket::Sockets};

/// What one controller is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything it keeps, its configuration file and its log.
    pub directory: PathBuf,
    /// The directory of static images, which holds [`BootMedium::NAME`].
    pub static_dir: PathBuf,
    /// Budgets that differ from the product's defaults, by name; the same for every workflow.
    pub budgets: BTreeMap<&'static str, Duration>,
    /// Jobs that may work on a BMC at one time.
    pub workers: usize,
    /// Further variables of its environment; never printed, since some are secrets.
    pub environment: Environment,
    /// Words before its own on its command line: a program that becomes the controller.
    pub wrapper: Vec<String>,
}

/// Variables of an environment by name.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a controller says when it is ready.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// URL of the API.
    pub api: String,
    /// URL of the administrative listener.
    pub admin: String,
    /// The certificate of its authority, PEM.
    pub ca_file: PathBuf,
    /// A file with a bearer token of role admin.
    pub admin_token_file: PathBuf,
    /// Its process id.
    pub pid: u32,
    /// Its name among controllers.
    pub instance: String,
}

/// A controller that did not start.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub output: String,
}

/// A controller. Dropping it kills the process.
#[derive(Debug)]
pub struct Controller {
    program: PathBuf,
    config: Config,
    sockets: Sockets,
    process: Option<Process>,
    ready: Ready,
}

impl Config {
    /// The product's defaults, eight workers.
    pub fn new(directory: impl Into<PathBuf>, static_dir: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            static_dir: static_dir.into(),
            budgets: BTreeMap::new(),
            workers: 8,
            environment: Environment::default(),
            wrapper: Vec::new(),
        }
    }

    /// Started by a program that prepares something and then becomes the controller.
    #[must_use]
    pub fn wrapped(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.wrapper = words.into_iter().collect();
        self
    }

    /// With another variable in its environment.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.0.insert(name, value.into());
        self
    }

    /// With another budget for the jobs of every workflow, in whole seconds.
    #[must_use]
    pub fn budget(mut self, name: &'static str, seconds: u64) -> Self {
        self.budgets.insert(name, Duration::from_secs(seconds));
        self
    }

    /// The budgets that differ from the defaults, a line each, as they stand in the file.
    pub fn changed_budgets(&self) -> String {
        let line = |(name, span): (_, &Duration)| format!("{name} = \"{}s\"\n", span.as_secs());
        self.budgets.iter().map(line).collect()
    }

    /// The configuration file, with nothing but what differs from the defaults.
    fn file(&self) -> String {
        let lines = self.changed_budgets();
        if lines.is_empty() {
            return lines;
        }
        Workflow::ALL.map(|workflow| format!("[budgets.{}]\n{lines}", workflow.name())).concat()
    }

    /// The rest of the configuration, as a unit's environment would have it.
    fn environment(&self, addresses: &[SocketAddr; 3]) -> Vec<(&'static str, String)> {
        let [api, admin, media] = addresses;
        let mut environment = vec![
            ("CONTROLLER_HTTP_ADDR", api.to_string()),
            ("ADMIN_HTTP_ADDR", admin.to_string()),
            ("MEDIA_HTTP_ADDR", media.to_string()),
            ("PUBLIC_URL", format!("https://{api}")),
            ("MEDIA_URL_HTTP", format!("http://{media}")),
            ("STORAGE_ROOT", self.directory.join("storage").display().to_string()),
            ("STATIC_DIR", self.static_dir.display().to_string()),
            ("MAINTENANCE_ISO_URL", BootMedium::NAME.to_owned()),
            ("WORKER_CONCURRENCY", self.workers.to_string()),
            ("LOG_LEVEL", "info".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ];
        environment.retain(|(name, _)| !self.environment.0.contains_key(name));
        environment.extend(self.environment.0.clone());
        environment
    }

    fn log(&self) -> PathBuf {
        self.directory.join("controller.log")
    }

    /// What it printed to its standard error: nothing, once it was ready.
    fn errors(&self) -> PathBuf {
        self.directory.join("controller.stderr")
    }

    /// The last lines of both.
    fn tail(&self, lines: usize) -> String {
        let tails = [self.log(), self.errors()].map(|file| tail(&file, lines));
        tails.into_iter().filter(|tail| !tail.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

impl Controller {
    /// Starts a controller and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead, or is not ready in time; the end of its log is part of the message.
    pub async fn start(programs: &Programs, config: Config) -> Result<Self> {
        fs::create_dir_all(&config.directory)
            .with_context(|| format!("make {}", config.directory.display()))?;
        let file = config.directory.join("shoal.toml");
        fs::write(&file, config.file()).with_context(|| format!("write {}", file.display()))?;
        let sockets = Sockets::bind()?;
        let program = programs.controller.clone();
        let (process, ready) = launch(&program, &config, &sockets).await?;
        Ok(Self { program, config, sockets, process: Some(process), ready })
    }

    /// Starts a second controller on the files of this one, which must not let it.
    ///
    /// # Errors
    /// When it becomes ready, or does neither in time.
    pub async fn rival(&self) -> Result<Refusal> {
        let sockets = Sockets::bind()?;
        let mut config = self.config.clone();
        config.directory = self.config.directory.join("rival");
        fs::create_dir_all(&config.directory).context("make a directory for the rival")?;
        let mut environment = config.environment(&sockets.addresses()?);
        let storage = self.config.directory.join("storage").display().to_string();
        environment.push(("STORAGE_ROOT", storage));
        let file = self.config.directory.join("shoal.toml");
        let mut rival = Process::spawn(&self.program, &config, (&file, environment), &sockets)?;
        match rival.wakened().await? {
            Wakened::Ready => bail!("a second controller started on the same database"),
            Wakened::Ended(status) => {
                let output = [config.log(), config.errors()].map(fs::read_to_string);
                let output = output.into_iter().collect::<std::io::Result<String>>();
                let output = output.context("read what the rival printed")?;
                Ok(Refusal { code: status.code(), output })
            }
        }
    }

    /// What its metrics say now.
    pub async fn scrape(&self) -> Result<Scrape> {
        Scrape::read(&Scrape::fetch(&self.ready.admin).await?)
    }

    /// Keeps what its metrics say before it ends, for whoever looks at all of a run. One that hangs
    /// or is gone already has nothing to say.
    async fn last_scrape(&self) -> Result<()> {
        let Ok(text) = Scrape::fetch(&self.ready.admin).await else { return Ok(()) };
        let name = format!("scrape-{}.{}", self.ready.pid, Scrape::EXTENSION);
        let path = self.config.directory.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// What the controller said when it was ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// A caller with the administrator's token that trusts the controller's authority alone.
    pub fn api(&self) -> Result<Api> {
        Api::connect(&self.ready)
    }

    /// The certificate of the controller's authority, PEM.
    pub fn ca(&self) -> Result<String> {
        let path = &self.ready.ca_file;
        fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
    }

    /// Where everything of it is kept: its files, its configuration, its log.
    pub fn directory(&self) -> &Path {
        &self.config.directory
    }

    /// What its program prints of the configuration it runs with.
    ///
    /// # Errors
    /// When it would not start with that.
    pub async fn checked_configuration(&self) -> Result<String> {
        let file = self.config.directory.join("shoal.toml");
        let environment = self.config.environment(&self.sockets.addresses()?);
        process::checked(&self.program, &file, environment).await
    }

    /// Replaces its configuration file, which it reads at the next reload or start.
    pub fn write_file(&self, text: &str) -> Result<()> {
        let file = self.config.directory.join("shoal.toml");
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    }

    /// Asks it by signal to reload its configuration, and answers what it then tells its manager.
    pub async fn hang_up(&mut self) -> Result<String> {
        match &mut self.process {
            Some(process) => process.hang_up().await,
            None => bail!("the controller is not running"),
        }
    }

    /// Stops the process where it stands: it lives, holds what it holds, and does nothing.
    pub fn freeze(&self) -> Result<()> {
        self.running()?.signal(Signal::STOP).context("freeze the controller")
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) -> Result<()> {
        self.running()?.signal(Signal::CONT).context("let the controller go on")
    }

    fn running(&self) -> Result<&Process> {
        self.process.as_ref().context("the controller is not running")
    }

    /// Kills the process as a power failure would, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.last_scrape().await?;
        match self.process.take() {
            Some(process) => process.kill().await?,
            None => bail!("the controller is not running"),
        }
        drop_torn_line(&self.config.log())
    }

    /// Ends the process as a service manager does, to be started again.
    ///
    /// # Errors
    /// When it does not end cleanly in time.
    pub async fn pause(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.stop().await,
            None => bail!("the controller is not running"),
        }
    }

    /// Starts it again on the same files and sockets.
    pub async fn restart(&mut self) -> Result<()> {
        let (process, ready) = launch(&self.program, &self.config, &self.sockets).await?;
        self.process = Some(process);
        self.ready = ready;
        Ok(())
    }

    /// Ends the process as a service manager does.
    ///
    /// # Errors
    /// When it does not end cleanly in time.
    pub async fn stop(mut self) -> Result<()> {
        self.last_scrape().await?;
        match self.process.take() {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.config.tail(lines)
    }
}

async fn launch(program: &Path, config: &Config, sockets: &Sockets) -> Result<(Process, Ready)> {
    let file = config.directory.join("shoal.toml");
    let environment = config.environment(&sockets.addresses()?);
    let mut process = Process::spawn(program, config, (&file, environment), sockets)?;
    match process.wakened().await {
        Ok(Wakened::Ready) => {}
        Ok(Wakened::Ended(status)) => {
            bail!("the controller ended at start: {status}\n{}", config.tail(20))
        }
        Err(error) => return Err(error.context(config.tail(20))),
    }
    let path = config.directory.join("ready.json");
    let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let ready = serde_json::from_slice(&text).context("understand what the controller says")?;
    Ok((process, ready))
}

/// A kill may strike in the middle of a line of the log. The next start would go on behind its
/// beginning, and nobody could read either.
fn drop_torn_line(log: &Path) -> Result<()> {
    let text = fs::read(log).with_context(|| format!("read {}", log.display()))?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < text.len() {
        let file = fs::File::options().write(true).open(log);
        file.and_then(|file| file.set_len(whole as u64))
            .with_context(|| format!("cut {}", log.display()))?;
    }
    Ok(())
}

fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let skipped = text.lines().count().saturating_sub(lines);
    text.lines().skip(skipped).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_kill_tore_is_dropped_and_whole_ones_stay() {
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        for (before, after) in [("", ""), ("a\n", "a\n"), ("a\nb", "a\n"), ("a", "")] {
            fs::write(&log, before).unwrap();
            drop_torn_line(&log).unwrap();
            assert_eq!(fs::read_to_string(&log).unwrap(), after);
        }
    }

    #[test]
    fn the_configuration_file_holds_what_differs_from_the_defaults_and_nothing_else() {
        let config = Config::new("/a", "/b");
        assert_eq!(config.file(), "");
        let config = config.budget("settle", 2).budget("look", 1);
        let file = config.file();
        assert!(file.starts_with("[budgets.linux]\nlook = \"1s\"\nsettle = \"2s\"\n[budgets.win"));
    }
}
