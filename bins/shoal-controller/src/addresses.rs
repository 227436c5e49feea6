//! Where hosts and BMCs reach this controller.
//!
//! What the operator configured wins; else the local address from which a packet to that BMC would
//! leave, because BMC networks often cannot reach any other.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use shoal_core::ServerSerial;
use shoal_store::ServerRecord;
use tokio::net::{UdpSocket, lookup_host};
use url::Url;

/// How long a name may take to be resolved. A resolver that answers later is as good as none.
const LOOKUP: Duration = Duration::from_secs(10);

/// Where media are served, behind a base address. Every image of ours has one of these in its path.
const MEDIA: [&str; 2] = ["/media/b/", "/media/t/"];

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
    /// Nothing leads to the BMC now, so nobody can say under which address it would reach us.
    #[error(
        "no route to the BMC at {bmc}, so our own address towards it is not known: mend the network \
         or the name, or say the address with {setting}"
    )]
    NoRoute {
        /// Host and port of the BMC.
        bmc: String,
        /// What can be set instead.
        setting: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl NoAddress {
    /// Whether time may mend it.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::NoRoute { .. })
    }
}

impl Addresses {
    /// Base address of media for a server's BMC.
    pub(crate) async fn media(&self, https: bool, server: &ServerRecord) -> Result<Url, NoAddress> {
        let server = &server.server;
        let (configured, listener, scheme, setting) = if https {
            let configured = self.media_https.as_ref().or(self.public.as_ref());
            (configured, Some(self.api), "https", "MEDIA_URL_HTTPS or the server's media_host")
        } else {
            let setting = "MEDIA_URL_HTTP or the server's media_host";
            (self.media_http.as_ref(), self.plain, "http", setting)
        };
        let mut base = match (configured, listener, &server.media_host) {
            (Some(url), ..) => url.clone(),
            (None, None, _) => return Err(NoAddress::NoPlainListener),
            // The host is named below, so no route is needed to know it.
            (None, Some(at), Some(_)) => url(scheme, SocketAddr::new(at.ip(), at.port())),
            (None, Some(at), None) => {
                let local = local(at, &server.bmc_address).await;
                url(scheme, local.map_err(|source| no_route(&server.bmc_address, setting, source))?)
            }
        };
        if let Some(host) = &server.media_host {
            base.set_host(Some(host)).map_err(|_| NoAddress::MediaHost(host.clone()))?;
        }
        Ok(base)
    }

    /// Where the maintenance OS posts its reports.
    pub(crate) async fn webhook(
        &self,
        serial: &ServerSerial,
        bmc_address: &str,
    ) -> Result<String, NoAddress> {
        let base = self.base(bmc_address).await?;
        Ok(format!("{}/api/v1/status-webhook/{serial}", base.as_str().trim_end_matches('/')))
    }

    /// The base address of our registry as a recipe writes it, if the registry it names (a host,
    /// perhaps with a port) is this controller as the machine of that BMC reaches it.
    pub(crate) async fn registry(
        &self,
        named: &str,
        bmc_address: &str,
    ) -> Result<Option<String>, NoAddress> {
        let base = self.base(bmc_address).await?;
        let Ok(named) = Url::parse(&format!("{}://{named}/", base.scheme())) else {
            return Ok(None);
        };
        let same = |ours: &Url| target(ours).is_some() && target(ours) == target(&named);
        let ours = same(&base) || self.media_https.as_ref().is_some_and(same);
        Ok(ours.then(|| named.as_str().trim_end_matches('/').to_owned()))
    }

    /// Where hosts reach us.
    async fn base(&self, bmc_address: &str) -> Result<Url, NoAddress> {
        if let Some(url) = &self.public {
            return Ok(url.clone());
        }
        let local = local(self.api, bmc_address).await;
        Ok(url("https", local.map_err(|source| no_route(bmc_address, "PUBLIC_URL", source))?))
    }

    /// Beginnings of the paths of media that are ours, to tell stale images of ours from other
    /// people's. The host says nothing: some BMCs show another than they were given.
    pub(crate) fn ours(&self) -> Vec<String> {
        let configured = [&self.media_https, &self.public, &self.media_http];
        let bases = configured.into_iter().flatten().map(|url| url.path().trim_end_matches('/'));
        let mut bases: Vec<&str> = bases.chain([""]).collect();
        bases.sort_unstable();
        bases.dedup();
        bases.iter().flat_map(|base| MEDIA.map(|media| format!("{base}{media}"))).collect()
    }
}

fn no_route(bmc_address: &str, setting: &'static str, source: io::Error) -> NoAddress {
    let bmc = Url::parse(bmc_address).ok().and_then(|url| Some(target(&url)?.join(":")));
    NoAddress::NoRoute { bmc: bmc.unwrap_or_else(|| bmc_address.to_owned()), setting, source }
}

fn url(scheme: &str, at: SocketAddr) -> Url {
    #[expect(clippy::expect_used, reason = "a scheme of ours and a socket address make a URL")]
    Url::parse(&format!("{scheme}://{at}/")).expect("an address")
}

/// The address of a listener of ours as a BMC sees it.
async fn local(listener: SocketAddr, bmc_address: &str) -> io::Result<SocketAddr> {
    if !listener.ip().is_unspecified() {
        return Ok(listener);
    }
    let ip = tokio::time::timeout(LOOKUP, towards(bmc_address)).await??;
    Ok(SocketAddr::new(ip, listener.port()))
}

/// The local address a packet to the BMC would carry. Connecting a UDP socket sends nothing.
async fn towards(bmc_address: &str) -> io::Result<IpAddr> {
    let url = Url::parse(bmc_address).map_err(io::Error::other)?;
    let [host, port] = target(&url).ok_or(io::ErrorKind::InvalidInput)?;
    let mut found = lookup_host(format!("{host}:{port}")).await?;
    let target = found.next().ok_or(io::ErrorKind::NotFound)?;
    let any: SocketAddr =
        if target.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    Ok(socket.local_addr()?.ip())
}

fn target(url: &Url) -> Option<[String; 2]> {
    Some([url.host_str()?.to_owned(), url.port_or_known_default()?.to_string()])
}

#[cfg(test)]
mod tests;
