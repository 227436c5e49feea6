//! Where a BMC answers the network, and when it does not: the listening socket, the connections on
//! it, and the port, which stays its own while nobody listens there.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{bmc::Bmc, server, timeline::Event};

const HANDSHAKE: Duration = Duration::from_secs(30);
const BACKLOG: u32 = 1024;
/// Pause after a failure to listen or to accept, which passes when descriptors are free again.
const BREATH: Duration = Duration::from_millis(10);

/// How a BMC that is away treats connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Nobody listens: connections are refused.
    Refused,
    /// Connections are taken and reset at once.
    Reset,
}

/// Whether a BMC answers the network, and which absence this is or was the end of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Here { absence: u64 },
    Away { absence: u64, away: Away },
}

impl Default for Presence {
    fn default() -> Self {
        Self::Here { absence: 0 }
    }
}

impl Presence {
    pub(crate) fn absence(self) -> u64 {
        match self {
            Self::Here { absence } | Self::Away { absence, .. } => absence,
        }
    }
}

/// The address of a BMC.
pub(crate) struct Door {
    address: SocketAddr,
    /// Bound and never listening: it keeps the port while the BMC is away.
    _keeper: TcpSocket,
}

impl Door {
    /// Takes the address and begins to listen; port 0 lets the kernel choose.
    pub(crate) fn open(address: SocketAddr) -> io::Result<(Self, TcpListener)> {
        // A port that is shared would be shared with strangers too: nobody may listen there yet.
        drop(unshared(address)?);
        let keeper = socket(address)?;
        let address = keeper.local_addr()?;
        let door = Self { address, _keeper: keeper };
        let listener = door.listen()?;
        Ok((door, listener))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&self) -> io::Result<TcpListener> {
        socket(self.address)?.listen(BACKLOG)
    }
}

fn unshared(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Keeper and listener share the port; connections go to the one that listens.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Serves the BMC whenever it is here, until it stops.
pub(crate) async fn serve(bmc: Arc<Bmc>, door: Door, listener: TcpListener) {
    let stop = bmc.stop.clone();
    stop.run_until_cancelled(attend(bmc, door, listener)).await;
}

async fn attend(bmc: Arc<Bmc>, door: Door, first: TcpListener) {
    let mut presence = bmc.presence.subscribe();
    let mut listener = Some(first);
    let mut lines = Lines::new(&bmc);
    let mut known = Presence::default().absence();
    let mut told_away = false;
    loop {
        let now = *presence.borrow_and_update();
        let away = matches!(now, Presence::Away { .. });
        if matches!(now, Presence::Away { away: Away::Refused, .. }) {
            listener = None;
        }
        // An absence that is over already cuts its connections all the same.
        if now.absence() != known {
            known = now.absence();
            lines.cut().await;
            lines = Lines::new(&bmc);
            bmc.timeline.push(bmc.clock.now(), Event::BmcAway);
            told_away = true;
        }
        if away && listener.is_none() {
            // The sender lives in the BMC, so the wait cannot end with an error.
            let _ = presence.changed().await;
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => listen_patiently(&door).await,
        };
        if !away && std::mem::take(&mut told_away) {
            bmc.timeline.push(bmc.clock.now(), Event::BmcBack);
        }
        let accepting = async {
            loop {
                let Some(stream) = accept(&open).await else { continue };
                if away {
                    // The peer sees a reset and not an orderly end.
                    let _ = stream.set_zero_linger();
                } else {
                    lines.take(&bmc, stream);
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = presence.changed() => {}
        }
        listener = Some(open);
    }
}

/// The connections of one presence.
struct Lines {
    cut: CancellationToken,
    open: TaskTracker,
}

impl Lines {
    fn new(bmc: &Bmc) -> Self {
        Self { cut: bmc.stop.child_token(), open: TaskTracker::new() }
    }

    fn take(&self, bmc: &Arc<Bmc>, stream: TcpStream) {
        let connection = connection(Arc::clone(bmc), stream);
        let cut = self.cut.clone();
        let connected = async move { cut.run_until_cancelled(connection).await };
        bmc.tasks.spawn(self.open.track_future(connected));
    }

    /// Cuts all connections, and returns when none of them can answer any more.
    async fn cut(&self) {
        self.cut.cancel();
        self.open.close();
        self.open.wait().await;
    }
}

async fn listen_patiently(door: &Door) -> TcpListener {
    loop {
        match door.listen() {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::warn!(%error, "the mock BMC could not listen again");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            tracing::warn!(%error, "the mock BMC could not accept a connection");
            tokio::time::sleep(BREATH).await;
            None
        }
    }
}

async fn connection(bmc: Arc<Bmc>, stream: TcpStream) {
    // Answers are small and awaited; they must not wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let acceptor = bmc.shown().identity.acceptor;
    let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        tracing::debug!("a TLS handshake with the mock BMC failed");
        return;
    };
    let number = bmc.journal.connected();
    let service = service_fn(|request| {
        let bmc = Arc::clone(&bmc);
        async move { server::respond(bmc, number, request).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(bmc.persona.connections.kept)
        .serve_connection(TokioIo::new(tls), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the mock BMC ended early");
    }
}
