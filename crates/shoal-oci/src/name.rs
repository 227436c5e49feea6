//! Names of repositories and tags as values that were parsed, so that nothing but a name can reach
//! a query, and no path can hide in one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use shoal_sqlite::rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use shoal_sqlite::rusqlite::{Result as SqlResult, ToSql};

use crate::digest::{BadDigest, Digest};

/// Longest name of a repository, in bytes.
pub const REPOSITORY_LENGTH_MAX: usize = 255;

/// Longest name of a tag, in bytes.
pub const TAG_LENGTH_MAX: usize = 128;

/// A text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It names no repository.
    #[error(
        "read repository name: it must be lower case letters and digits, joined by one of . _ __ - \
         and by /, at most {REPOSITORY_LENGTH_MAX} bytes"
    )]
    Repository,
    /// It names no tag.
    #[error(
        "read tag: it must be letters, digits, _ . and -, not begin with . or -, at most \
         {TAG_LENGTH_MAX} bytes"
    )]
    Tag,
    /// It names no upload.
    #[error("read upload id: it must be 32 lower case hex digits")]
    Upload,
}

/// The name of a repository, such as `tools/partition`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(Arc<str>);

impl Repository {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Repository {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let named = text.len() <= REPOSITORY_LENGTH_MAX && text.split('/').all(is_component);
        if named { Ok(Self(text.into())) } else { Err(BadName::Repository) }
    }
}

/// Runs of letters and digits, joined by one dot, one or two underscores, or any dashes.
fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let joins = |run: &[u8]| match run {
        b"." | b"_" | b"__" => true,
        dashes => dashes.iter().all(|byte| *byte == b'-'),
    };
    let bytes = text.as_bytes();
    let ends_plain = |byte: Option<&u8>| byte.is_some_and(|byte| plain(*byte));
    ends_plain(bytes.first())
        && ends_plain(bytes.last())
        && bytes.split(|byte| plain(*byte)).all(joins)
}

/// The name of a tag, such as `9.4`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = text.bytes();
        let named = text.len() <= TAG_LENGTH_MAX
            && bytes.next().is_some_and(word)
            && bytes.all(|byte| word(byte) || byte == b'.' || byte == b'-');
        if named { Ok(Self(text.into())) } else { Err(BadName::Tag) }
    }
}

/// What follows `manifests/`: a tag or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// Whatever manifest the tag points at.
    Tag(Tag),
    /// This manifest.
    Digest(Digest),
}

/// Why a text is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// It has a colon and is no digest.
    #[error(transparent)]
    Digest(#[from] BadDigest),
    /// It has none and is no tag.
    #[error(transparent)]
    Tag(#[from] BadName),
}

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        Ok(if text.contains(':') { Self::Digest(text.parse()?) } else { Self::Tag(text.parse()?) })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// The repositories a rule is about: one by its name, or with `/*` or alone `*` at the end, all below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Every repository.
    All,
    /// This one.
    One(Repository),
    /// Those below it, such as `tools/*`.
    Below(Repository),
}

impl Pattern {
    /// Whether the rule is about `repository`.
    pub fn matches(&self, repository: &Repository) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == repository,
            Self::Below(parent) => repository
                .as_str()
                .strip_prefix(parent.as_str())
                .is_some_and(|rest| rest.starts_with('/')),
        }
    }
}

impl FromStr for Pattern {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match (text, text.strip_suffix("/*")) {
            ("*", _) => Ok(Self::All),
            (_, Some(parent)) => Ok(Self::Below(parent.parse()?)),
            (name, None) => Ok(Self::One(name.parse()?)),
        }
    }
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> SqlResult<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.as_str()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    };
}

text!(Repository);
text!(Tag);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_repositories_are_told_from_what_only_looks_like_one() {
        for good in ["a", "tools/partition", "a.b_c__d---e/f/0", "os-images/rocky/9.4"] {
            assert_eq!(good.parse::<Repository>().unwrap().as_str(), good);
        }
        let long = "a".repeat(REPOSITORY_LENGTH_MAX + 1);
        for bad in [
            "", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a/./b", "A", "a b", "a..b",
            "a___b", "a._b", "-a", "a-", "_a", "a%2fb", "a\0", "a\\b", "é", &long,
        ] {
            assert_eq!(bad.parse::<Repository>(), Err(BadName::Repository), "{bad}");
        }
    }

    #[test]
    fn names_of_tags_are_told_from_what_only_looks_like_one() {
        for good in ["latest", "_", "9.4", "V1-rc.1__x", &"t".repeat(TAG_LENGTH_MAX)] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", ".x", "a/b", "a:b", "a b", &"t".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_matches_below_its_prefix_and_not_beside_it() {
        let tools: Pattern = "tools/*".parse().unwrap();
        let matches = |name: &str| tools.matches(&name.parse().unwrap());
        assert!(matches("tools/a") && matches("tools/a/b"));
        assert!(!matches("tools") && !matches("tools2/a") && !matches("os/tools/a"));
        assert!("*".parse::<Pattern>().unwrap().matches(&"a/b".parse().unwrap()));
        assert!("a*".parse::<Pattern>().is_err() && "/*".parse::<Pattern>().is_err());
    }

    proptest! {
        #[test]
        fn the_grammar_is_that_of_the_specification(text in "[a-c0._/-]{0,12}") {
            let separators = ["-", ".", "_", "__"];
            let component = |part: &str| {
                let runs: Vec<&str> = part.split(|c: char| c.is_ascii_alphanumeric()).collect();
                let inner = runs.iter().all(|run| {
                    run.is_empty() || separators.contains(run) || run.bytes().all(|b| b == b'-')
                });
                let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                edge(part.chars().next()) && edge(part.chars().last()) && inner
            };
            let expected = text.split('/').all(component);
            prop_assert_eq!(text.parse::<Repository>().is_ok(), expected);
        }
    }
}
