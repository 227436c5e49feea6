//! Pinning by public key, warning about expiry and telling people whom they trust need a few fields
//! of a certificate, also of certificates too odd for a validating parser. This walks just far enough
//! into the DER (RFC 5280, section 4.1) to find them and gives up quietly on anything else.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::moment;

/// Names read from one certificate, and characters of one of them.
const NAMES: usize = 32;
const NAME_LENGTH: usize = 128;

pub(crate) struct Parts<'a> {
    /// The whole `SubjectPublicKeyInfo` element, header included, as fingerprints of keys cover it.
    pub(crate) spki: &'a [u8],
    /// Seconds since 1970.
    pub(crate) not_before: Option<i64>,
    /// Seconds since 1970.
    pub(crate) not_after: Option<i64>,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// Subject alternative names: DNS names and addresses.
    pub(crate) names: Vec<String>,
}

pub(crate) fn certificate(der: &[u8]) -> Option<Parts<'_>> {
    let outer = element(der)?;
    let tbs = element(outer.content)?;
    let mut fields = tbs.content;
    // The version is optional and tagged [0]; serial, algorithm and issuer follow it.
    if element(fields)?.tag == 0xa0 {
        fields = element(fields)?.rest;
    }
    for _ in 0..2 {
        fields = element(fields)?.rest;
    }
    let issuer = element(fields)?;
    let validity = element(issuer.rest)?;
    let subject = element(validity.rest)?;
    let spki = element(subject.rest)?;
    let not_before = element(validity.content)?;
    let not_after = element(not_before.rest);
    let instant = |time: Element<'_>| moment::from_asn1(time.tag, time.content);
    Some(Parts {
        spki: spki.whole,
        not_after: not_after.and_then(instant),
        not_before: instant(not_before),
        subject: distinguished(subject.content),
        issuer: distinguished(issuer.content),
        names: alternative_names(spki.rest),
    })
}

/// A name of the form `CN=…, O=…`; attributes nobody looks for are left out.
fn distinguished(name: &[u8]) -> String {
    let sets = elements(name).take(NAMES);
    let attributes = sets.flat_map(|set| elements(set.content).take(NAMES)).filter_map(|pair| {
        let kind = element(pair.content)?;
        let label = match kind.content {
            [0x55, 0x04, 0x03] => "CN",
            [0x55, 0x04, 0x06] => "C",
            [0x55, 0x04, 0x07] => "L",
            [0x55, 0x04, 0x08] => "ST",
            [0x55, 0x04, 0x0a] => "O",
            [0x55, 0x04, 0x0b] => "OU",
            _ => return None,
        };
        Some(format!("{label}={}", text(element(kind.rest)?.content)))
    });
    attributes.collect::<Vec<_>>().join(", ")
}

/// What follows the key: perhaps unique ids, then the extensions, with the context tag 3.
fn alternative_names(after_key: &[u8]) -> Vec<String> {
    let Some(tagged) = elements(after_key).take(3).find(|field| field.tag == 0xa3) else {
        return Vec::new();
    };
    let list = element(tagged.content).map_or(&[][..], |list| list.content);
    let wanted = elements(list).take(NAMES).find_map(|extension| {
        let id = element(extension.content).filter(|id| id.content == [0x55, 0x1d, 0x11])?;
        // A flag that says whether the extension is critical may stand before the value.
        let value = elements(id.rest).take(2).find(|field| field.tag == 0x04)?;
        element(value.content)
    });
    let names = wanted.map_or(&[][..], |names| names.content);
    elements(names).take(NAMES).filter_map(|name| alternative_name(&name)).collect()
}

fn alternative_name(name: &Element<'_>) -> Option<String> {
    match name.tag {
        0x82 => Some(text(name.content)),
        0x87 => {
            let four = <[u8; 4]>::try_from(name.content).map(|ip| Ipv4Addr::from(ip).to_string());
            let sixteen = || <[u8; 16]>::try_from(name.content).map(Ipv6Addr::from);
            four.ok().or_else(|| Some(sixteen().ok()?.to_string()))
        }
        _ => None,
    }
}

/// Text for people: certificates are written by strangers, and a terminal obeys control characters.
fn text(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(bytes);
    shown.chars().filter(|c| !c.is_control()).take(NAME_LENGTH).collect()
}

fn elements(mut input: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let next = element(input)?;
        input = next.rest;
        Some(next)
    })
}

/// The content of the algorithm's identifier and the bits of the key of a `SubjectPublicKeyInfo`.
pub(crate) fn public_key(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let algorithm = element(element(spki)?.content)?;
    let bits = element(algorithm.rest)?;
    // The first byte of a bit string tells how many bits of the last one are unused; keys use all.
    let (&0, key) = bits.content.split_first()? else { return None };
    Some((algorithm.content, key))
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

fn element(input: &[u8]) -> Option<Element<'_>> {
    let (&tag, after_tag) = input.split_first()?;
    let (&first, after_first) = after_tag.split_first()?;
    let (length, body) = if first < 0x80 {
        (usize::from(first), after_first)
    } else {
        let (digits, body) = after_first.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), body)
    };
    let (content, rest) = body.split_at_checked(length)?;
    let whole = input.get(..input.len() - rest.len())?;
    Some(Element { tag, content, whole, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_gives_nothing_instead_of_failing() {
        for length in 0..64 {
            assert!(certificate(&vec![0x30; length]).is_none());
        }
        assert!(certificate(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_none());
    }
}
