//! The parameters paths of ours have. axum answers undecodable ones itself, in its own words and
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

/// Both parameters of a path that has two, decoded.
pub(crate) struct NamedPair(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for NamedPair {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let decoded = Path::<(String, String)>::from_request_parts(parts, state).await;
        let unknown = || "\u{fffd}".to_owned();
        Ok(decoded.map_or_else(|_| Self(unknown(), unknown()), |Path((one, two))| Self(one, two)))
    }
}
