//! The one parameter a path of ours has. axum answers undecodable ones itself, in its own words and
//! before a handler could say what was not found; this extractor leaves that to the handler.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

/// The path's parameter, decoded. What is no UTF-8 becomes a text that is no id of anything.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let decoded = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(decoded.map_or_else(|_| "\u{fffd}".to_owned(), |Path(text)| text)))
    }
}
