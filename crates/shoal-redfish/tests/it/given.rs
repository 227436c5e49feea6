//! What the tests start from: options without long pauses, images, requests.

use std::{sync::mpsc, time::Duration};

use shoal_redfish::{
    Checkpoint, Fingerprint, MediaUrl, Options, PlanRequest, Tls, Urls, profile::Profiles,
};

pub(crate) fn any() -> Tls {
    Tls::Insecure { reason: "a test on loopback".to_owned() }
}

pub(crate) fn pinned(pin: Fingerprint) -> Tls {
    Tls::Pin(pin)
}

/// Longer than any state that comes about takes to come, on a machine however busy.
const LONG: Duration = Duration::from_mins(1);

/// Short pauses; nothing is measured in time.
pub(crate) fn quick() -> Options {
    Options {
        backoff_first: Duration::from_millis(1),
        backoff_most: Duration::from_millis(2),
        poll_first: Duration::from_millis(1),
        poll_most: Duration::from_millis(2),
        power_timeout: LONG,
        busy_timeout: LONG,
        ..Options::default()
    }
}

/// The same with profiles that wait for nothing to settle, for states that never come about: the
/// wait for them ends soon.
pub(crate) fn impatient() -> Options {
    let power_timeout = Duration::from_millis(300);
    Options { power_timeout, busy_timeout: Duration::from_secs(5), ..unsettled() }
}

/// The same with profiles that wait for nothing to settle.
pub(crate) fn unsettled() -> Options {
    let directory = tempfile::tempdir().unwrap();
    for (name, condition, rest) in [
        ("idrac9-6x", "root = [\"Dell*\"]", "identity.serial = [\"SKU\"]\n"),
        ("ilo5", "manager_model = [\"iLO 5*\"]", ""),
        (
            "xcc",
            "manager_model = [\"Lenovo XClarity*\"]",
            "media.patch = true\nmedia.eject = [\"patch_inserted\", \"patch_image\"]\n",
        ),
    ] {
        let text = format!(
            "name = \"{name}\"\nrank = 99\nmedia.settle_seconds = 0\n{rest}[when]\n{condition}\n"
        );
        std::fs::write(directory.path().join(format!("{name}.toml")), text).unwrap();
    }
    Options { profiles: Profiles::with_overrides(directory.path()).unwrap(), ..quick() }
}

/// Time that passes only where a test has it pass. A paused clock alone would run ahead while bytes
/// are on their way through a socket.
pub(crate) struct StoppedTime {
    _release: mpsc::Sender<()>,
}

impl StoppedTime {
    pub(crate) fn new() -> Self {
        tokio::time::pause();
        let (release, held) = mpsc::channel::<()>();
        // While a blocking task runs, the clock goes only where it is told to.
        drop(tokio::task::spawn_blocking(move || held.recv()));
        Self { _release: release }
    }

    /// Has second after second pass, for ever.
    pub(crate) async fn goes_on(&self) {
        loop {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}

pub(crate) fn urls() -> Urls {
    Urls {
        boot: MediaUrl::parse("https://10.0.0.5:8443/media/b/bootcapability/boot.iso").unwrap(),
        task: Some(
            MediaUrl::parse("https://10.0.0.5:8443/media/t/taskcapability/task.img").unwrap(),
        ),
    }
}

/// A caller that keeps no checkpoints.
#[expect(clippy::unnecessary_wraps, reason = "the shape is that of a function that stores")]
pub(crate) fn forget(_: &Checkpoint) -> std::io::Result<()> {
    Ok(())
}

pub(crate) fn request() -> PlanRequest {
    PlanRequest { expected_serial: None, ..PlanRequest::default() }
}
