//! Typed access to merged values. Each call names a key of the table and what it takes, and every
//! refusal comes from here, so that none forgets to name key and source.

use std::path::{Path, PathBuf};

use super::{
    Error, Given,
    key::{self, Default},
    layer::Layer,
};

/// The merged values.
pub(super) struct Reader {
    merged: Layer,
}

impl Reader {
    pub(super) fn new(merged: Layer) -> Self {
        Self { merged }
    }

    /// Whether somebody set the key to something.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given_text(key).is_some()
    }

    /// The value if there is one, given or default. An empty value is no value: that is how an
    /// environment file says it.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let default = match key::find(key).map(|key| key.default) {
            Some(Default::Value(value)) => Some(value),
            Some(Default::Unset(_)) | None => None,
        };
        let Some(text) = self.given_text(key).or(default) else { return Ok(None) };
        match parse(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.invalid(key, expected)),
        }
    }

    /// The value of a key that has a default.
    pub(super) fn value<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Error> {
        self.optional(key, expected, parse)?.ok_or_else(|| self.invalid(key, expected))
    }

    /// A path, not looked at.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, Error> {
        self.optional(key, "a path", |text| Some(PathBuf::from(text)))
    }

    /// A path that must be there already.
    pub(super) fn present(
        &self,
        key: &str,
        look: impl FnOnce(&Path) -> std::io::Result<()>,
    ) -> Result<Option<PathBuf>, Error> {
        let Some(path) = self.path(key)? else { return Ok(None) };
        match look(&path) {
            Ok(()) => Ok(Some(path)),
            Err(source) => {
                Err(Error::Missing { key: key.to_owned(), origin: self.origin(key), path, source })
            }
        }
    }

    /// Two keys that only make sense together.
    pub(super) fn pair<A, B>(
        &self,
        (left_key, left): (&str, Option<A>),
        (right_key, right): (&str, Option<B>),
    ) -> Result<Option<(A, B)>, Error> {
        match (left, right) {
            (Some(left), Some(right)) => Ok(Some((left, right))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.contradiction(left_key, &format!("it needs {right_key}"))),
            (None, Some(_)) => Err(self.contradiction(right_key, &format!("it needs {left_key}"))),
        }
    }

    pub(super) fn contradiction(&self, key: &str, reason: &str) -> Error {
        let reason = reason.to_owned();
        Error::Contradiction { key: key.to_owned(), origin: self.origin(key), reason }
    }

    pub(super) fn invalid(&self, key: &str, expected: &str) -> Error {
        let secret = key::find(key).is_some_and(|key| key.secret);
        let value = self.given_text(key).filter(|_| !secret).map(ToOwned::to_owned);
        let (key, expected) = (key.to_owned(), expected.to_owned());
        Error::Invalid { origin: self.origin(&key), key, expected, value }
    }

    /// Everything that was given, secrets masked.
    pub(super) fn given(&self) -> Vec<Given> {
        let shown = |key: &str, secret: bool| {
            let text = self.given_text(key)?;
            let value = if secret { "***".to_owned() } else { text.to_owned() };
            Some(Given { key: key.to_owned(), value, source: self.origin(key) })
        };
        let keys = key::all().filter_map(|key| shown(key.name, key.secret));
        keys.chain(self.budgets().filter_map(|key| shown(key, false))).collect()
    }

    /// The text in force for a key, given or default, and who set it.
    pub(super) fn in_force(&self, key: &str) -> (Option<&str>, String) {
        let default = match key::find(key).map(|key| key.default) {
            Some(Default::Value(value)) => Some(value),
            Some(Default::Unset(_)) | None => None,
        };
        (self.given_text(key).or(default).map(str::trim), self.origin(key))
    }

    /// The budgets that were given.
    pub(super) fn budgets(&self) -> impl Iterator<Item = &str> {
        self.merged.keys().map(String::as_str).filter(|key| key.contains('.'))
    }

    fn given_text(&self, key: &str) -> Option<&str> {
        self.merged.get(key).map(|entry| entry.text.as_str()).filter(|text| !text.trim().is_empty())
    }

    /// Who set a key.
    pub(super) fn origin(&self, key: &str) -> String {
        let given = self.merged.get(key).filter(|entry| !entry.text.trim().is_empty());
        given.map_or_else(|| "the defaults".to_owned(), |entry| entry.origin.clone())
    }
}
