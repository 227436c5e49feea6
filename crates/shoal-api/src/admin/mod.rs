//! The installation itself over HTTP: who may call, which keys are in use, what changed, and taking
//! over another configuration. All of it needs the role admin, which the layer around every route
//! with a login sees to.

mod change;
mod drain;
mod port;
mod reload;
mod secret;
mod token;

use std::sync::Arc;

use axum::{
    Router,
    routing::{delete, get, post},
};

pub use self::port::{Changed, Installation, Pending, Reload, ReloadRefusal, Reloaded};
use crate::api::Shared;

/// What every path of this module begins with; the role admin is asked for by it.
pub(crate) const PREFIX: &str = "/api/v1/admin/";

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/admin/tokens", get(token::list).post(token::create))
        .route("/api/v1/admin/tokens/{id}", delete(token::revoke))
        .route("/api/v1/admin/secrets", get(secret::list))
        .route("/api/v1/admin/secrets/{purpose}", post(secret::set))
        .route("/api/v1/admin/secrets/{purpose}/{id}", delete(secret::revoke))
        .route("/api/v1/admin/changes", get(change::list))
        .route("/api/v1/admin/drain", get(drain::show).put(drain::put))
        .route("/api/v1/admin/reload", post(reload::run))
}
