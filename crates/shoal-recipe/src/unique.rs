//! JSON lets a member appear twice and leaves open which one counts. For a document that names the
//! disk to erase that is not good enough, so such documents are found while they are read.

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::{Code, Problem};
use crate::schema::child;

/// A hostile document could repeat a member a million times.
const MAX_FOUND: usize = 1000;

/// Reads a JSON text, and tells which members appear more than once in their object.
pub(crate) fn read(text: &str) -> serde_json::Result<(Value, Vec<Problem>)> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut found = Vec::new();
    let value = Member { place: &Place::Root, found: &mut found }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, found))
}

/// Where a value stands. Hardly any is ever told, so it is written out only then.
enum Place<'a> {
    Root,
    Entry(&'a Self, usize),
    Member(&'a Self, &'a str),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Entry(list, index) => format!("{}/{index}", list.pointer()),
            Self::Member(object, name) => child(&object.pointer(), name),
        }
    }
}

/// Reads the value at `place`.
struct Member<'a> {
    place: &'a Place<'a>,
    found: &'a mut Vec<Problem>,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let place = Place::Entry(self.place, values.len());
            match entries.next_element_seed(Member { place: &place, found: self.found })? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let place = Place::Member(self.place, &name);
            if map.contains_key(&name) && self.found.len() < MAX_FOUND {
                let message = "appears more than once; keep the one that is meant";
                self.found.push(Problem::new(place.pointer(), Code::DuplicateField, message));
            }
            let value = members.next_value_seed(Member { place: &place, found: self.found })?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repeated_members_are_found_at_any_depth() {
        let (_, found) = read(r#"{"a": 1, "b": [{"c": {"d/e": 1, "d/e": 1}}], "a": 2}"#).unwrap();

        let paths: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["/b/0/c/d~1e", "/a"]);
    }

    #[test]
    fn the_same_name_in_different_objects_is_fine() {
        assert!(read(r#"[{"a": 1}, {"a": {"a": null}}]"#).unwrap().1.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_serde_json_reads_it(
            text in r#"[\[\]{}:, ]{0,3}("a"|1|-2.5e3|true|null|"\\u00e4\\n"|[\[\]{},: "a1]){0,12}"#,
        ) {
            let ours = read(&text).ok().map(|(value, _)| value);
            prop_assert_eq!(ours, serde_json::from_str::<Value>(&text).ok());
        }
    }
}
