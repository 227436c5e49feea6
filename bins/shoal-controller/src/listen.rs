//! Sockets and the connections that come through them. Strangers can reach these ports, so every
//! stage a peer can linger in has a limit of its own, and stopping never cuts what can still end.

mod activation;
mod answer;
mod connection;
mod files;
mod places;
mod stamp;

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{settings::Http, tls::Tls};
pub use activation::{Activated, InvalidActivation};
use connection::Connection;
pub(crate) use files::raise as raise_file_limit;
use places::Places;

/// Between two attempts when the system has no room for another connection.
const BREATH: Duration = Duration::from_millis(100);

/// A socket that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} ({key})")]
pub struct Error {
    /// The key of the configuration that asks for it.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// The sockets of this process, bound and not yet served.
#[derive(Debug)]
pub struct Sockets {
    /// HTTPS.
    pub api: StdListener,
    /// Plain, without login.
    pub admin: StdListener,
    /// Plain, media only.
    pub media: Option<StdListener>,
}

impl Sockets {
    /// Takes what the service manager has opened and binds the rest.
    pub fn open(http: &Http, activated: Activated) -> Result<Self, Error> {
        let have = |taken: Option<StdListener>, key, address| match taken {
            Some(listener) => Ok(listener),
            None => StdListener::bind(address).map_err(|source| Error { key, address, source }),
        };
        let media = match (activated.media, http.media_addr) {
            (None, None) => None,
            (Some(listener), _) => Some(listener),
            (None, Some(address)) => Some(have(None, "MEDIA_HTTP_ADDR", address)?),
        };
        Ok(Self {
            api: have(activated.api, "CONTROLLER_HTTP_ADDR", http.api_addr)?,
            admin: have(activated.admin, "ADMIN_HTTP_ADDR", http.admin_addr)?,
            media,
        })
    }
}

/// How long a peer may linger, and how many may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time; for a further one the connection that is idle longest is cut, and it
    /// waits while none is.
    pub connections: usize,
    /// From accepted until the TLS handshake is over.
    pub handshake: Duration,
    /// From there until the head of the first request is here; over HTTP/1 also between two requests
    /// and within the head of each.
    pub head: Duration,
    /// From stop until connections are cut whatever they are doing.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            drain: Duration::from_secs(10),
        }
    }
}

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy when the time was over.
    pub cut: usize,
}

/// Serves a router on a socket until `stop`, over TLS if there is a certificate. Then accepts
/// nothing more, lets requests under way finish within [`Limits::drain`], and cuts the rest.
///
/// Handlers find the peer as an extension [`SocketAddr`], and as [`axum::extract::ConnectInfo`].
///
/// # Errors
/// Only when the socket cannot be used at all; nothing a peer does ends the listener.
pub async fn serve(
    listener: StdListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<Drained> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    let places = Places::new(limits.connections, cut.clone());
    let connection = Connection::new(tls.as_deref(), router, limits, stop.clone());
    let accept = async {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_peer(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    sleep(BREATH).await;
                    continue;
                }
            };
            let Some(place) = places.take().await else { return };
            let (connection, cut) = (connection.clone(), place.cut().clone());
            connections.spawn(async move {
                cut.run_until_cancelled(connection.run(stream, peer, place)).await;
            });
        }
    };
    stop.run_until_cancelled(accept).await;
    drop(listener);
    connections.close();
    let ended = timeout(limits.drain, connections.wait()).await;
    let remaining = if ended.is_ok() { 0 } else { connections.len() };
    cut.cancel();
    connections.wait().await;
    Ok(Drained { cut: remaining })
}

/// The peer went away between its arrival and our look; nothing is wrong with the socket.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
