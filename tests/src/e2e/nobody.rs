//! An address at which nobody listens, and nobody else will for as long as it is kept: a port that is
//! merely free may be somebody's a moment later.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::net::TcpSocket;

/// A port that is taken, and refuses connections.
#[derive(Debug)]
pub(crate) struct Nobody {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Nobody {
    pub(crate) fn new() -> Result<Self> {
        let socket = TcpSocket::new_v4().context("make a socket")?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).context("take a port")?;
        let address = socket.local_addr().context("read the address")?;
        Ok(Self { address, _socket: socket })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
