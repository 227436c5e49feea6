//! Recordings leave their owner's house, so everything that names a machine, a network or a person is
//! replaced in them: the same original by the same substitute everywhere, paths included, so that what
//! belonged together still does.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde_json::Value;

use crate::identity::is_meant;

/// Properties whose texts name a machine, in lower case; other names may end in these words.
const NAMES: [&str; 7] =
    ["serialnumber", "sku", "assettag", "servicetag", "expressservicecode", "hostname", "fqdn"];
/// Properties that are dropped, by parts of their names.
const SECRETS: [&str; 8] = [
    "password",
    "token",
    "secret",
    "licensekey",
    "privatekey",
    "community",
    "credential",
    "username",
];
/// Standard properties that are dropped whole: where a machine stands, and who looks after it.
const WHEREABOUTS: [&str; 4] = ["location", "postaladdress", "contacts", "placement"];
/// Texts that stay within the parts makers add, because plans depend on them.
const OEM_KEPT: [&str; 4] = ["@odata.id", "@odata.type", "target", "PostState"];
/// Shorter names are too likely a part of something else, so they are replaced only where they stand.
const SHORTEST_NAME: usize = 4;
/// From this length on a name is also replaced inside of words, as in `ILOABC1234`.
const WHOLE_NAME: usize = 6;

/// Originals and their substitutes.
#[derive(Debug, Default)]
pub(crate) struct Rewriter {
    /// Names in lower case, the longest first.
    names: Vec<(String, String)>,
    others: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Serial,
    ShortName,
    Host,
    Uuid,
    Mac,
    V4,
    V6,
    Image,
}

impl Rewriter {
    /// Learns the names in a body, which must happen for all bodies before the first is rewritten.
    pub(crate) fn learn(&mut self, body: &Value) {
        match body {
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::String(text) if names_machine(key) && is_meant(text.trim()) => {
                            self.name(text.trim());
                        }
                        _ => self.learn(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Learns one more name, such as the BMC's own.
    pub(crate) fn name(&mut self, name: &str) {
        let known = name.to_ascii_lowercase();
        let structured = uuid(name) || mac(name) || name.parse::<IpAddr>().is_ok();
        if name.len() < SHORTEST_NAME
            || structured
            || self.names.iter().any(|(old, _)| *old == known)
        {
            return;
        }
        let substitute = substitute(What::Serial, self.names.len() + 1);
        self.names.push((known, substitute));
        self.names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    }

    /// The body with everything replaced or dropped.
    pub(crate) fn body(&mut self, body: &Value) -> Value {
        self.value("", body, false)
    }

    fn value(&mut self, key: &str, value: &Value, oem: bool) -> Value {
        match value {
            _ if WHEREABOUTS.contains(&key.to_ascii_lowercase().as_str()) => Value::Null,
            Value::Object(map) => {
                let fields = map.iter().map(|(key, value)| {
                    let oem = oem || key == "Oem";
                    (key.clone(), self.value(key, value, oem))
                });
                Value::Object(fields.collect())
            }
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.value(key, item, oem)).collect())
            }
            Value::String(text) if text.is_empty() => value.clone(),
            Value::String(_) if is_secret(key) || (oem && !OEM_KEPT.contains(&key)) => Value::Null,
            Value::Number(_) if oem || is_secret(key) || names_machine(key) => Value::Null,
            Value::String(text) if matches!(key, "Image" | "ImageName") => self.image(text).into(),
            Value::String(text) if names_machine(key) && is_short_name(text.trim()) => {
                self.other(What::ShortName, text.trim()).into()
            }
            Value::String(_) if matches!(key, "@odata.type" | "@odata.context") => value.clone(),
            Value::String(text) => self.text(key, text).into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Of an image's address, which may be a capability, only protocol and suffix stay.
    fn image(&mut self, text: &str) -> String {
        let file = text.rsplit('/').next().unwrap_or_default();
        let suffix = file.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        let suffix = if matches!(suffix, "iso" | "img") { suffix } else { "iso" };
        let name = format!("{}.{suffix}", self.other(What::Image, text));
        match text.split_once("://") {
            Some((scheme, rest)) => {
                let authority = rest.split('/').next().unwrap_or_default();
                format!("{scheme}://{}/{name}", self.authority(authority))
            }
            None => name,
        }
    }

    /// A text with every name, address and identifier in it replaced.
    pub(crate) fn text(&mut self, key: &str, text: &str) -> String {
        let versions = ["version", "firmware", "revision"];
        let is_version = versions.iter().any(|word| key.to_ascii_lowercase().contains(word));
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let inside = out.ends_with(|c: char| c.is_ascii_alphanumeric());
            let found = self
                .name_at(rest, inside)
                .or_else(|| self.authority_at(rest, &out))
                .or_else(|| if inside { None } else { self.identifier_at(rest, is_version) });
            let (length, new) = found.unwrap_or_else(|| {
                let first: String = rest.chars().take(1).collect();
                (first.len(), first)
            });
            out.push_str(&new);
            at += length.max(1);
        }
        out
    }

    fn name_at(&self, rest: &str, inside: bool) -> Option<(usize, String)> {
        self.names.iter().find_map(|(name, new)| {
            let start = rest.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name))?;
            let next = rest.get(start.len()..).and_then(|after| after.chars().next());
            let ends = !next.is_some_and(|c| c.is_ascii_alphanumeric());
            let telling = name.len() >= WHOLE_NAME && name.bytes().any(|b| b.is_ascii_digit());
            (telling || (ends && !inside)).then(|| (start.len(), new.clone()))
        })
    }

    /// The host of an address, right behind its `://`.
    fn authority_at(&mut self, rest: &str, before: &str) -> Option<(usize, String)> {
        if !before.ends_with("://") {
            return None;
        }
        let end = rest.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(rest.len());
        let authority = rest.get(..end).filter(|authority| !authority.is_empty())?;
        Some((end, self.authority(authority)))
    }

    fn authority(&mut self, authority: &str) -> String {
        let host = authority.rsplit('@').next().unwrap_or_default();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, port),
            _ => (host, ""),
        };
        let bare = name.trim_matches(['[', ']']);
        let new = match bare.parse() {
            Ok(IpAddr::V4(_)) => self.other(What::V4, bare),
            Ok(IpAddr::V6(_)) => format!("[{}]", self.other(What::V6, bare)),
            Err(_) => self.other(What::Host, bare),
        };
        if port.is_empty() { new } else { format!("{new}:{port}") }
    }

    fn identifier_at(&mut self, rest: &str, is_version: bool) -> Option<(usize, String)> {
        let part = |length: usize| {
            let ends = rest.get(length..).and_then(|after| after.chars().next());
            rest.get(..length).filter(|_| !ends.is_some_and(|c| c.is_ascii_alphanumeric()))
        };
        if let Some(found) = part(36).filter(|part| uuid(part)) {
            let placeholder = !is_meant(found);
            let new = if placeholder { found.to_owned() } else { self.other(What::Uuid, found) };
            return Some((36, new));
        }
        for length in [17, 12] {
            if let Some(found) = part(length).filter(|part| mac(part)) {
                return Some((length, self.other(What::Mac, &found.replace(['-', ':'], ""))));
            }
        }
        let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.')));
        let run = rest.get(..end.unwrap_or(rest.len()))?.trim_end_matches(['.', ':']);
        let what = match run.parse().ok()? {
            IpAddr::V4(_) if is_version => return Some((run.len(), run.to_owned())),
            IpAddr::V4(ip) if means_no_host(ip) => return Some((run.len(), run.to_owned())),
            IpAddr::V4(_) => What::V4,
            IpAddr::V6(ip) if ip.is_unspecified() || ip.is_loopback() => return None,
            IpAddr::V6(_) => What::V6,
        };
        Some((run.len(), self.other(what, run)))
    }

    fn other(&mut self, what: What, original: &str) -> String {
        let next = self.others.len() + 1;
        let key = format!("{what:?} {}", original.to_ascii_lowercase());
        self.others.entry(key).or_insert_with(|| substitute(what, next)).clone()
    }
}

fn names_machine(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    NAMES.iter().any(|name| key.ends_with(name))
}

/// A name that is not looked for elsewhere.
fn is_short_name(text: &str) -> bool {
    !text.is_empty() && text.len() < SHORTEST_NAME && is_meant(text)
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    !key.contains('@') && SECRETS.iter().any(|part| key.contains(part))
}

/// Masks, and what is written where there is no address.
fn means_no_host(ip: Ipv4Addr) -> bool {
    ip.is_unspecified() || ip.is_loopback() || ip.octets().starts_with(&[255])
}

fn uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| is_hex(part))
}

/// Six bytes with separators; without them only where digits and letters are mixed, because numbers
/// of twelve digits are something else.
fn mac(text: &str) -> bool {
    let separated = |by: char| {
        let parts: Vec<&str> = text.split(by).collect();
        parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && is_hex(part))
    };
    let mixed =
        text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic());
    separated(':') || separated('-') || (text.len() == 12 && is_hex(text) && mixed)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What stands for the n-th original, taken from the ranges set aside for documentation (RFC 5737,
/// RFC 3849, RFC 2606).
fn substitute(what: What, n: usize) -> String {
    let small = u16::try_from(n).unwrap_or(u16::MAX);
    let [high, low] = small.to_be_bytes();
    match what {
        What::Serial => format!("RECORDED{n:04}"),
        What::ShortName => format!("RECORDED-{n}"),
        What::Host => format!("host-{n}.example"),
        What::Uuid => format!("5ca1ab1e-0000-4000-8000-{n:012x}"),
        What::Mac => format!("02:00:5e:10:{high:02x}:{low:02x}"),
        What::V4 if high == 0 => Ipv4Addr::new(192, 0, 2, low).to_string(),
        What::V4 => Ipv4Addr::new(198, 51, 100, low).to_string(),
        What::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, small).to_string(),
        What::Image => format!("image-{n}"),
    }
}

#[cfg(test)]
mod tests;
