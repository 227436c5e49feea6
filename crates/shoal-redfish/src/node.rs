//! Lenient access to JSON: a property of the wrong type counts as absent and leaves a note, because
//! one odd field must never keep a machine from being provisioned.

use std::cell::RefCell;

use serde_json::Value;

/// A JSON object under reading.
pub(crate) struct Node<'a> {
    value: &'a Value,
    path: String,
    notes: &'a RefCell<Vec<String>>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(value: &'a Value, path: &str, notes: &'a RefCell<Vec<String>>) -> Self {
        Self { value, path: path.to_owned(), notes }
    }

    fn field(&self, key: &str) -> Option<&'a Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, wanted: &str) {
        self.notes.borrow_mut().push(format!("{}: {key} is not {wanted}", self.path));
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        let value = self.field(key)?;
        let Some(text) = value.as_str() else {
            self.wrong(key, "a text");
            return None;
        };
        let text = text.trim();
        (!text.is_empty()).then_some(text)
    }

    pub(crate) fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let value = self.field(key)?;
        if value.as_bool().is_none() {
            self.wrong(key, "true or false");
        }
        value.as_bool()
    }

    pub(crate) fn node(&self, key: &str) -> Option<Node<'a>> {
        let value = self.field(key)?;
        if !value.is_object() {
            self.wrong(key, "an object");
            return None;
        }
        Some(Node { value, path: format!("{}/{key}", self.path), notes: self.notes })
    }

    /// The objects of an array; nulls and other strangers are skipped.
    pub(crate) fn nodes(&self, key: &str) -> Vec<Node<'a>> {
        let Some(value) = self.field(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.wrong(key, "a list");
            return Vec::new();
        };
        let objects = items.iter().filter(|item| item.is_object());
        objects
            .map(|value| Node { value, path: format!("{}/{key}", self.path), notes: self.notes })
            .collect()
    }

    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let value = self.field(key)?;
        let Some(items) = value.as_array() else {
            self.wrong(key, "a list");
            return None;
        };
        Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The target of a link to another resource.
    pub(crate) fn link(&self, key: &str) -> Option<String> {
        self.node(key)?.id()
    }

    /// The targets of a list of links.
    pub(crate) fn links(&self, key: &str) -> Vec<String> {
        self.nodes(key).iter().filter_map(Node::id).collect()
    }

    pub(crate) fn id(&self) -> Option<String> {
        let id = self.text("@odata.id")?;
        let id = id.split('#').next().unwrap_or_default().trim_end_matches('/');
        (id.starts_with('/') && !id.starts_with("//")).then(|| id.to_owned())
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }
}
