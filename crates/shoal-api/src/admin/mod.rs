//! The installation itself over HTTP: who may call, which keys are in use, what changed, and taking
//! over another configuration. All of it needs the role admin, which the layer around every route
//! with a login sees to.

mod audit;
mod change;
mod doc;
mod drain;
mod port;
mod reload;
mod secret;
mod token;

use std::sync::Arc;

pub use self::port::{Changed, Installation, Pending, Reload, ReloadRefusal, Reloaded};
use crate::{api::Shared, openapi::Routes};

/// What every path of this module begins with; the role admin is asked for by it.
pub(crate) const PREFIX: &str = "/api/v1/admin/";

pub(crate) fn routes() -> Routes<Arc<Shared>> {
    Routes::new()
        .add(doc::list_tokens(), token::list)
        .add(doc::create_token(), token::create)
        .add(doc::revoke_token(), token::revoke)
        .add(doc::list_secrets(), secret::list)
        .add(doc::set_secret(), secret::set)
        .add(doc::revoke_secret(), secret::revoke)
        .add(doc::audit(), audit::list)
        .add(doc::changes(), change::list)
        .add(doc::drain(), drain::show)
        .add(doc::put_drain(), drain::put)
        .add(doc::reload(), reload::run)
}
