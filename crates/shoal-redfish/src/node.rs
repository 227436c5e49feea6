//! Lenient access to JSON: a property of the wrong type counts as absent and leaves a note, because
//! one odd field must never keep a machine from being provisioned.

use std::cell::RefCell;

use serde_json::Value;

use crate::media_url::path_of;

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
        Some(self.path_at("@odata.id")?.trim_end_matches('/').to_owned())
            .filter(|id| !id.is_empty())
    }

    /// A path on this BMC. Some write whole addresses, with the host as they know it; whatever host
    /// that is, the request goes to the BMC we talk to.
    pub(crate) fn path_at(&self, key: &str) -> Option<String> {
        let text = self.text(key)?.split('#').next().unwrap_or_default();
        let path = if text.contains("://") { path_of(text) } else { text };
        (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }
}

/// Whether two paths name the same resource; BMCs disagree with themselves about case and a slash at
/// the end.
pub(crate) fn same_path(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

/// The last segment of a path: what a resource is called among those beside it.
pub(crate) fn last_segment(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn links_are_paths_on_the_bmc_however_they_are_written() {
        let notes = RefCell::default();
        for (written, read) in [
            ("/redfish/v1/Systems/1", Some("/redfish/v1/Systems/1")),
            ("/redfish/v1/Systems/1/", Some("/redfish/v1/Systems/1")),
            ("/redfish/v1/Systems/1#/Boot", Some("/redfish/v1/Systems/1")),
            ("https://bmc.inside/redfish/v1/Systems/1", Some("/redfish/v1/Systems/1")),
            ("https://bmc.inside", None),
            ("//elsewhere/redfish/v1", None),
            ("Systems/1", None),
            ("/", None),
        ] {
            let body = json!({"@odata.id": written});
            assert_eq!(Node::new(&body, "/x", &notes).id().as_deref(), read, "{written}");
        }
    }

    #[test]
    fn paths_are_the_same_whatever_their_case_and_last_slash() {
        assert!(same_path("/redfish/v1/Managers/1/", "/redfish/v1/managers/1"));
        assert!(!same_path("/redfish/v1/Managers/1", "/redfish/v1/Managers/10"));
    }
}
