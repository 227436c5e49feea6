//! URLs that the machine will fetch or post to. They end up in environment files and on command
//! lines, so only the plain form is let in: no credentials, no blanks, no quoting characters.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest URL in bytes.
const MAX_URL_BYTES: usize = 2048;

/// An absolute `http` or `https` URL without credentials and fragment (RFC 3986 characters only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl {
    text: String,
    host: String,
}

/// Why a text is not an [`HttpUrl`]. The text itself is not repeated, as it may hold credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpUrlError {
    /// Longer than 2048 bytes.
    #[error("must not be longer than 2048 bytes")]
    TooLong,
    /// Another scheme, or none.
    #[error("must start with http:// or https://")]
    Scheme,
    /// A character that has no place in a URL.
    #[error("contains a character that a URL cannot hold; percent-encode it")]
    Character,
    /// A user name or password.
    #[error("must not contain a user name or password")]
    Credentials,
    /// No host, or one that is not a name or address.
    #[error("must name a host, as a DNS name, IPv4 address or IPv6 address in brackets")]
    Host,
    /// A port that is not a number from 1 to 65535.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// A fragment, which is never sent.
    #[error("must not contain a fragment (#)")]
    Fragment,
}

impl HttpUrl {
    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host name or address, IPv6 in brackets, without the port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }
}

impl FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_URL_BYTES {
            return Err(HttpUrlError::TooLong);
        }
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or(HttpUrlError::Scheme)?;
        if !text.bytes().all(is_url_byte) || has_bad_percent(text) {
            return Err(HttpUrlError::Character);
        }
        if text.contains('#') {
            return Err(HttpUrlError::Fragment);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(HttpUrlError::Credentials);
        }
        let host = parse_authority(authority)?.to_owned();
        Ok(Self { text: text.to_owned(), host })
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = HttpUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.text
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Checks `host[:port]` and gives the host. Registries in OCI references follow the same rule.
pub(crate) fn parse_authority(authority: &str) -> Result<&str, HttpUrlError> {
    let host_end = if authority.starts_with('[') {
        authority.find(']').ok_or(HttpUrlError::Host)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_end);
    if !is_host(host) {
        return Err(HttpUrlError::Host);
    }
    if port.is_empty() {
        return Ok(host);
    }
    let digits = port.strip_prefix(':').ok_or(HttpUrlError::Host)?;
    let is_port = digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u16>().is_ok_and(|port| port != 0);
    if is_port { Ok(host) } else { Err(HttpUrlError::Port) }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    host.len() <= 253 && host.split('.').all(is_host_label)
}

fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Unreserved, reserved and percent characters of RFC 3986, section 2.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

fn has_bad_percent(text: &str) -> bool {
    text.split('%').skip(1).any(|after| {
        let mut digits = after.bytes();
        !digits.next().is_some_and(|byte| byte.is_ascii_hexdigit())
            || !digits.next().is_some_and(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<String, HttpUrlError> {
        text.parse::<HttpUrl>().map(|url| url.host().to_owned())
    }

    #[test]
    fn plain_urls_are_accepted_and_know_their_host() {
        assert_eq!(host("https://fw.example/a/b.zip?x=1&y=%20"), Ok("fw.example".into()));
        assert_eq!(host("http://192.0.2.1:8080"), Ok("192.0.2.1".into()));
        assert_eq!(host("https://[2001:db8::1]:8443/x"), Ok("[2001:db8::1]".into()));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        use HttpUrlError as E;
        for (text, error) in [
            ("ftp://x/y", E::Scheme),
            ("HTTPS://x/y", E::Scheme),
            ("https://u:p@x/y", E::Credentials),
            ("https:///y", E::Host),
            ("https://-x/y", E::Host),
            ("https://a..b/y", E::Host),
            ("https://[::1", E::Host),
            ("https://[::1]x", E::Host),
            ("https://x:0/y", E::Port),
            ("https://x:+1/y", E::Port),
            ("https://x:/y", E::Port),
            ("https://x:65536/y", E::Port),
            ("https://x/a b", E::Character),
            ("https://x/\"", E::Character),
            ("https://x/%zz", E::Character),
            ("https://x/%4", E::Character),
            ("https://x/ä", E::Character),
            ("https://x/a#b", E::Fragment),
        ] {
            assert_eq!(host(text), Err(error), "{text}");
        }
        assert_eq!(host(&format!("https://x/{}", "a".repeat(2048))), Err(E::TooLong));
    }
}
