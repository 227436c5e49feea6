//! Runs the real programs of the maintenance OS: bounded in time, with an empty environment, and
//! killed with the run that started them.

use std::{ffi::OsStr, fs::File, io, path::Path, process::Stdio, time::Duration};

use tokio::process::Command;

/// Attempts at starting a program whose file is still held open for writing by a process that
/// is just being made elsewhere in this one; it lets go within milliseconds, if the machine has any
/// time for it.
const ATTEMPTS: u32 = 4_000;

/// Runs a program to its end and answers its exit code, or `None` when it could not be started,
/// was killed, or did not end in time. What it prints is appended to `log`.
pub(super) async fn run(
    program: &Path,
    arguments: &[&OsStr],
    log: &Path,
    limit: Duration,
) -> Option<i32> {
    let started = start(program, arguments, log).await;
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(program = %program.display(), %error, "a program did not start");
            return None;
        }
    };
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(Ok(status)) => status.code(),
        Ok(Err(error)) => {
            tracing::warn!(program = %program.display(), %error, "a program could not be awaited");
            None
        }
        // The child is killed as it goes out of scope.
        Err(_) => {
            tracing::warn!(program = %program.display(), "a program did not end in time");
            None
        }
    }
}

async fn start(
    program: &Path,
    arguments: &[&OsStr],
    log: &Path,
) -> io::Result<tokio::process::Child> {
    let mut attempt = 1;
    loop {
        let output = File::options().create(true).append(true).open(log)?;
        let spawned = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn();
        match spawned {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && attempt < ATTEMPTS =>
            {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            settled => return settled,
        }
    }
}
