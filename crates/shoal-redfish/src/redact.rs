//! BMCs echo what we send them, in error texts, slots and task messages. Everything that leaves the
//! crate for people to read goes through here, so that no password, session token or image
//! capability survives in a log, an error or a transcript.

use serde_json::Value;

/// Properties whose values are secrets wherever they appear.
const SECRET_KEYS: [&str; 4] = ["password", "x-auth-token", "token", "secret"];

/// A secret and what is shown in its place.
#[derive(Clone, Copy)]
pub(crate) struct Blank<'a> {
    pub(crate) secret: &'a str,
    pub(crate) shown: &'a str,
}

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
pub(crate) fn text(input: &str, secrets: &[Blank<'_>], limit: usize) -> String {
    let clean = blanked(input, secrets);
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
pub(crate) fn json(value: &Value, secrets: &[Blank<'_>], limit: usize) -> String {
    text(&without(value, secrets).to_string(), secrets, limit)
}

/// The value with its texts blanked before JSON escapes them, as an escaped secret is another text.
fn without(value: &Value, secrets: &[Blank<'_>]) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, inner)| {
                let secret = SECRET_KEYS.contains(&key.to_ascii_lowercase().as_str());
                let shown = if secret && inner.is_string() {
                    Value::from("***")
                } else {
                    without(inner, secrets)
                };
                (blanked(key, secrets), shown)
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(|item| without(item, secrets)).collect(),
        Value::String(text) => blanked(text, secrets).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn blanked(text: &str, secrets: &[Blank<'_>]) -> String {
    let mut clean = text.to_owned();
    for Blank { secret, shown } in secrets.iter().filter(|blank| !blank.secret.is_empty()) {
        clean = clean.replace(secret, shown);
        // What is no JSON as a whole may still carry the secret as JSON writes it.
        let escaped = Value::from(*secret).to_string();
        let inner = escaped.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if let Some(inner) = inner.filter(|inner| inner != secret) {
            clean = clean.replace(inner, shown);
        }
    }
    clean
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

    fn hidden(secret: &str) -> Blank<'_> {
        Blank { secret, shown: "***" }
    }

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
        assert_eq!(super::json(&body, &[hidden("two")], 500), expected);
    }

    #[test]
    fn a_password_with_quotes_and_backslashes_is_found_as_json_writes_it() {
        let password = r#"a"b\c"#;
        let body = json!({"Message": format!("{password} is wrong"), password: [password]});
        let shown = super::json(&body, &[hidden(password)], 500);
        assert_eq!(shown, r#"{"***":["***"],"Message":"*** is wrong"}"#);
        let broken = format!("{{\"Message\": {}", Value::from(password));
        assert_eq!(text(&broken, &[hidden(password)], 500), r#"{"Message": "***""#);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(text("ää", &[], 3), "ä…");
    }
}
