//! The signals that ask this process to stop.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The two signals. Made first thing, so that a signal during a long start is not lost.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// From here on the signals no longer kill the process by themselves.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("failed to listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Returns when one arrives. A second one ends the process at once.
    pub(crate) async fn requested(mut self) {
        let first = self.next().await;
        tracing::info!(signal = first, "stopping; a second signal ends the process at once");
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(130);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
