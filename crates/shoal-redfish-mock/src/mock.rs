//! The handle of a running mock machine: starts it, shows what happened, and ends it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    Away, Config, Faults, HostScript, Journal,
    bmc::Bmc,
    board::{BootOverride, HostPhase, SlotState},
    config::uuid_of,
    door::{self, Door},
    host,
    timeline::{Boot, Moment, NotSeen},
    tls::TlsError,
};

/// Why a mock machine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[from] TlsError),
    /// The scratch directory could not be made.
    #[error("the scratch directory could not be made")]
    Scratch(#[source] io::Error),
    /// The address could not be listened on.
    #[error("{address} could not be listened on")]
    Listen {
        /// The address from the configuration.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A machine's state at one moment, as it is and not as its BMC reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether the host has power.
    pub on: bool,
    /// Where the host stands.
    pub phase: HostPhase,
    /// Every slot, in the persona's order.
    pub slots: Vec<SlotState>,
    /// The boot override.
    pub boot: BootOverride,
    /// Whether the disk holds a complete operating system.
    pub installed: bool,
    /// How many sessions are open.
    pub sessions: usize,
}

/// A running mock machine: a BMC over HTTPS and the host behind it.
///
/// Dropping it stops it without waiting; [`Mock::shutdown`] also waits until all of its tasks
/// have ended and its child processes are killed.
pub struct Mock {
    bmc: Arc<Bmc>,
    address: SocketAddr,
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mock").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Mock {
    /// Starts a machine. Must be called within a Tokio runtime.
    #[expect(clippy::unused_async, reason = "it needs a runtime, which an async function shows")]
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let address = config.listen;
        host::prepare_scratch(&config.host.scratch).map_err(StartError::Scratch)?;
        let bmc = Arc::new(Bmc::new(config)?);
        let (door, listener) =
            Door::open(address).map_err(|source| StartError::Listen { address, source })?;
        let address = door.address();
        bmc.tasks.spawn(door::serve(Arc::clone(&bmc), door, listener));
        Ok(Self { bmc, address })
    }

    /// `https://address:port` of the BMC.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The address the BMC listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of the BMC's certificate, lower-case hexadecimal.
    pub fn cert_sha256(&self) -> String {
        self.bmc.shown().identity.sha256
    }

    /// The requests the BMC received.
    pub fn journal(&self) -> &Journal {
        &self.bmc.journal
    }

    /// The faults that strike them.
    pub fn faults(&self) -> &Faults {
        &self.bmc.faults
    }

    /// What is true of the machine now.
    pub fn state(&self) -> State {
        let now = self.bmc.clock.now();
        let sessions = self.bmc.sessions().all(&self.bmc.persona.sessions, now).len();
        let board = self.bmc.board();
        let slots = self.bmc.persona.slots.iter().zip(&board.sockets);
        State {
            on: board.on,
            phase: board.phase,
            slots: slots
                .map(|(facts, socket)| SlotState {
                    id: facts.id.clone(),
                    image: socket.medium.as_ref().map(|medium| medium.url().clone()),
                })
                .collect(),
            boot: board.boot.clone(),
            installed: board.installed,
            sessions,
        }
    }

    /// Every boot of the host, in order.
    pub fn boots(&self) -> Vec<Boot> {
        self.bmc.board().boots.clone()
    }

    /// Everything that happened, in order.
    pub fn events(&self) -> Vec<Moment> {
        self.bmc.timeline.all()
    }

    /// The first event, past or future, that `wanted` accepts.
    ///
    /// `limit` is real time: it guards a test against waiting forever and is no part of the
    /// story. A manual clock must be advanced far enough by its hand.
    pub async fn wait_for(
        &self,
        limit: Duration,
        wanted: impl FnMut(&Moment) -> bool,
    ) -> Result<Moment, NotSeen> {
        self.bmc.timeline.wait_for(limit, wanted).await
    }

    /// Replaces the host's script from its next power-on.
    pub fn set_script(&self, script: HostScript) {
        self.bmc.set_script(script);
    }

    /// Ends every session, as a restart of the BMC does.
    pub fn end_sessions(&self) {
        self.bmc.sessions().clear();
    }

    /// Lets the BMC answer nothing for a while of clock time; the host runs on and media stay in.
    ///
    /// Connections are cut. [`Event::BmcAway`] tells when that is done, [`Event::BmcBack`] when the
    /// BMC answers again. A further absence replaces the one before.
    ///
    /// [`Event::BmcAway`]: crate::Event::BmcAway
    /// [`Event::BmcBack`]: crate::Event::BmcBack
    pub fn leave(&self, span: Duration, away: Away) {
        self.bmc.leave(self.bmc.clock.now(), span, away);
    }

    /// Restarts the BMC, which takes that much clock time: connections are refused, sessions are
    /// forgotten and media are dropped; the host runs on.
    pub fn restart_bmc(&self, span: Duration) {
        self.bmc.restart(self.bmc.clock.now(), span);
    }

    /// Puts another BMC into the machine: other certificate, this serial and a UUID derived from it,
    /// no sessions, no media, no override. Connections are cut. The host runs on and still knows its
    /// own serial.
    pub fn replace_bmc(&self, serial: &str) -> Result<(), TlsError> {
        self.bmc.replace(serial, uuid_of(serial))
    }

    /// Switches the host on by its own button, past the BMC; without effect on one that is on.
    pub fn press_power_button(&self) {
        let mut board = self.bmc.board();
        if !board.on {
            self.bmc.start_host(&mut board, self.bmc.clock.now());
        }
    }

    /// Takes mains power from the host, which comes on by itself when it returns; without effect on
    /// one that is off.
    pub fn cut_mains(&self, restore: Option<Duration>) {
        let now = self.bmc.clock.now();
        let mut board = self.bmc.board();
        if board.on {
            self.bmc.stop_host(&mut board, now, crate::Event::PowerLost);
            if let Some(after) = restore {
                self.bmc.start_later(&board, now + after);
            }
        }
    }

    /// Stops the machine and waits until nothing of it runs any more.
    pub async fn shutdown(self) {
        self.stop();
        self.bmc.tasks.wait().await;
    }

    fn stop(&self) {
        self.bmc.stop.cancel();
        self.bmc.tasks.close();
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stop();
    }
}
