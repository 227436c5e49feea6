//! The signals that ask this process to stop.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Returns when SIGTERM or SIGINT arrives. A second one ends the process at once.
pub(crate) async fn stop_requested() -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("failed to listen for signals");
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let first = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = first, "stopping; a second signal ends the process at once");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(())
}
