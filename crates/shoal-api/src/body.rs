//! Bodies in full, within the bounds of their route.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::{Code, Error};

/// Longest body of every call but POST of a job and of a report.
pub(crate) const SMALL: usize = 64 * 1024;

/// Most that is read of a body beyond what its route takes, in bytes.
const DISCARDED_MAX: usize = 16 * 1024 * 1024;

/// What a route takes.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes.
    pub(crate) most: usize,
    /// How long it may take to arrive.
    pub(crate) within: Duration,
}

/// Reads a body that must be JSON.
pub(crate) async fn json(headers: &HeaderMap, body: Body, bounds: Bounds) -> Result<Bytes, Error> {
    if !is_json(headers) {
        return Err(Error::new(Code::MediaType, "the body must be sent as application/json"));
    }
    whole(headers, body, bounds).await
}

/// Reads a body that may be left out; an empty object stands for none.
pub(crate) async fn json_or_none(
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
) -> Result<Bytes, Error> {
    let bytes = whole(headers, body, bounds).await?;
    if bytes.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if !is_json(headers) {
        return Err(Error::new(Code::MediaType, "the body must be sent as application/json"));
    }
    Ok(bytes)
}

/// Reads a body of any type; its route looks at the type itself.
pub(crate) async fn whole(
    headers: &HeaderMap,
    mut body: Body,
    bounds: Bounds,
) -> Result<Bytes, Error> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if announced > bounds.most as u64 {
        return Err(too_large(&mut body, bounds).await);
    }
    let read = Limited::new(&mut body, bounds.most).collect();
    match tokio::time::timeout(bounds.within, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(&mut body, bounds).await),
        Ok(Err(_)) => {
            let message = "the body broke off before its end";
            Err(Error::invalid(vec![crate::error::Detail::new("", "incomplete", message)]))
        }
        Err(_) => Err(Error::new(Code::BodyTimeout, "the body did not arrive in time")),
    }
}

/// The refusal of a body that is too large, once its sender can be expected to read it: most look for
/// an answer only when they have sent everything, and would find a broken connection instead.
async fn too_large(body: &mut Body, bounds: Bounds) -> Error {
    let discard = async {
        let mut left = DISCARDED_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(len) else { return };
            left = rest;
        }
    };
    // Whoever sends more, or slowly, is cut off; the refusal is the same.
    let _ = tokio::time::timeout(bounds.within, discard).await;
    Error::new(Code::TooLarge, format!("the body exceeds {} bytes", bounds.most))
}

/// `application/json`, with parameters or not, in any letter case.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
