//! Which names the leaf must carry: everything under which this controller tells others to reach
//! it. A listener on all addresses is reached under each of them, and which one that is depends on
//! the BMC, so then every address of this machine is a name.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::{Host, Url};

use crate::settings::Settings;

/// More addresses than this are containers', not this machine's.
const MOST_ADDRESSES: usize = 64;

/// Host names and addresses of one leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// The names that follow from the settings and from this machine's addresses.
    pub fn of(settings: &Settings) -> Self {
        let urls = [&settings.http.public_url, &settings.media.url_https];
        let mut names: BTreeSet<String> = urls.into_iter().flatten().filter_map(host).collect();
        names.extend(["localhost", "127.0.0.1", "::1"].map(ToOwned::to_owned));
        let listen = settings.http.api_addr.ip();
        if listen.is_unspecified() {
            names.extend(local_addresses().iter().map(ToString::to_string));
        } else {
            names.insert(listen.to_string());
        }
        Self(names)
    }

    pub(super) fn to_vec(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

fn host(url: &Url) -> Option<String> {
    Some(match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    })
}

/// An address as certificates hold it.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// This machine's addresses as the kernel lists them; none where it does not.
fn local_addresses() -> BTreeSet<IpAddr> {
    let v4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let v4 = local_v4(&v4).map(IpAddr::V4);
    v4.chain(local_v6(&v6).map(IpAddr::V6)).take(MOST_ADDRESSES).collect()
}

/// In `/proc/net/fib_trie` a local address is a leaf followed by `/32 host LOCAL`.
fn local_v4(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    trie.lines().zip(trie.lines().skip(1)).filter_map(|(leaf, kind)| {
        let local = kind.trim() == "/32 host LOCAL";
        leaf.trim().strip_prefix("|-- ").filter(|_| local)?.parse().ok()
    })
}

/// In `/proc/net/if_inet6` the first column is an address in 32 hexadecimal digits. Link-local
/// ones are of no use without a zone, which no URL carries.
fn local_v6(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    let addresses = table.lines().filter_map(|line| {
        let digits = line.split_ascii_whitespace().next()?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from_bits)
    });
    addresses.filter(|address| !address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_the_leaves_marked_local() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.0.0\n        /16 link UNICAST\n     \
                    |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 10.1.255.255\n        \
                    /32 link BROADCAST\n";

        assert_eq!(local_v4(trie).collect::<Vec<_>>(), [Ipv4Addr::new(10, 1, 2, 3)]);
    }

    #[test]
    fn link_local_addresses_are_left_out() {
        let table = "fe8000000000000000000000000000aa 02 40 20 80 eth0\n\
                     20010db8000000000000000000000001 02 40 00 80 eth0\n";

        let expected: Ipv6Addr = "2001:db8::1".parse().unwrap();
        assert_eq!(local_v6(table).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn the_kernel_of_this_machine_lists_its_loopback_address() {
        assert!(local_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
