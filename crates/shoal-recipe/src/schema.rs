//! The published JSON Schema, compiled once, and its complaints in our words. The library's own
//! messages repeat the offending value, which may be a secret, so none of them is passed on.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::problem::{Code, Problem, quoted};

/// The JSON Schema of recipes (draft-07), as published and as put on every task medium.
pub const SCHEMA: &str = include_str!("../../../schemas/recipe.v1.json");

/// The `$id` of [`SCHEMA`].
pub const SCHEMA_ID: &str = "urn:shoal:schema:recipe.v1";

/// A hostile recipe could hold a million errors; nobody reads so many.
const MAX_ERRORS: usize = 1000;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(compile);

#[expect(clippy::expect_used, reason = "the schema is part of the program and compiled by a test")]
fn compile() -> Validator {
    let schema = serde_json::from_str(SCHEMA).expect("the embedded schema is JSON");
    jsonschema::draft7::new(&schema).expect("the embedded schema compiles")
}

/// What the schema finds wrong with `recipe`.
pub(crate) fn check(recipe: &Value) -> Vec<Problem> {
    // Nearly all recipes are valid, and to know only that is much less work.
    if VALIDATOR.is_valid(recipe) {
        return Vec::new();
    }
    let errors = VALIDATOR.iter_errors(recipe);
    errors.flat_map(|error| explain(&error)).take(MAX_ERRORS).collect()
}

fn explain(error: &ValidationError<'_>) -> Vec<Problem> {
    let path = error.instance_path().as_str();
    let found = json_type(error.instance());
    let one = |code, message: String| vec![Problem::new(path, code, message)];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .take(MAX_ERRORS)
            .map(|name| {
                let message = format!(
                    "{} is not a member of recipes; remove it, or put it under metadata",
                    quoted(name)
                );
                Problem::new(child(path, name), Code::UnknownField, message)
            })
            .collect(),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let message = format!("{name} is required here; add it");
            vec![Problem::new(child(path, name), Code::MissingField, message)]
        }
        ValidationErrorKind::Type { kind } => {
            one(Code::WrongType, format!("must be {}, found {found}", expected(kind)))
        }
        ValidationErrorKind::Pattern { pattern } => {
            one(Code::BadFormat, format!("must match the pattern {pattern}"))
        }
        ValidationErrorKind::Enum { options } => {
            one(Code::UnsupportedValue, format!("must be one of {options}"))
        }
        ValidationErrorKind::MaxLength { limit } => {
            one(Code::OutOfRange, format!("must not have more than {limit} characters"))
        }
        ValidationErrorKind::MinLength { limit } => {
            one(Code::OutOfRange, format!("must have at least {limit} characters"))
        }
        ValidationErrorKind::MaxItems { limit } => {
            one(Code::OutOfRange, format!("must not have more than {limit} entries"))
        }
        ValidationErrorKind::MinItems { limit } => {
            one(Code::OutOfRange, format!("must have at least {limit} entries"))
        }
        ValidationErrorKind::MinProperties { limit } => {
            one(Code::OutOfRange, format!("must have at least {limit} members"))
        }
        ValidationErrorKind::Minimum { limit } => {
            one(Code::OutOfRange, format!("must be at least {limit}"))
        }
        ValidationErrorKind::Maximum { limit } => {
            one(Code::OutOfRange, format!("must be at most {limit}"))
        }
        // The schema uses no other keyword; should one be added, the answer is vague but safe.
        other => one(Code::BadFormat, format!("breaks the rule {} of the schema", other.keyword())),
    }
}

/// JSON Pointer of a member, escaped by RFC 6901.
pub(crate) fn child(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => format!("of type {one}"),
        TypeKind::Multiple(set) => {
            let names: Vec<String> = set.iter().map(|one| one.to_string()).collect();
            format!("of type {}", names.join(" or "))
        }
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_schema_is_valid_draft_07_and_carries_its_id() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();

        assert!(jsonschema::meta::is_valid(&schema));
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert_eq!(schema["$id"], SCHEMA_ID);
    }

    #[test]
    fn every_object_the_schema_describes_is_closed_but_metadata() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();

        for pointer in ["", "/properties/target_disk", "/properties/partition_layout/items"] {
            let closed = schema.pointer(&format!("{pointer}/additionalProperties"));
            assert_eq!(closed, Some(&Value::Bool(false)), "{pointer}");
        }
        assert_eq!(schema.pointer("/properties/metadata/additionalProperties"), None);
    }

    #[test]
    fn the_example_in_the_schema_is_a_recipe() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();

        assert!(check(&schema["examples"][0]).is_empty());
    }

    #[test]
    fn names_are_escaped_as_json_pointers() {
        assert_eq!(child("/a", "b/c~d"), "/a/b~1c~0d");
    }
}
