//! Being asked to stop. Our processes lie in groups of their own, so nobody but us ends them: a
//! program must leave its work by returning, which kills what it started, and not by dying itself.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears interrupts and requests to terminate from the moment it is made.
#[derive(Debug)]
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Begins to hear. To be called before anything is started.
    pub fn listen() -> Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("hear interrupts")?;
        let terminate = signal(SignalKind::terminate()).context("hear requests to terminate")?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits until one came, also one that came before.
    pub async fn came(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
