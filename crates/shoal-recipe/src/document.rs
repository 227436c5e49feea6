//! Bytes from strangers become a JSON value here, with every limit checked before the parser could
//! be hurt by breaking it.

use serde_json::Value;

use crate::problem::{Code, Problem, merged};
use crate::unique;

/// The largest recipe that is read, in bytes.
pub const MAX_RECIPE_BYTES: usize = 8 * 1024 * 1024;
/// A recipe proper nests three levels; the rest is room for metadata.
const MAX_DEPTH: usize = 64;

/// Reads one JSON document in which no member appears twice.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Vec<Problem>> {
    let (value, repeated) = within_limits(bytes).map_err(|problem| vec![problem])?;
    if repeated.is_empty() { Ok(value) } else { Err(merged(repeated, Vec::new())) }
}

fn within_limits(bytes: &[u8]) -> Result<(Value, Vec<Problem>), Problem> {
    if bytes.len() > MAX_RECIPE_BYTES {
        let message = format!(
            "the recipe has {} bytes, the limit is {MAX_RECIPE_BYTES}; move large files into an \
             artifact",
            bytes.len()
        );
        return Err(Problem::new("", Code::TooLarge, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message =
            format!("byte {} is not UTF-8; save the recipe as UTF-8", error.valid_up_to());
        Problem::new("", Code::NotUtf8, message)
    })?;
    if let Some(offset) = too_deep(text.as_bytes()) {
        let message = format!("nested deeper than {MAX_DEPTH} levels at byte {offset}; flatten it");
        return Err(Problem::new("", Code::TooDeep, message));
    }
    unique::read(text).map_err(|error| {
        // The parser's own words are left out: they may repeat parts of the document.
        let what = if error.is_eof() { "ends too early" } else { "is not JSON" };
        let message =
            format!("the recipe {what} at line {}, column {}", error.line(), error.column());
        Problem::new("", Code::NotJson, message)
    })
}

/// Where the nesting passes the limit, found without recursion.
fn too_deep(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(offset);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> (&'static str, String) {
        let problem = read(bytes).unwrap_err().remove(0);
        (problem.code.as_str(), problem.message)
    }

    #[test]
    fn ten_thousand_levels_are_an_error_and_not_a_crash() {
        let mut deep = b"[".repeat(10_000);
        deep.extend(b"]".repeat(10_000));

        let (code, message) = code(&deep);

        assert_eq!(code, "too_deep");
        assert_eq!(message, "nested deeper than 64 levels at byte 64; flatten it");
    }

    #[test]
    fn brackets_inside_strings_do_not_count_as_nesting() {
        let text = format!(r#"{{"a": "\"{}"}}"#, "[".repeat(200));

        assert!(read(text.as_bytes()).is_ok());
    }

    #[test]
    fn sixty_four_levels_are_still_read() {
        let text = format!("{}{}", "[".repeat(64), "]".repeat(64));

        assert!(read(text.as_bytes()).is_ok());
    }

    #[test]
    fn a_member_that_appears_twice_is_refused() {
        let problems = read(br#"{"target_disk": "/dev/sda", "target_disk": "/dev/sdb"}"#);

        let problem = problems.unwrap_err().remove(0);
        assert_eq!((problem.path.as_str(), problem.code), ("/target_disk", Code::DuplicateField));
    }

    #[test]
    fn size_is_checked_before_anything_else() {
        assert_eq!(code(&vec![0xff; MAX_RECIPE_BYTES + 1]).0, "too_large");
    }

    #[test]
    fn broken_text_is_told_with_its_place_and_without_its_content() {
        assert_eq!(code(b"{\"a\": \xff}").1, "byte 6 is not UTF-8; save the recipe as UTF-8");
        assert_eq!(code(b"{\"pw\": secret}").1, "the recipe is not JSON at line 1, column 8");
        assert_eq!(code(b"{\"a\":").1, "the recipe ends too early at line 1, column 5");
    }
}
