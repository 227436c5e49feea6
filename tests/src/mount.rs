//! A file system of the controller's own, which can be full or read-only without any other process
//! seeing it: a mount namespace that begins with the controller's process and ends with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::Config;

/// Who fills a file system that is being written to may come too late this often.
const TRIES: usize = 20;
/// The tools lie here; a controller's environment names no place to look for programs.
const SEARCH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory on which a controller's process finds a file system of its own.
#[derive(Clone, Debug)]
pub struct OwnMount {
    at: PathBuf,
}

impl OwnMount {
    /// A mount at a directory, which is made.
    pub fn at(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        Ok(Self { at: directory })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.at
    }

    /// The configuration of a controller that finds an empty file system there, with room for so much
    /// (`64k`, `1g`).
    #[must_use]
    pub fn empty(&self, config: Config, room: &str) -> Config {
        self.begin(config, &format!("mount -t tmpfs -o size={room} tmpfs \"$at\""))
    }

    /// The configuration of a controller that cannot write to what is there.
    #[must_use]
    pub fn read_only(&self, config: Config) -> Config {
        let remount = "mount --bind \"$at\" \"$at\" && mount -o remount,bind,ro \"$at\"";
        self.begin(config, remount)
    }

    fn begin(&self, config: Config, mount: &str) -> Config {
        let script = format!("at=$1; shift; {mount} && exec \"$@\"");
        let at = self.at.display().to_string();
        let words = ["unshare", "--mount", "sh", "-c", &script, "sh", &at].map(str::to_owned);
        // What became the controller before becomes it in here.
        let words = words.into_iter().chain(config.wrapper.clone()).collect::<Vec<_>>();
        config.set("PATH", SEARCH).wrapped(words)
    }

    /// Changes the room of the file system that the process `pid` has there.
    ///
    /// # Errors
    /// Also when more is in use already.
    pub async fn resize(&self, pid: u32, room: &str) -> Result<()> {
        let namespace = format!("--mount=/proc/{pid}/ns/mnt");
        let options = format!("remount,size={room}");
        let output = Command::new("nsenter")
            .env("PATH", SEARCH)
            .args([&namespace, "mount", "-o", &options])
            .arg(&self.at)
            .kill_on_drop(true)
            .output()
            .await
            .context("start nsenter (apt-get install -y util-linux)")?;
        well(&output).with_context(|| format!("give {} {room}", self.at.display()))
    }

    /// Takes so much of the room for a file of nothing, as the process `pid` sees it.
    ///
    /// # Errors
    /// When there is less.
    pub fn occupy(&self, pid: u32, bytes: usize) -> Result<()> {
        let path = self.seen_by(pid).join("ballast");
        fs::write(&path, vec![0; bytes]).with_context(|| format!("write {}", path.display()))
    }

    fn seen_by(&self, pid: u32) -> PathBuf {
        let root = Path::new("/proc").join(pid.to_string()).join("root");
        root.join(self.at.strip_prefix("/").unwrap_or(&self.at))
    }

    /// Leaves no room at all in it: what is in use stays, and not a page more.
    pub async fn fill(&self, pid: u32) -> Result<()> {
        let seen = self.seen_by(pid);
        let mut filled = Ok(());
        for _ in 0..TRIES {
            let stat = rustix::fs::statvfs(&seen);
            let stat = stat.with_context(|| format!("ask {}", seen.display()))?;
            let used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize;
            filled = self.resize(pid, &used.max(stat.f_frsize).to_string()).await;
            if filled.is_ok() {
                break;
            }
        }
        filled
    }
}

fn well(output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    Ok(())
}
