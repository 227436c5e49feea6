//! Jobs over HTTP: asking for one, looking at them, and the operator's words to one.

mod create;
mod doc;
mod evidence;
mod list;
mod media;
mod operate;
mod preview;
mod request;
mod show;
mod told;
mod trace;
mod transcript;
mod view;
mod waiting;

use std::sync::Arc;

use shoal_core::JobId;
use shoal_store::Record;

use crate::{
    api::Shared,
    error::{Code, Error},
    openapi::Routes,
};

pub(crate) use self::{
    create::active_job,
    doc::of_job,
    request::{LABEL_NAME_MAX, LABEL_VALUE_MAX, LABELS_MAX, labels},
};

pub(crate) fn routes() -> Routes<Arc<Shared>> {
    Routes::new()
        .add(doc::list(), list::list)
        .add(doc::create(), create::create)
        .add(doc::show(), show::show)
        .add(doc::transcripts(), transcript::list)
        .add(doc::cancel(), operate::cancel)
        .add(doc::fail(), operate::fail)
        .add(doc::decide(), operate::decide)
        .add(doc::requeue(), operate::requeue)
        .add(doc::reprioritise(), operate::priority)
}

/// The job a path names. What is no id names no job.
pub(crate) async fn find(shared: &Shared, id: &str) -> Result<Record, Error> {
    shared.store().job(parse(id)?).await.map_err(Error::store)?.ok_or_else(unknown)
}

fn parse(id: &str) -> Result<JobId, Error> {
    id.parse().map_err(|_| unknown())
}

fn unknown() -> Error {
    Error::new(Code::NoJob, "there is no such job")
}
