//! Sockets a service manager opened before this process began. They outlive it, so that a restart
//! is a slow answer for a BMC in the middle of a medium, and not a refused connection.

use std::{env, io, net::TcpListener};

use listenfd::ListenFd;

/// Sockets that were handed over, by the names of the protocol (`FileDescriptorName=`).
#[derive(Debug, Default)]
pub struct Activated {
    /// `api`
    pub api: Option<TcpListener>,
    /// `admin`
    pub admin: Option<TcpListener>,
    /// `media`
    pub media: Option<TcpListener>,
}

/// Sockets were handed over in a way that leaves open what they are for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidActivation {
    /// `LISTEN_FDNAMES` names another number of sockets than `LISTEN_FDS`.
    #[error("match {sockets} sockets of LISTEN_FDS to {names} names of LISTEN_FDNAMES")]
    Count {
        /// How many sockets there are.
        sockets: usize,
        /// How many names.
        names: usize,
    },
    /// A name is none of ours.
    #[error("use the socket named {name:?}: expected api, admin or media")]
    Name {
        /// The name.
        name: String,
    },
    /// Two sockets have one name.
    #[error("use the socket named {name:?}: there are two of them")]
    Twice {
        /// The name.
        name: String,
    },
    /// It is no listening TCP socket.
    #[error("use the socket named {name:?}")]
    Socket {
        /// The name.
        name: String,
        /// What it is instead.
        source: io::Error,
    },
}

impl Activated {
    /// Takes the sockets of `LISTEN_FDS`; none without it, or when `LISTEN_PID` is another process.
    ///
    /// This changes the environment, so it belongs at the begin of `main`, before any thread.
    pub fn take() -> Result<Self, InvalidActivation> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        if sockets.len() == 0 {
            return Ok(Self::default());
        }
        let names: Vec<&str> = names.split(':').filter(|name| !name.is_empty()).collect();
        if names.len() != sockets.len() {
            return Err(InvalidActivation::Count { sockets: sockets.len(), names: names.len() });
        }
        let mut taken = Self::default();
        for (index, name) in names.into_iter().enumerate() {
            let named = || name.to_owned();
            let place = match name {
                "api" => &mut taken.api,
                "admin" => &mut taken.admin,
                "media" => &mut taken.media,
                _ => return Err(InvalidActivation::Name { name: named() }),
            };
            if place.is_some() {
                return Err(InvalidActivation::Twice { name: named() });
            }
            let socket = sockets.take_tcp_listener(index);
            *place =
                socket.map_err(|source| InvalidActivation::Socket { name: named(), source })?;
        }
        Ok(taken)
    }
}
