//! The address of an image as a BMC will accept it. BMCs disagree about URLs far more than about
//! anything else, so what none of them is known to refuse is enforced when the value is made.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::redact::short_url;

/// Longest address accepted, in bytes. One iDRAC refused about 330 (openshift/assisted-image-service
/// #183); 255 is the usual size of such a field.
const LONGEST: usize = 255;

/// Transfer protocols a BMC may fetch an image with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// A network file system share; named only to say that a BMC takes nothing else.
    Nfs,
    /// A Windows file share; named only to say that a BMC takes nothing else.
    Cifs,
}

impl Scheme {
    /// The value of Redfish's `TransferProtocolType` (DSP0268, `VirtualMedia`).
    pub(crate) fn transfer_protocol(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Nfs => "NFS",
            Self::Cifs => "CIFS",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Nfs => "nfs",
            Self::Cifs => "cifs",
        })
    }
}

/// An `http` or `https` address of an image that ends in `.iso` or `.img`.
///
/// Its path may be a capability, so `Debug` and `Display` show only origin and file name.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaUrl {
    text: String,
    scheme: Scheme,
    origin: String,
}

impl MediaUrl {
    /// Parses and checks an address.
    pub fn parse(text: &str) -> Result<Self, MediaUrlError> {
        let url = Url::parse(text).map_err(|why| MediaUrlError::Unreadable(BadUrl(why)))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(MediaUrlError::Scheme),
        };
        if text.len() > LONGEST {
            return Err(MediaUrlError::TooLong { bytes: text.len() });
        }
        // Query strings, escapes and credentials are refused by Supermicro X12 and by whatever else
        // compares the address with a file name (ironic, drivers/redfish.rst, "Limitations").
        let odd = |c: char| {
            matches!(c, '?' | '&' | '=' | '#' | '%' | '~' | '+' | '@') || c.is_whitespace()
        };
        if let Some(found) = text.chars().find(|c| odd(*c)) {
            return Err(MediaUrlError::Character(found));
        }
        let suffix = url.path().rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
        if !matches!(suffix.as_deref(), Some("iso" | "img")) {
            return Err(MediaUrlError::Suffix);
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { text: text.to_owned(), scheme, origin })
    }

    /// The transfer protocol.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn file_name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The path without its first slash and its file name, `media/t/abc/`; none for an image at the
    /// top.
    pub(crate) fn directory(&self) -> Option<&str> {
        let path = self.path().strip_prefix('/')?;
        let end = path.rfind('/')?;
        path.get(..=end).filter(|directory| *directory != "/")
    }

    pub(crate) fn path(&self) -> &str {
        path_of(&self.text)
    }
}

impl fmt::Display for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short_url(&self.text))
    }
}

impl fmt::Debug for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The part of an address behind its authority, slash included; the whole text when it has none.
pub(crate) fn path_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    behind_scheme.find('/').and_then(|start| behind_scheme.get(start..)).unwrap_or(behind_scheme)
}

/// Whether an image's address begins as those of our own images do, see
/// [`PlanRequest::ours`](crate::PlanRequest::ours).
pub(crate) fn starts_as_ours(image: &str, ours: &[String]) -> bool {
    ours.iter().filter(|prefix| prefix.contains('/')).any(|prefix| {
        let compared = if prefix.starts_with('/') { path_of(image) } else { image };
        compared.starts_with(prefix.as_str())
    })
}

/// Why a text is not a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUrl(pub(crate) url::ParseError);

/// Why an image address would not work on every BMC.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaUrlError {
    /// Not a URL.
    #[error("the image address is not a URL")]
    Unreadable(#[source] BadUrl),
    /// Neither `http` nor `https`.
    #[error("the image address is neither http nor https")]
    Scheme,
    /// Longer than BMCs store.
    #[error("the image address has {bytes} bytes; BMCs store at most 255")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character that some BMCs refuse.
    #[error("the image address contains {0:?}, which some BMCs refuse")]
    Character(char),
    /// Some BMCs decide by the suffix what kind of medium it is.
    #[error("the image address ends neither in .iso nor in .img")]
    Suffix,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_path_of_an_image_address_is_never_shown() {
        let url = MediaUrl::parse("https://10.0.0.5:8443/media/t/secrettoken/task.iso").unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://10.0.0.5:8443/…/task.iso https://10.0.0.5:8443/…/task.iso"
        );
        assert_eq!(url.origin(), "https://10.0.0.5:8443");
        assert_eq!(url.path(), "/media/t/secrettoken/task.iso");
    }

    #[test]
    fn an_image_of_ours_is_known_by_its_path_whatever_host_the_bmc_shows() {
        let ours = ["/media/t/".to_owned(), "https://10.0.0.5:8443/b/".to_owned()];
        for image in ["http://shoal.example/media/t/x/task.iso", "https://10.0.0.5:8443/b/x.iso"] {
            assert!(starts_as_ours(image, &ours), "{image}");
        }
        for image in ["http://h/isos/media/t/x.iso", "https://10.0.0.5:84430/b/x.iso", "task.iso"] {
            assert!(!starts_as_ours(image, &ours), "{image}");
        }
    }

    #[test]
    fn shapes_that_some_bmc_refuses_are_refused_at_once() {
        for bad in [
            "http://h/a.iso?x=1",
            "http://h/a%20.iso",
            "ftp://h/a.iso",
            "http://h/a",
            "a.iso",
            "http://u@h/a.iso",
        ] {
            assert!(MediaUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(MediaUrl::parse(&format!("http://h/{}.iso", "a".repeat(300))).is_err());
    }
    proptest! {
        #[test]
        fn what_is_accepted_suits_every_bmc_and_is_never_shown_whole(
            text in "(https?|ftp|HTTP)://[a-z0-9.:\\[\\]@-]{1,20}(/[a-zA-Z0-9%?&=~+. ]{0,12}){0,4}\\.(iso|img|IMG|exe)|\\PC{0,60}",
        ) {
            if let Ok(url) = MediaUrl::parse(&text) {
                prop_assert_eq!(url.as_str(), &text);
                prop_assert!(text.len() <= LONGEST);
                prop_assert!(!text.contains(['?', '&', '=', '#', '%', '~', '+', '@', ' ']));
                prop_assert!(text.ends_with(url.file_name()));
                let directory = url.path().rsplit_once('/').map_or("", |(directory, _)| directory);
                let secret = directory.split('/').filter(|part| part.len() > 8).collect::<Vec<_>>();
                let shown = url.to_string();
                prop_assert!(secret.iter().all(|part| !shown.contains(part)), "{}", shown);
            }
        }
    }
}
