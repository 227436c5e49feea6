//! Who a machine is. The names operators know machines by sit in different fields, and boards leave
//! the factory with placeholders in them; what is judged here decides whether a plan is made at all.

use serde::{Deserialize, Serialize};

use crate::{node::Node, profile::SerialField};

/// What tells one machine from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `SerialNumber`; on Dell this is the board's.
    pub serial: Option<String>,
    /// `SKU`; on Dell this is the service tag.
    pub sku: Option<String>,
    /// `UUID`, lower case.
    pub uuid: Option<String>,
}

impl Identity {
    pub(crate) fn read(node: &Node<'_>) -> Self {
        Self {
            serial: node.text("SerialNumber").filter(|text| is_meant(text)).map(str::to_owned),
            sku: node.text("SKU").filter(|text| is_meant(text)).map(str::to_owned),
            uuid: node.text("UUID").filter(|text| is_meant(text)).map(str::to_ascii_lowercase),
        }
    }

    /// The serial in one of the fields that may carry it.
    pub(crate) fn serial_in(&self, field: SerialField) -> Option<&str> {
        match field {
            SerialField::SerialNumber => self.serial.as_deref(),
            SerialField::Sku => self.sku.as_deref(),
        }
    }

    /// Which of the identities a name is, ignoring case.
    pub(crate) fn name_of(&self, name: &str) -> Option<&'static str> {
        let names = [("serial_number", &self.serial), ("sku", &self.sku), ("uuid", &self.uuid)];
        let is = |known: &Option<String>| {
            known.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name.trim()))
        };
        names.into_iter().find(|(_, known)| is(known)).map(|(field, _)| field)
    }

    /// The first field in which both are known and differ, as (expected, seen).
    pub(crate) fn conflict<'a>(&'a self, seen: &'a Self) -> Option<(&'a str, &'a str)> {
        let pairs =
            [(&self.serial, &seen.serial), (&self.sku, &seen.sku), (&self.uuid, &seen.uuid)];
        pairs.into_iter().find_map(|pair| match pair {
            (Some(expected), Some(seen)) if !expected.eq_ignore_ascii_case(seen) => {
                Some((expected.as_str(), seen.as_str()))
            }
            _ => None,
        })
    }
}

/// Boards leave the factory with placeholders in these fields.
pub(crate) fn is_meant(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let placeholder = ["to be filled", "default string", "not specified", "n/a", "none", "unknown"];
    !placeholder.iter().any(|word| lower.starts_with(word))
        && !text.chars().all(|c| matches!(c, '0' | '-' | ' ' | 'f' | 'F'))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_identify_nothing() {
        let body = json!({"SerialNumber": "  ", "SKU": "To be filled by O.E.M.", "UUID": "00000000-0000-0000-0000-000000000000"});
        let notes = RefCell::default();
        assert_eq!(Identity::read(&Node::new(&body, "/s", &notes)), Identity::default());
    }

    #[test]
    fn identities_conflict_only_where_both_are_known() {
        let one = Identity { serial: Some("A1".into()), sku: None, uuid: Some("x".into()) };
        let same = Identity { serial: Some("a1".into()), sku: Some("S".into()), uuid: None };
        assert_eq!(one.conflict(&same), None);
        let other = Identity { serial: Some("B2".into()), ..Identity::default() };
        assert_eq!(one.conflict(&other), Some(("A1", "B2")));
    }
}
