//! Where hosts and BMCs reach this controller.
//!
//! What the operator configured wins; else the local address from which a packet to that BMC would
//! leave, because BMC networks often cannot reach any other.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use shoal_core::ServerSerial;
use shoal_store::ServerRecord;
use url::Url;

/// The controller's own addresses.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// `PUBLIC_URL`.
    pub(crate) public: Option<Url>,
    /// `MEDIA_URL_HTTPS`.
    pub(crate) media_https: Option<Url>,
    /// `MEDIA_URL_HTTP`.
    pub(crate) media_http: Option<Url>,
    /// Where the TLS listener is bound.
    pub(crate) api: SocketAddr,
    /// Where the plain media listener is bound.
    pub(crate) plain: Option<SocketAddr>,
}

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NoAddress {
    /// Plain media are not offered.
    #[error("the BMC takes media over http only; set MEDIA_HTTP_ADDR and MEDIA_URL_HTTP")]
    NoPlainListener,
    /// The override for one server is no host.
    #[error("the server's media_host {0:?} is no host name or address")]
    MediaHost(String),
}

impl Addresses {
    /// Base address of media for a server's BMC.
    pub(crate) fn media(&self, https: bool, server: &ServerRecord) -> Result<Url, NoAddress> {
        let configured = if https {
            self.media_https.as_ref().or(self.public.as_ref())
        } else {
            self.media_http.as_ref()
        };
        let mut base = match (configured, https, self.plain) {
            (Some(url), ..) => url.clone(),
            (None, true, _) => bound(self.api, "https", &server.server.bmc_address),
            (None, false, Some(plain)) => bound(plain, "http", &server.server.bmc_address),
            (None, false, None) => return Err(NoAddress::NoPlainListener),
        };
        if let Some(host) = &server.server.media_host {
            base.set_host(Some(host)).map_err(|_| NoAddress::MediaHost(host.clone()))?;
        }
        Ok(base)
    }

    /// Where the maintenance OS posts its reports.
    pub(crate) fn webhook(&self, serial: &ServerSerial, bmc_address: &str) -> String {
        let base = match &self.public {
            Some(url) => url.clone(),
            None => bound(self.api, "https", bmc_address),
        };
        format!("{}/api/v1/status-webhook/{serial}", base.as_str().trim_end_matches('/'))
    }

    /// Address prefixes of media that are ours, to tell stale images of ours from other people's.
    pub(crate) fn ours(&self) -> Vec<String> {
        [&self.media_https, &self.public, &self.media_http]
            .into_iter()
            .flatten()
            .map(|url| format!("{}/media/", url.as_str().trim_end_matches('/')))
            .collect()
    }
}

fn bound(at: SocketAddr, scheme: &str, bmc_address: &str) -> Url {
    let ip = if at.ip().is_unspecified() {
        towards(bmc_address).unwrap_or(IpAddr::from([127, 0, 0, 1]))
    } else {
        at.ip()
    };
    let address = SocketAddr::new(ip, at.port());
    Url::parse(&format!("{scheme}://{address}/")).unwrap_or_else(|_| fallback(scheme))
}

fn fallback(scheme: &str) -> Url {
    #[expect(clippy::expect_used, reason = "a literal of scheme and loopback address parses")]
    Url::parse(&format!("{scheme}://127.0.0.1/")).expect("a literal address")
}

/// The local address a packet to the BMC would carry. Connecting a UDP socket sends nothing.
fn towards(bmc_address: &str) -> Option<IpAddr> {
    let url = Url::parse(bmc_address).ok()?;
    let target = (url.host_str()?, url.port_or_known_default()?).to_socket_addrs().ok()?.next()?;
    let any: SocketAddr =
        if target.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
