//! Names of artifacts as operators write them: a registry, a repository, a tag or a digest.

use std::fmt;
use std::str::FromStr;

use super::CopyError;
use crate::args::{Artifact, artifact};

/// An artifact and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Host and port; none for the registry of the controller.
    pub(super) host: Option<String>,
    pub(super) repository: String,
    /// A tag or a digest.
    pub(super) reference: Option<String>,
}

impl FromStr for Place {
    type Err = CopyError;

    fn from_str(text: &str) -> Result<Self, CopyError> {
        let bad = |why| CopyError::BadName { text: text.to_owned(), why };
        if text.contains("://") {
            return Err(bad("it begins with a scheme"));
        }
        let Artifact { repository: name, reference } = artifact(text).map_err(bad)?;
        let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
        let (host, repository) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (Some(first.to_owned()), rest.to_owned()),
            _ => (None, name),
        };
        let legal = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte)
        };
        // A part of dots alone would be taken for a step in the path.
        let odd = |part: &str| part.bytes().all(|byte| byte == b'.');
        if repository.split('/').any(odd)
            || repository.len() > 255
            || !repository.bytes().all(legal)
        {
            return Err(bad("its repository is none"));
        }
        let fits = |reference: &String| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:+".contains(&byte);
            let odd = reference.bytes().all(|byte| byte == b'.');
            reference.len() <= 255 && !odd && reference.bytes().all(legal)
        };
        if !reference.as_ref().is_none_or(fits) {
            return Err(bad("its tag or digest is none"));
        }
        Ok(Self { host, repository, reference })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.repository)?;
        match &self.reference {
            Some(digest) if digest.contains(':') => write!(f, "@{digest}"),
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in [
            "tools/a",
            "tools/a:1.4",
            "localhost/a:v1",
            "registry.example:5000/tools/a@sha256:5a5a",
            "[::1]:5000/a:v1",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        let place: Place = "127.0.0.1:5000/a/b".parse().unwrap();
        assert_eq!(place.host.as_deref(), Some("127.0.0.1:5000"));
        assert_eq!((place.repository.as_str(), place.reference), ("a/b", None));
    }

    #[test]
    fn what_would_change_the_path_is_refused() {
        for wrong in
            ["", "https://a.example/b", "a/../b:v1", "a:..", "A/b", "a//b", "a:b c", "a?x=1", "a/"]
        {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
