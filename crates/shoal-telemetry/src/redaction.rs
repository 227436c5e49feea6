//! Masks secrets in anything that leaves through logs or spans. Types that cannot be printed are
//! the first defence; this is the second, for strings that came from elsewhere: an error of a
//! library quoting a URL, a header dumped while debugging.

use std::borrow::Cow;

/// What stands where a secret was.
pub(crate) const MASK: &str = "***";

/// Parts of field names whose values are never shown.
const SECRET_WORDS: [&str; 14] = [
    "password",
    "passphrase",
    "passwd",
    "pass_hash",
    "token",
    "secret",
    "authorization",
    "credential",
    "cookie",
    "private_key",
    "api_key",
    "user_data",
    "unattend_xml",
    "ks_cfg",
];

/// Endings which make such a field harmless again: sizes, digests and key ids may be logged.
const HARMLESS_ENDINGS: [&str; 8] =
    ["_bytes", "_size", "_len", "_count", "_sha256", "_id", "_kid", "_expires_at"];

/// Whether the value of a field called `name` must not be shown.
///
/// Dots and hyphens count as underscores, so header names and attribute names are covered.
pub(crate) fn is_secret(name: &str) -> bool {
    // Asked for every field of every line, so nothing is copied.
    let name = name.as_bytes();
    let holds = |word: &str| name.windows(word.len()).any(|part| is_spelling(part, word));
    let ends = |ending: &str| name.len().checked_sub(ending.len()).and_then(|at| name.get(at..));
    SECRET_WORDS.iter().any(|word| holds(word))
        && !HARMLESS_ENDINGS
            .iter()
            .any(|ending| ends(ending).is_some_and(|end| is_spelling(end, ending)))
}

/// Whether that is the word in some spelling: letter case does not matter, nor what stands between
/// its parts.
fn is_spelling(part: &[u8], word: &str) -> bool {
    let plain = |byte: &u8| match byte {
        b'-' | b'.' | b' ' => b'_',
        letter => letter.to_ascii_lowercase(),
    };
    part.iter().map(plain).eq(word.bytes())
}

/// `text` with the token segments of media URLs, the credentials of URLs and the values of
/// `Basic` and `Bearer` masked.
pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    let mut scrubbed = Cow::Borrowed(text);
    // Whatever is looked for below has one of these, and most values of a log line have neither.
    if !text.bytes().any(|byte| matches!(byte, b'/' | b' ')) {
        return scrubbed;
    }
    for (before, is_part) in [
        ("/media/t/", is_path_part as fn(char) -> bool),
        ("/media/b/", is_path_part),
        ("Bearer ", is_credential_part),
        ("bearer ", is_credential_part),
        ("Basic ", is_credential_part),
        ("basic ", is_credential_part),
    ] {
        mask_after(&mut scrubbed, before, is_part);
    }
    mask_userinfo(&mut scrubbed);
    scrubbed
}

fn is_path_part(c: char) -> bool {
    !matches!(c, '/' | '"' | '\'' | '<' | '>' | ')' | ']' | '}' | ',') && !c.is_whitespace()
}

fn is_credential_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/' | '=')
}

/// Words this short after `Basic ` are prose, not credentials.
const SHORTEST_CREDENTIAL: usize = 8;

fn mask_after(text: &mut Cow<'_, str>, before: &str, is_part: fn(char) -> bool) {
    if !text.contains(before) {
        return;
    }
    let shortest = if before.starts_with('/') { 1 } else { SHORTEST_CREDENTIAL };
    let mut masked = String::with_capacity(text.len());
    let mut rest: &str = text;
    while let Some((head, tail)) = rest.split_once(before) {
        masked.push_str(head);
        masked.push_str(before);
        let end = tail.find(|c| !is_part(c)).unwrap_or(tail.len());
        let (secret, after) = tail.split_at(end);
        masked.push_str(if secret.len() >= shortest { MASK } else { secret });
        rest = after;
    }
    masked.push_str(rest);
    *text = Cow::Owned(masked);
}

fn mask_userinfo(text: &mut Cow<'_, str>) {
    if !text.contains("://") || !text.contains('@') {
        return;
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest: &str = text;
    while let Some((head, tail)) = rest.split_once("://") {
        masked.push_str(head);
        masked.push_str("://");
        let authority =
            tail.find(|c: char| c == '/' || c == '"' || c.is_whitespace()).unwrap_or(tail.len());
        let (authority, after) = tail.split_at(authority);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                masked.push_str(MASK);
                masked.push('@');
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        rest = after;
    }
    masked.push_str(rest);
    *text = Cow::Owned(masked);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in
            ["password", "bmc.password", "X-Webhook-Secret", "Authorization", "user_data", "ks_cfg"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["user_data_sha256", "ks_cfg_bytes", "token_kid", "message", "op"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn media_tokens_are_masked_wherever_they_stand() {
        let text = "GET https://c/media/t/MFRGG43FMZQW4/task.iso and /media/b/ABC/boot.iso";
        assert_eq!(scrub(text), "GET https://c/media/t/***/task.iso and /media/b/***/boot.iso");
        assert_eq!(scrub("image=\"/media/t/CANARY\""), "image=\"/media/t/***\"");
    }

    #[test]
    fn credentials_in_headers_and_urls_are_masked() {
        assert_eq!(scrub("Basic cm9vdDpjYWx2aW4= sent"), "Basic *** sent");
        assert_eq!(scrub("authorization: Bearer abc.def-012345"), "authorization: Bearer ***");
        assert_eq!(scrub("see https://u:p@ss@h:1/x, ok"), "see https://***@h:1/x, ok");
    }

    #[test]
    fn ordinary_text_is_left_alone_without_a_copy() {
        for text in ["Basic auth is on", "https://host/media/x", "mail a@b.c", "ünïcode /media/"]
        {
            assert!(matches!(scrub(text), Cow::Borrowed(_)) || scrub(text) == text, "{text}");
            assert_eq!(scrub(text), text);
        }
    }
}
