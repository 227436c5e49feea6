//! `Range` of a blob that is pulled, and `Content-Range` of a chunk that is pushed, which the
//! protocol writes without a unit.

use crate::registry::ContentRange;

/// What part of the content is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes, both included, inside the content.
    Bytes(u64, u64),
    /// None that exist.
    Unsatisfiable,
}

/// Reads a `Range` header for content of `size` bytes. Several ranges are answered with the whole,
/// as RFC 9110 allows; nobody who reads blobs asks for them. A range that ends before it begins is
/// refused and not ignored: who asks so would take the whole content for the part.
pub(super) fn select(header: &str, size: u64) -> Part {
    let Some((unit, range)) = header.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    let bounds = match (number(first), number(last)) {
        (Some(first), Some(last)) => Some((first, last.min(size.saturating_sub(1)))),
        (Some(first), None) if last.is_empty() => Some((first, size.saturating_sub(1))),
        (None, Some(count)) if first.is_empty() => {
            (count > 0).then(|| (size.saturating_sub(count), size.saturating_sub(1)))
        }
        _ => return Part::Whole,
    };
    match bounds {
        Some((first, last)) if first <= last && first < size => Part::Bytes(first, last),
        _ => Part::Unsatisfiable,
    }
}

/// Reads the `Content-Range` of a chunk, `first-last`; the form of RFC 9110 is understood as well.
pub(super) fn content_range(text: &str) -> Option<ContentRange> {
    let text = text.trim();
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches([' ', '=']));
    let (range, _) = text.split_once('/').unwrap_or((text, ""));
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(ContentRange { first, last })
}

/// A decimal number; what does not fit lies beyond all content anyway.
fn number(digits: &str) -> Option<u64> {
    let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_form_of_range_names_its_bytes() {
        for (header, part) in [
            ("bytes=0-99", Part::Bytes(0, 99)),
            ("bytes=990-", Part::Bytes(990, 999)),
            ("Bytes=-5", Part::Bytes(995, 999)),
            ("bytes=-5000", Part::Bytes(0, 999)),
            ("bytes=5-99999999999999999999999", Part::Bytes(5, 999)),
            ("bytes=0-1,5-6", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes=x", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=500-0", Part::Unsatisfiable),
            ("bytes=1000-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
        ] {
            assert_eq!(select(header, 1000), part, "{header}");
        }
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(select(header, 0), Part::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn the_range_of_a_chunk_has_no_unit_but_may() {
        let range = |first, last| Some(ContentRange { first, last });
        assert_eq!(content_range("0-9"), range(0, 9));
        assert_eq!(content_range("bytes 5-9/10"), range(5, 9));
        for odd in ["", "-", "5", "9-5", "a-b", "0-", "-5", "0-9-1"] {
            assert_eq!(content_range(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn the_range_of_a_chunk_is_read_as_it_was_written(first: u64, more: u32, unit: bool) {
            let last = first.saturating_add(more.into());
            let unit = if unit { "bytes " } else { "" };
            let read = content_range(&format!("{unit}{first}-{last}"));
            prop_assert_eq!(read, Some(ContentRange { first, last }));
        }

        #[test]
        fn no_text_is_a_chunk_that_ends_before_it_begins(text in "[0-9 a-z=/-]{0,24}|\\PC{0,24}") {
            if let Some(range) = content_range(&text) {
                prop_assert!(range.first <= range.last);
            }
        }

        #[test]
        fn no_range_leads_out(header in "bytes=[0-9]{0,21}-[0-9]{0,21}|\\PC{0,30}", size: u64) {
            if let Part::Bytes(first, last) = select(&header, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
