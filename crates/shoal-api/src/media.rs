//! The way from the router to the media server. Media have their own tokens, errors and metrics, so
//! nothing but the request's head is handed on.

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, response::Response, routing::any};
use shoal_media::{Catalog, MediaServer};

pub(crate) fn routes<C: Catalog>(media: Arc<MediaServer<C>>) -> Router {
    Router::new().route(
        "/media/{*path}",
        any(async move |request: Request| -> Response {
            let (parts, _) = request.into_parts();
            media.respond(&parts).await.map(Body::new)
        }),
    )
}
