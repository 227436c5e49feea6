//! Listening sockets that outlive the process they are handed to, as systemd's do: while the
//! controller is away its callers wait instead of being refused.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
};

use anyhow::{Context, Result};
use command_fds::{CommandFdExt, FdMapping};

/// Names of the sockets in the order of their descriptors.
const NAMES: [&str; 3] = ["api", "admin", "media"];
/// The first descriptor handed over (`sd_listen_fds`).
const FIRST: i32 = 3;

/// The listening sockets of one controller.
#[derive(Debug)]
pub(crate) struct Sockets(Vec<TcpListener>);

impl Sockets {
    /// Listens on loopback, on ports the kernel chooses.
    pub(crate) fn bind() -> Result<Self> {
        let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on loopback");
        NAMES.iter().map(bind).collect::<Result<_>>().map(Self)
    }

    /// Addresses of the API, the administrative and the plain media listener.
    pub(crate) fn addresses(&self) -> Result<[SocketAddr; 3]> {
        let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 3];
        for (address, listener) in addresses.iter_mut().zip(&self.0) {
            *address = listener.local_addr().context("read the address of a socket")?;
        }
        Ok(addresses)
    }

    /// Hands the sockets to a process about to be started.
    pub(crate) fn hand_to(&self, command: &mut Command) -> Result<()> {
        let mut mappings = Vec::new();
        for (child_fd, listener) in (FIRST..).zip(&self.0) {
            let parent_fd = listener.try_clone().context("hand over a socket")?.into();
            mappings.push(FdMapping { parent_fd, child_fd });
        }
        command.fd_mappings(mappings).context("hand over the sockets")?;
        command.env("LISTEN_FDS", NAMES.len().to_string()).env("LISTEN_FDNAMES", NAMES.join(":"));
        Ok(())
    }
}
