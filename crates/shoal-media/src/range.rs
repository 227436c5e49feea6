//! The `Range` header (RFC 9110 section 14): what a BMC asks for becomes extents that lie inside the
//! medium, and hostile sets are refused before any byte is read.

use crate::extent::Extent;

/// Most ranges one request may ask for. Nothing in this field asks for more than two; beyond this a
/// set is an attack (RFC 9110 section 17.15) and is answered 416, which 15.5.17 allows, because a
/// whole medium in answer to a few hundred bytes would be what the attacker wants.
pub const MAX_RANGES: usize = 16;

/// Which bytes a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All: there was no `Range` header, or one which the RFC says to ignore.
    Whole,
    /// These, each inside the medium, none touching another; at least one. In the order asked,
    /// unless some overlapped or adjoined: then joined, in ascending order.
    Parts(Vec<Extent>),
    /// None of the medium's bytes, or too many ranges: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a medium of `len` bytes.
pub fn select(header: &str, len: u64) -> Selection {
    let Some(set) = strip_unit(header) else { return Selection::Whole };
    let mut parts = Vec::new();
    let mut specs = 0_usize;
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])) {
        if spec.is_empty() {
            continue;
        }
        specs += 1;
        if specs > MAX_RANGES {
            return Selection::Unsatisfiable;
        }
        match resolve(spec, len) {
            Ok(part) => parts.extend(part),
            Err(Garbage) => return Selection::Whole,
        }
    }
    match (specs, parts.is_empty()) {
        (0, _) => Selection::Whole,
        (_, true) => Selection::Unsatisfiable,
        (_, false) => Selection::Parts(joined(parts)),
    }
}

fn strip_unit(header: &str) -> Option<&str> {
    let (unit, set) = header.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(set)
}

/// What is not a range at all; one that only lies outside the medium is `None` instead.
struct Garbage;

fn resolve(spec: &str, len: u64) -> Result<Option<Extent>, Garbage> {
    let (first, last) = spec.split_once('-').ok_or(Garbage)?;
    if first.is_empty() {
        return Ok(Extent::between(len.saturating_sub(number(last)?), len));
    }
    let first = number(first)?;
    if last.is_empty() {
        return Ok(Extent::between(first, len));
    }
    let last = number(last)?;
    if last < first {
        return Err(Garbage);
    }
    Ok(Extent::between(first, last.saturating_add(1).min(len)))
}

/// A decimal number of any length; what does not fit lies beyond every medium anyway.
fn number(digits: &str) -> Result<u64, Garbage> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Garbage);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

/// Joins ranges that overlap or adjoin, so that no answer is longer than the medium.
fn joined(parts: Vec<Extent>) -> Vec<Extent> {
    let mut sorted = parts.clone();
    sorted.sort_unstable();
    let mut merged: Vec<Extent> = Vec::with_capacity(sorted.len());
    for part in sorted {
        let widened = merged
            .last()
            .filter(|last| part.offset() <= last.end())
            .and_then(|last| Extent::between(last.offset(), last.end().max(part.end())));
        if let Some(widened) = widened {
            merged.pop();
            merged.push(widened);
        } else {
            merged.push(part);
        }
    }
    if merged.len() == parts.len() { parts } else { merged }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(header: &str, len: u64) -> Vec<(u64, u64)> {
        match select(header, len) {
            Selection::Parts(parts) => parts.iter().map(|p| (p.offset(), p.end() - 1)).collect(),
            other => panic!("{header} gave {other:?}"),
        }
    }

    #[test]
    fn each_form_of_range_names_its_bytes() {
        assert_eq!(parts("bytes=0-99", 1000), [(0, 99)]);
        assert_eq!(parts("bytes=990-", 1000), [(990, 999)]);
        assert_eq!(parts("bytes=-5", 1000), [(995, 999)]);
        assert_eq!(parts("bytes=-5000", 1000), [(0, 999)]);
        assert_eq!(parts("bytes=999-5000", 1000), [(999, 999)]);
        assert_eq!(parts("BYTES=0-0,\t, 5-6 ,", 1000), [(0, 0), (5, 6)]);
        assert_eq!(parts("bytes=0-99999999999999999999999999", 1000), [(0, 999)]);
    }

    #[test]
    fn asked_order_is_kept_and_outside_ranges_are_dropped() {
        assert_eq!(parts("bytes=500-600,0-10,2000-", 1000), [(500, 600), (0, 10)]);
    }

    #[test]
    fn overlapping_and_adjoining_ranges_become_one() {
        assert_eq!(parts("bytes=50-60,0-49,55-70", 1000), [(0, 70)]);
        assert_eq!(parts("bytes=0-,0-,0-,0-", 1000), [(0, 999)]);
    }

    #[test]
    fn garbage_is_ignored() {
        for header in
            ["", "bytes", "bytes=", "bytes=,", "bytes=a-b", "bytes=5", "bytes=-", "bytes=5-4"]
        {
            assert_eq!(select(header, 1000), Selection::Whole, "{header}");
        }
        for header in ["lines=0-5", "bytes=0-5,x", "bytes=--5", "bytes=+1-2", "bytes=0 -5"] {
            assert_eq!(select(header, 1000), Selection::Whole, "{header}");
        }
    }

    #[test]
    fn what_lies_outside_or_asks_too_much_is_unsatisfiable() {
        for header in ["bytes=1000-", "bytes=-0", "bytes=1000-2000,-0"] {
            assert_eq!(select(header, 1000), Selection::Unsatisfiable, "{header}");
        }
        assert_eq!(select("bytes=0-", 0), Selection::Unsatisfiable);
        let many = format!("bytes={}", "0-0,".repeat(MAX_RANGES + 1));
        assert_eq!(select(&many, 1000), Selection::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn no_header_leads_out_of_the_medium(
            header in "(bytes=)?([0-9]{0,21}-[0-9]{0,21},?){0,20}|\\PC{0,40}",
            len in prop_oneof![0..2000u64, any::<u64>()],
        ) {
            if let Selection::Parts(parts) = select(&header, len) {
                prop_assert!(!parts.is_empty() && parts.len() <= MAX_RANGES);
                prop_assert!(parts.iter().all(|part| part.end() <= len));
                let total: u128 = parts.iter().map(|part| u128::from(part.len())).sum();
                prop_assert!(total <= u128::from(len));
                for (at, part) in parts.iter().enumerate() {
                    prop_assert!(parts.iter().skip(at + 1).all(|other| !part.touches(other)));
                }
            }
        }
    }
}
