//! Refusals in the document: which codes come with which status, told from the one table of codes.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::error::Code;

/// Codes by the status they come with.
pub(super) fn by_status(codes: &BTreeSet<Code>) -> BTreeMap<u16, Vec<Code>> {
    let mut found: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        found.entry(code.status().as_u16()).or_default().push(*code);
    }
    found
}

/// The name of the component that says what a set of codes of one status looks like.
pub(super) fn name(codes: &[Code]) -> String {
    codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join("-or-")
}

/// The response component for codes of one status.
pub(super) fn response(codes: &[Code]) -> Value {
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let about: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.about())).collect();
    let mut headers = Map::from_iter([("X-Request-Id".to_owned(), header("RequestId"))]);
    let status = codes.first().map(|code| code.status()).unwrap_or_default();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert("WWW-Authenticate".to_owned(), header("WwwAuthenticate"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert("Retry-After".to_owned(), header("RetryAfter"));
        }
        _ => {}
    }
    let schema = json!({"allOf": [
        {"$ref": "#/components/schemas/Error"},
        {"properties": {"error": {"enum": words}}},
    ]});
    json!({
        "description": about.join("\n\n"),
        "headers": headers,
        "content": {"application/json": {"schema": schema}},
    })
}

pub(super) fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}
