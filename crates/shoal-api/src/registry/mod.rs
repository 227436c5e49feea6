//! The registry for operators: what is in it, what that costs, and work on it. Looking needs the
//! role reader; whatever changes the registry needs the role admin. Clients of the registry itself go
//! to `/v2/`, which is none of these.

mod doc;
mod list;
mod run;
mod upload;

use std::sync::Arc;

use crate::{
    api::Shared,
    error::{Code, Detail, Error},
    openapi::Routes,
    query::Query,
    registrar::{Declined, Registrar, Slice},
};

/// What every path of this module begins with; writes below it need the role admin.
pub(crate) const PREFIX: &str = "/api/v1/registry/";

/// Entries of a page, unless it says otherwise.
const PAGE: u32 = 100;

pub(crate) fn routes() -> Routes<Arc<Shared>> {
    Routes::new()
        .add(doc::repositories(), list::repositories)
        .add(doc::repository(), list::repository)
        .add(doc::tags(), list::tags)
        .add(doc::manifest(), list::manifest)
        .add(doc::usage(), list::usage)
        .add(doc::retention(), list::retention)
        .add(doc::uploads(), upload::list)
        .add(doc::remove_upload(), upload::remove)
        .add(doc::runs(), run::list)
        .add(doc::begin(), run::begin)
        .add(doc::run(), run::show)
        .add(doc::stop(), run::stop)
}

/// Whoever keeps the registry, if there is one.
fn registrar(shared: &Shared) -> Result<&dyn Registrar, Error> {
    let off =
        || Error::new(Code::RegistryOff, "this controller keeps no registry (ENABLE_REGISTRY)");
    shared.api.registrar.as_deref().ok_or_else(off)
}

/// Which part of a list is asked for.
fn slice(query: &mut Query) -> Slice {
    let most = usize::try_from(query.limit(PAGE)).unwrap_or(usize::MAX);
    Slice { after: query.text("cursor"), most }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn declined(declined: Declined) -> Error {
    let code = match &declined {
        Declined::NoRepository => Code::NoRepository,
        Declined::NoManifest => Code::NoManifest,
        Declined::NoUpload => Code::NoUpload,
        Declined::NoRun => Code::NoRun,
        Declined::UploadBusy => Code::UploadBusy,
        Declined::Busy { .. } => Code::RegistryBusy,
        Declined::ReadOnly => Code::RegistryReadOnly,
        Declined::Unconfirmed => Code::Unconfirmed,
        Declined::Failed => Code::Internal,
        Declined::BadCursor => {
            let message = "must be the next of an earlier page";
            return Error::invalid(vec![Detail::new("query cursor", "bad_format", message)]);
        }
    };
    Error::new(code, declined.to_string())
}
