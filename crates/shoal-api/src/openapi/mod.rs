//! The OpenAPI document of this surface. It is made from the operations the router is made from, so
//! a handler that is not in the document cannot be reached, and what is in the document can.
//!
//! # Adding a call
//! 1. Write the handler, in the module of its resource.
//! 2. Derive `JsonSchema` for what it answers; types of other crates have a stand-in in [`shape`].
//! 3. Describe it in the resource's `doc` module as an [`Operation`]: parameters and bodies with
//!    their bounds, an example, every answer, and the codes it refuses with. What the layers around
//!    all calls answer (logins, bounds, mistakes of ours) is added by itself.
//! 4. Add both to the resource's `routes`: `.add(doc::thing(), thing)`.
//! 5. `cargo xtask generate` writes `schemas/openapi.v1.json`. The tests of the surface then hold
//!    each of their answers against it, and `shoal-e2e --only schema` asks the running controller.

mod assemble;
mod operation;
mod refusal;
mod routes;
pub(crate) mod shape;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use serde_json::{Value, json};

pub(crate) use self::{operation::Operation, routes::Routes};
use crate::error::Code;

/// Adds the call that answers with the document of all calls, itself included.
pub(crate) fn served(routes: Routes<()>) -> Routes<()> {
    let described = Operation::get("/api/v1/openapi.json", "openapi", "This document")
        .tag("document")
        .open()
        .answers_as(200, "An OpenAPI 3.1 document", "application/json", json!({"type": "object"}));
    let mut operations: Vec<&Operation> = routes.operations().iter().collect();
    operations.push(&described);
    let document = text(&assemble::document(&operations));
    routes.add(described, async move || answer(document))
}

fn answer(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

fn text(document: &Value) -> Bytes {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text.into()
}

/// What everything below the outermost layer may be answered with.
const OF_ALL: [Code; 3] = [Code::UriTooLong, Code::HeadersTooLarge, Code::Internal];
/// What a call that reads a body may be answered with because of it.
const OF_BODIES: [Code; 4] = [Code::Validation, Code::BodyTimeout, Code::TooLarge, Code::MediaType];
/// What a call with a login may be answered with before its handler runs.
const OF_LOGINS: [Code; 3] = [Code::Unauthorized, Code::RateLimited, Code::Unavailable];
