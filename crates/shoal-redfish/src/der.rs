//! Pinning by public key and warning about expiry need three fields of a certificate, also of
//! certificates too odd for a validating parser. This walks just far enough into the DER
//! (RFC 5280, section 4.1) to find them and gives up quietly on anything else.

use crate::moment;

pub(crate) struct Parts<'a> {
    /// The whole `SubjectPublicKeyInfo` element, header included, as fingerprints of keys cover it.
    pub(crate) spki: &'a [u8],
    /// Seconds since 1970.
    pub(crate) not_after: Option<i64>,
}

pub(crate) fn certificate(der: &[u8]) -> Option<Parts<'_>> {
    let outer = element(der)?;
    let tbs = element(outer.content)?;
    let mut fields = tbs.content;
    // The version is optional and tagged [0]; serial, algorithm and issuer follow it.
    if element(fields)?.tag == 0xa0 {
        fields = element(fields)?.rest;
    }
    for _ in 0..3 {
        fields = element(fields)?.rest;
    }
    let validity = element(fields)?;
    let subject = element(validity.rest)?;
    let spki = element(subject.rest)?;
    let not_before = element(validity.content)?;
    let not_after =
        element(not_before.rest).and_then(|time| moment::from_asn1(time.tag, time.content));
    Some(Parts { spki: spki.whole, not_after })
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
