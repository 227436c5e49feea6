//! A JSON body as its members, read one by one. serde alone stops at the first mistake, names no
//! place, and quotes what it found, which may be a password; this reader tells every mistake with
//! its JSON Pointer and repeats no value.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::error::{Detail, Error};

/// Longest member name that a message repeats.
const NAME_SHOWN: usize = 60;
/// Most members that are looked at; none of our bodies has a quarter of it.
const MEMBERS_MAX: usize = 64;

/// The members of one object that are not yet taken, and what was wrong with those that were.
pub(crate) struct Document<'a> {
    prefix: &'static str,
    members: Vec<(String, &'a RawValue)>,
    problems: Vec<Detail>,
}

impl<'a> Document<'a> {
    /// Reads a body that must be one object.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let refuse = |code, message: String| Error::invalid(vec![Detail::new("", code, message)]);
        let text = std::str::from_utf8(body).map_err(|error| {
            refuse("not_utf8", format!("byte {} of the body is not UTF-8", error.valid_up_to()))
        })?;
        let members: Members<'a> = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                return refuse("wrong_type", "the body must be a JSON object".to_owned());
            }
            let (line, column) = (error.line(), error.column());
            refuse("not_json", format!("the body is not JSON at line {line}, column {column}"))
        })?;
        Ok(Self::of("", members))
    }

    fn of(prefix: &'static str, members: Members<'a>) -> Self {
        let mut document = Self { prefix, members: Vec::new(), problems: Vec::new() };
        for (name, value) in members.0 {
            if document.members.iter().any(|(known, _)| *known == name) {
                let message = "appears more than once; keep the one that is meant";
                document.problem(&name, "duplicate_field", message);
            } else {
                document.members.push((name, value));
            }
        }
        document
    }

    /// The member's own text; none when it is absent or null.
    pub(crate) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.members.swap_remove(at);
        (value.get() != "null").then_some(value)
    }

    /// The member, if it is there and has its form; `expected` completes "must be ...".
    pub(crate) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Option<T> {
        let raw = self.raw(name)?;
        let value = serde_json::from_str(raw.get()).ok();
        if value.is_none() {
            self.problem(name, "bad_format", format!("must be {expected}"));
        }
        value
    }

    /// A whole number, which JSON may also write as `3.0` or `3e0`.
    pub(crate) fn whole(&mut self, name: &str, expected: &str) -> Option<i32> {
        let number: f64 = self.optional(name, expected)?;
        // Every i32 is a double, and a double without a fraction is written as the integer it is.
        let whole = (number.fract() == 0.0).then(|| format!("{number:.0}").parse().ok()).flatten();
        if whole.is_none() {
            self.problem(name, "bad_format", format!("must be {expected}"));
        }
        whole
    }

    /// As [`Document::optional`], of a member that must be there.
    pub(crate) fn required<T: DeserializeOwned>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Option<T> {
        let before = self.problems.len();
        let value = self.optional(name, expected);
        if value.is_none() && self.problems.len() == before {
            self.problem(name, "missing_field", format!("is missing; it must be {expected}"));
        }
        value
    }

    /// The member as an object of its own, whose problems come back with [`Document::close`].
    pub(crate) fn nested(&mut self, name: &'static str, prefix: &'static str) -> Option<Self> {
        let raw = self.raw(name)?;
        match serde_json::from_str(raw.get()) {
            Ok(members) => Some(Self::of(prefix, members)),
            Err(_) => {
                self.problem(name, "wrong_type", "must be an object");
                None
            }
        }
    }

    /// Ends a nested object: what is left in it is unknown.
    pub(crate) fn close(&mut self, nested: Self) {
        self.problems.extend(nested.ended());
    }

    pub(crate) fn problem(&mut self, name: &str, code: &'static str, message: impl Into<String>) {
        let shown: String = name.chars().take(NAME_SHOWN).collect();
        let escaped = shown.replace('~', "~0").replace('/', "~1");
        self.problems.push(Detail::new(format!("{}/{escaped}", self.prefix), code, message));
    }

    /// How many problems were told so far.
    pub(crate) fn problems(&self) -> usize {
        self.problems.len()
    }

    pub(crate) fn adopt(&mut self, details: impl IntoIterator<Item = Detail>) {
        self.problems.extend(details);
    }

    /// Refuses the body if anything was wrong or is left over.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.finish_with(Some(()))
    }

    /// As [`Document::finish`], with the required members of a body that is right.
    pub(crate) fn finish_with<T>(self, required: Option<T>) -> Result<T, Error> {
        let mut problems = self.ended();
        match required {
            Some(value) if problems.is_empty() => Ok(value),
            Some(_) => Err(Error::invalid(problems)),
            None => {
                if problems.is_empty() {
                    problems.push(Detail::new("", "missing_field", "is incomplete"));
                }
                Err(Error::invalid(problems))
            }
        }
    }

    fn ended(mut self) -> Vec<Detail> {
        for (name, _) in std::mem::take(&mut self.members) {
            self.problem(&name, "unknown_field", "is not known here; remove it or mend its name");
        }
        self.problems.sort_by(|a, b| a.path.cmp(&b.path));
        self.problems
    }
}

/// An object's members in the order they came, repeated ones included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    if members.len() == MEMBERS_MAX {
                        return Err(serde::de::Error::custom("too many members"));
                    }
                    members.push(member);
                }
                Ok(members)
            }
        }

        input.deserialize_map(Object).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problems(body: &str) -> Vec<(String, String)> {
        let read = || {
            let mut document = Document::read(body.as_bytes())?;
            let _: Option<String> = document.required("name", "a text");
            let _: Option<u8> = document.optional("count", "a number from 0 to 255");
            document.finish()
        };
        let details = read().err().map(|error| error.details).unwrap_or_default();
        details.into_iter().map(|detail| (detail.path, detail.code.into_owned())).collect()
    }

    fn one(path: &str, code: &str) -> Vec<(String, String)> {
        vec![(path.to_owned(), code.to_owned())]
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let read = |text: &str| {
            let body = format!(r#"{{"n": {text}}}"#);
            let mut document = Document::read(body.as_bytes()).ok()?;
            let number = document.whole("n", "a whole number");
            document.finish_with(number).ok()
        };
        for (text, number) in [("-63", -63), ("-63.0", -63), ("1e2", 100), ("-0.0", 0)] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in ["0.5", "2147483648", "1e300", "\"1\"", "[1]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        assert!(problems(r#"{"name": "a", "count": 7}"#).is_empty());
        assert_eq!(problems(r#"{"name": "a", "count": 700}"#), one("/count", "bad_format"));
        assert_eq!(problems(r#"{"name": null}"#), one("/name", "missing_field"));
        assert_eq!(problems(r#"{"name": "a", "x/y": 1}"#), one("/x~1y", "unknown_field"));
        assert_eq!(problems(r#"{"name": "a", "name": "b"}"#), one("/name", "duplicate_field"));
        assert_eq!(problems(r#"["name"]"#), one("", "wrong_type"));
        assert_eq!(problems(r#"{"name": "#), one("", "not_json"));
        assert_eq!(problems(r#"{"count": -1}"#).len(), 2);
    }

    #[test]
    fn ten_thousand_levels_are_a_refusal_and_not_a_crash() {
        let deep = format!(r#"{{"name": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert!(!problems(&deep).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::read(&bytes).map(Document::finish);
        }
    }
}
