//! Sizes as people write them: `512MiB`, `20GiB`, `1TiB`. A bare number and the units of a thousand
//! are refused, since nobody can say which of the two was meant.

/// What to write, for error messages.
pub(super) const EXPECTED: &str = "a size such as 512MiB, 20GiB or 1TiB";

/// Understands a size in bytes, or not.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
    let number = number.trim_end();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.then(|| number.parse().ok()).flatten()?;
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_units_of_two() {
        assert_eq!(parse("4KiB"), Some(4096));
        assert_eq!(parse(" 20 GiB "), Some(20 << 30));
        assert_eq!(parse("0MiB"), Some(0));
        for odd in ["", "20", "20GB", "20G", "GiB", "-1GiB", "+1GiB", "1.5GiB", "99999999999TiB"] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }
}
