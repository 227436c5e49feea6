//! The body of `POST /jobs`, from bytes to a [`JobRequest`], and what makes two of them the same.

use std::collections::BTreeMap;

use ring::digest;
use serde::Serialize;
use shoal_core::{OnFailure, ServerSerial};
use shoal_recipe::{HttpUrl, Parsed, Recipe};

use crate::{document::Document, error::Error, planner::JobRequest};

/// Longest body, in bytes: a recipe of the largest size and its envelope.
pub(super) const BODY_MAX: usize = 8 * 1024 * 1024;

pub(crate) const LABELS_MAX: usize = 32;
pub(crate) const LABEL_NAME_MAX: usize = 63;
pub(crate) const LABEL_VALUE_MAX: usize = 256;
pub(super) const PRIORITY_MAX: i32 = 100;

/// What a priority must be.
pub(super) const PRIORITY: &str = "a whole number from -100 to 100";

/// Tells a priority that is out of range.
pub(super) fn check_priority(document: &mut Document<'_>, priority: i32) {
    if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
        document.problem("priority", "out_of_range", format!("must be {PRIORITY}"));
    }
}

/// Reads a body, and tells everything that is wrong with it.
pub(super) fn parse(body: &[u8]) -> Result<JobRequest, Error> {
    let mut document = Document::read(body)?;
    let serial: Option<ServerSerial> =
        document.required("server_serial", "1 to 64 characters out of A-Z a-z 0-9 . _ -");
    let recipe = recipe(&mut document);
    let url: Option<String> = document.optional("maintenance_iso_url", "an http or https URL");
    let maintenance_iso_url = url.and_then(|text| {
        let parsed: Result<HttpUrl, _> = text.parse();
        if parsed.is_err() {
            document.problem("maintenance_iso_url", "bad_url", "must be an http or https URL");
        }
        parsed.ok()
    });
    let priority = document.whole("priority", PRIORITY).unwrap_or(0);
    check_priority(&mut document, priority);
    let labels = labels(&mut document);
    let on_failure: Option<OnFailure> = document.optional("on_failure", "off, reset or leave");
    let (serial, recipe) = document.finish_with(serial.zip(recipe))?;
    let on_failure = on_failure.unwrap_or_default();
    Ok(JobRequest { serial, recipe, maintenance_iso_url, priority, labels, on_failure })
}

fn recipe(document: &mut Document<'_>) -> Option<Parsed> {
    let Some(raw) = document.raw("recipe") else {
        document.problem("recipe", "missing_field", "is missing; it must be a recipe");
        return None;
    };
    match Recipe::parse(raw.get().as_bytes()) {
        Ok(parsed) => Some(parsed),
        Err(problems) => {
            document.adopt(problems.into_iter().map(|problem| problem.under("/recipe").into()));
            None
        }
    }
}

/// An operator's own words for a job or a server.
pub(crate) fn labels(document: &mut Document<'_>) -> BTreeMap<String, String> {
    let expected = "an object of texts";
    let labels: BTreeMap<String, String> =
        document.optional("labels", expected).unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let fits = |(name, value): (&String, &String)| {
        (1..=LABEL_NAME_MAX).contains(&name.len())
            && name.bytes().all(plain)
            && value.len() <= LABEL_VALUE_MAX
            && !value.chars().any(char::is_control)
    };
    if labels.len() > LABELS_MAX || !labels.iter().all(fits) {
        let message = "must be at most 32 labels, names of 1 to 63 characters out of \
                       A-Z a-z 0-9 . _ - /, values of at most 256 bytes without control characters";
        document.problem("labels", "out_of_range", message);
    }
    labels
}

/// What makes two requests the same: what was understood, not how it was written.
pub(super) fn fingerprint(request: &JobRequest) -> [u8; 32] {
    #[derive(Serialize)]
    struct Rest<'a> {
        serial: &'a ServerSerial,
        maintenance_iso_url: Option<&'a str>,
        priority: i32,
        labels: &'a BTreeMap<String, String>,
        on_failure: OnFailure,
    }
    let rest = Rest {
        serial: &request.serial,
        maintenance_iso_url: request.maintenance_iso_url.as_ref().map(HttpUrl::as_str),
        priority: request.priority,
        labels: &request.labels,
        on_failure: request.on_failure,
    };
    let mut context = digest::Context::new(&digest::SHA256);
    // Both parts are one line of JSON, so nothing can slip from one into the other.
    context.update(&serde_json::to_vec(&rest).unwrap_or_default());
    context.update(b"\n");
    context.update(&request.recipe.recipe.reveal_document());
    context.finish().as_ref().try_into().unwrap_or_default()
}
