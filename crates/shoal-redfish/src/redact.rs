//! BMCs echo what we send them, in error texts, slots and task messages. Everything that leaves the
//! crate for people to read goes through here, so that no password, session token or image
//! capability survives in a log, an error or a transcript.

use serde_json::Value;

/// Properties whose values are secrets wherever they appear.
const SECRET_KEYS: [&str; 4] = ["password", "x-auth-token", "token", "secret"];

/// Scheme, authority and last path segment of an address.
pub(crate) fn short_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.rsplit('/').next().unwrap_or_default().to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match (rest.split_once('/'), rest.rsplit_once('/')) {
        (Some((host, path)), Some((_, file))) if path.contains('/') => {
            format!("{scheme}://{}/…/{file}", without_user(host))
        }
        (Some((host, file)), _) => format!("{scheme}://{}/{file}", without_user(host)),
        _ => format!("{scheme}://{}", without_user(rest)),
    }
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Text with the given secrets blanked, every address shortened, and at most `limit` bytes long.
pub(crate) fn text(input: &str, secrets: &[&str], limit: usize) -> String {
    let mut clean = input.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        clean = clean.replace(secret, "***");
    }
    let mut out = String::with_capacity(clean.len().min(limit));
    let mut rest = clean.as_str();
    while let Some(start) = address_start(rest) {
        let (before, address) = rest.split_at(start);
        let end = address
            .find(|c: char| c.is_whitespace() || "\"'<>(){}[],\\".contains(c))
            .unwrap_or(address.len());
        let (address, after) = address.split_at(end);
        out.push_str(before);
        out.push_str(&short_url(address));
        rest = after;
    }
    out.push_str(rest);
    bounded(&out, limit)
}

/// A JSON body as one line of text under the same rules.
pub(crate) fn json(value: &Value, secrets: &[&str], limit: usize) -> String {
    let mut copy = value.clone();
    blank(&mut copy);
    text(&copy.to_string(), secrets, limit)
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.to_ascii_lowercase();
                if inner.is_string() && SECRET_KEYS.contains(&key.as_str()) {
                    *inner = Value::from("***");
                } else {
                    blank(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn address_start(text: &str) -> Option<usize> {
    let mark = text.find("://")?;
    let letters = text.get(..mark)?.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
    Some(mark - letters)
}

fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_keep_only_origin_and_file_name() {
        let shown =
            text("could not open \"https://u:p@h:1/media/t/abc/t.iso\", see http://x/y", &[], 500);
        assert_eq!(shown, "could not open \"https://h:1/…/t.iso\", see http://x/y");
    }

    #[test]
    fn passwords_are_blanked_by_key_and_by_value() {
        let body = json!({"UserName": "a", "Password": "one", "Message": ["two is wrong"]});
        let expected = r#"{"Message":["*** is wrong"],"Password":"***","UserName":"a"}"#;
        assert_eq!(super::json(&body, &["two"], 500), expected);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(text("ää", &[], 3), "ä…");
    }
}
