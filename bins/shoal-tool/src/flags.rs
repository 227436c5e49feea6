//! Command-line flags, `--name value` or `--name=value` or a bare `--name`. A few lines of our own
//! keep the static binary small and the rules equal for all subcommands: every flag once, nothing
//! unknown, no positional arguments.

use std::collections::BTreeMap;

/// What follows a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Value,
    Nothing,
}

/// The flags of one call.
#[derive(Debug)]
pub(crate) struct Flags(BTreeMap<&'static str, String>);

/// Why a command line is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFlags {
    #[error("unknown argument {0:?}")]
    Unknown(String),
    #[error("{0} is given twice")]
    Twice(&'static str),
    #[error("{0} needs a value")]
    NoValue(&'static str),
    #[error("{0} takes no value")]
    NeedlessValue(&'static str),
    #[error("value of {flag} {problem}")]
    Value { flag: &'static str, problem: String },
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Flags {
    pub(crate) fn parse(
        args: &[String],
        known: &[(&'static str, Takes)],
    ) -> Result<Self, BadFlags> {
        let mut flags = BTreeMap::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let Some(&(flag, takes)) = known.iter().find(|(flag, _)| *flag == name) else {
                return Err(BadFlags::Unknown(name.to_owned()));
            };
            let value = match (takes, inline) {
                (Takes::Value, Some(value)) => value,
                (Takes::Value, None) => args.next().cloned().ok_or(BadFlags::NoValue(flag))?,
                (Takes::Nothing, None) => String::new(),
                (Takes::Nothing, Some(_)) => return Err(BadFlags::NeedlessValue(flag)),
            };
            if flags.insert(flag, value).is_some() {
                return Err(BadFlags::Twice(flag));
            }
        }
        Ok(Self(flags))
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.0.contains_key(flag)
    }

    pub(crate) fn text(&self, flag: &str) -> Option<&str> {
        self.0.get(flag).map(String::as_str)
    }

    /// The flag's value as something parsed; `parse` says what is wrong with the text.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        flag: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, BadFlags> {
        self.text(flag)
            .map(parse)
            .transpose()
            .map_err(|problem| BadFlags::Value { flag, problem: problem.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[(&str, Takes)] = &[("--root", Takes::Value), ("--once", Takes::Nothing)];

    fn parse(args: &[&str]) -> Result<Flags, BadFlags> {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        Flags::parse(&args, KNOWN)
    }

    #[test]
    fn both_spellings_of_a_value_are_read() {
        for args in [&["--root", "/a=b", "--once"][..], &["--once", "--root=/a=b"]] {
            let flags = parse(args).unwrap();
            assert_eq!(flags.text("--root"), Some("/a=b"));
            assert!(flags.has("--once"));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(parse(&["--rot"]).unwrap_err(), BadFlags::Unknown("--rot".into()));
        assert_eq!(parse(&["file"]).unwrap_err(), BadFlags::Unknown("file".into()));
        assert_eq!(parse(&["--root"]).unwrap_err(), BadFlags::NoValue("--root"));
        assert_eq!(parse(&["--once=1"]).unwrap_err(), BadFlags::NeedlessValue("--once"));
        assert_eq!(parse(&["--once", "--once"]).unwrap_err(), BadFlags::Twice("--once"));
    }
}
