//! Jobs over HTTP: asking for one, looking at them, and the operator's words to one.

mod create;
mod evidence;
mod list;
mod media;
mod operate;
mod request;
mod show;
mod view;
mod waiting;

use shoal_core::JobId;
use shoal_store::Record;

use crate::{
    api::Shared,
    error::{Code, Error},
};

pub(crate) use self::{
    create::{active_job, create},
    list::list,
    operate::{cancel, decide, fail, priority, requeue},
    request::labels,
    show::show,
};

/// The job a path names. What is no id names no job.
pub(crate) async fn find(shared: &Shared, id: &str) -> Result<Record, Error> {
    let unknown = || Error::new(Code::NoJob, "there is no such job");
    let id: JobId = id.parse().map_err(|_| unknown())?;
    shared.store().job(id).await.map_err(Error::store)?.ok_or_else(unknown)
}
