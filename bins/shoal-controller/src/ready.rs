//! Telling others that everything listens: a file for scripts and tests, a notification for the
//! service manager. Both come last, so that whoever waits for them may connect at once.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

/// What the ready file says.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// Base URL of the HTTPS listener, with the port in use.
    pub api: String,
    /// Base URL of the admin listener.
    pub admin: String,
    /// Base URL of the plain media listener, `null` without one.
    pub media_http: Option<String>,
    /// Certificates to trust.
    pub ca_file: PathBuf,
    /// SHA-256 of the authority, lower-case hexadecimal.
    pub ca_sha256: String,
    /// Where an administrator's token is.
    pub admin_token_file: PathBuf,
    /// This process.
    pub pid: u32,
    /// The name of this instance.
    pub instance: String,
}

impl Ready {
    /// Writes the file, if one is wanted, and notifies the service manager, if there is one.
    ///
    /// The file appears whole or not at all: whoever polls for it may read at once.
    pub fn announce(&self, file: Option<&Path>) -> io::Result<()> {
        if let Some(file) = file {
            let mut draft = file.as_os_str().to_owned();
            draft.push(format!(".{}", self.pid));
            let draft = PathBuf::from(draft);
            let mut out = fs::File::create(&draft)?;
            serde_json::to_writer(&mut out, self)?;
            out.write_all(b"\n")?;
            fs::rename(&draft, file)?;
        }
        notify(sd_notify::NotifyState::Ready);
        Ok(())
    }
}

/// Tells the service manager that the stop it asked for is under way.
pub fn stopping() {
    notify(sd_notify::NotifyState::Stopping);
}

/// Tells the service manager that a reload is under way.
pub fn reloading() {
    notify(sd_notify::NotifyState::Reloading);
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        notify(now);
    }
}

/// Tells the service manager that the reload is over, and how it went.
pub fn reloaded(told: &str) {
    notify(sd_notify::NotifyState::Status(told));
    notify(sd_notify::NotifyState::Ready);
}

/// Without a service manager this does nothing; a failure costs the notification and no more.
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "could not notify the service manager");
    }
}

/// The URL of a listener as others on this machine reach it.
pub fn local_url(scheme: &str, address: std::net::SocketAddr) -> String {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("{scheme}://{reachable}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ready.json");
        fs::write(&file, "x".repeat(10_000)).unwrap();
        let ready = Ready {
            api: local_url("https", "0.0.0.0:8443".parse().unwrap()),
            admin: local_url("http", "[::]:9090".parse().unwrap()),
            media_http: None,
            ca_file: "/s/tls/ca.pem".into(),
            ca_sha256: "ab".into(),
            admin_token_file: "/s/secrets/admin-token".into(),
            pid: 7,
            instance: "one".into(),
        };

        ready.announce(Some(&file)).unwrap();

        let written: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let expected = serde_json::json!({
            "api": "https://127.0.0.1:8443", "admin": "http://[::1]:9090", "media_http": null,
            "ca_file": "/s/tls/ca.pem", "ca_sha256": "ab",
            "admin_token_file": "/s/secrets/admin-token", "pid": 7, "instance": "one",
        });
        assert_eq!(written, expected);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
