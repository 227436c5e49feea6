//! The way from the router to the media server. Media have their own tokens, errors and metrics, so
//! nothing but the request's head is handed on.

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use serde_json::{Value, json};
use shoal_media::{Catalog, MediaServer};

use crate::openapi::{Operation, Routes};

pub(crate) fn routes<C: Catalog>(media: Arc<MediaServer<C>>) -> Routes {
    let path = "/media/{kind}/{segment}/{file}";
    let read = Operation::get(path, "read_medium", "Bytes of a medium");
    let look = Operation::head(path, "look_at_medium", "Size and validators of a medium");
    let binary = || json!({});
    let read = signed(read)
        .answers_as(200, "All of it", "application/octet-stream", binary())
        .answers_as(206, "Ranges of it", "application/octet-stream", binary())
        .answers_as(206, "", "multipart/byteranges", binary());
    let look = signed(look).answers_nothing(200, "It is there");
    Routes::new().add_under(
        "/media/{*path}",
        [read, look],
        async move |request: Request| -> Response {
            let (parts, _) = request.into_parts();
            media.respond(&parts).await.map(Body::new)
        },
    )
}

/// What a signed path answers whatever is asked of it. Refusals are one word for people.
fn signed(operation: Operation) -> Operation {
    let refused = |operation: Operation, status, about| {
        operation.answers_as(status, about, "text/plain", json!({"type": "string"}))
    };
    let operation = operation
        .tag("media")
        .open()
        .named("kind", "`t` for task media, `b` for boot media.", one_of(&["t", "b"]), json!("t"))
        .named("segment", "Object, expiry and signature, opaque.", segment(), json!(SEGMENT))
        .named(
            "file",
            "A name for the BMC.",
            one_of(&["task.iso", "boot.iso", "task.img", "boot.img"]),
            json!("task.iso"),
        )
        .answers_nothing(304, "The caller has it already")
        .answers_nothing(412, "It is not what the caller has")
        .answers_nothing(416, "It has no such range");
    let operation = refused(operation, 403, "The path is malformed, expired, or not signed by us");
    let operation = refused(operation, 404, "There is no such medium any more");
    let operation = refused(operation, 500, "The medium cannot be read");
    refused(operation, 503, "Not now")
}

/// A segment of the right form; no key of anybody's has signed it.
const SEGMENT: &str = "cadwwsosacv2xk5lvov2xk5lvov2xk5lvov2d4q7oiidk66ex7pnp45figfma";

fn segment() -> Value {
    json!({"type": "string", "pattern": "^[a-z2-7]+$"})
}

fn one_of(words: &[&str]) -> Value {
    json!({"enum": words})
}
