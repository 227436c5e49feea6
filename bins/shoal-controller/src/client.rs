//! Who a caller is: the peer of the connection, or, behind a trusted proxy, who the proxy says.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::Request,
    http::HeaderMap,
    middleware::{Next, from_fn},
};
use shoal_api::ClientAddr;

use crate::settings::Network;

/// Where proxies write the addresses a request came through, the nearest last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Tells the router's handlers who calls.
pub(crate) fn known(router: Router, proxies: Vec<Network>) -> Router {
    let proxies: Arc<[Network]> = proxies.into();
    router.layer(from_fn(move |mut request: Request, next: Next| {
        let proxies = Arc::clone(&proxies);
        async move {
            if let Some(peer) = request.extensions().get::<SocketAddr>() {
                let client = caller(peer.ip(), request.headers(), &proxies);
                request.extensions_mut().insert(ClientAddr(client));
            }
            next.run(request).await
        }
    }))
}

/// Walks the chain of proxies from the nearest; the first address that is no trusted proxy called.
fn caller(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer;
    let told = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|value| value.to_str().ok());
    for address in told.flat_map(|value| value.rsplit(',')) {
        if !is_proxy(client) {
            break;
        }
        let Ok(address) = address.trim().parse() else { break };
        client = address;
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller_of(peer: &str, told: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in told {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        caller(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(caller_of("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(caller_of("10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn an_address_a_caller_made_up_in_front_of_the_chain_is_not_reached() {
        let told = &["203.0.113.9, 198.51.100.7", "10.0.0.2"];
        assert_eq!(caller_of("10.0.0.1", told, &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn garbage_ends_the_walk_at_the_last_known_address() {
        assert_eq!(caller_of("10.0.0.1", &["nobody"], &["10.0.0.0/8"]), "10.0.0.1");
    }
}
