//! `GET /jobs`: the newest first, a page at a time.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::Uri;
use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{JobId, ServerSerial, Status};
use shoal_store::Filter;

use super::{view::Summary, waiting::Situation};
use crate::{api::Shared, error::Error, openapi::shape, query::Query, timestamp};

pub(super) const PAGE: u32 = 50;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobPage")]
pub(super) struct Page<'a> {
    jobs: Vec<Summary<'a>>,
    /// Goes into `cursor` of the next call; null on the last page.
    #[schemars(with = "Option<shape::JobId>")]
    next: Option<JobId>,
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
    let (filter, limit) = filter(&shared, &uri)?;
    let mut records = shared.store().jobs(filter).await.map_err(Error::store)?;
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let now = shared.now();
    let situation = Situation::of(&shared, &records).await?;
    let summary = |record| Summary::of(record, situation.waiting(record, now), now);
    let jobs = records.iter().map(summary).collect();
    let next = records.last().filter(|_| more).map(|record| record.job.id());
    Ok(Json(Page { jobs, next }).into_response())
}

/// The filter, for one job more than the page holds.
fn filter(shared: &Shared, uri: &Uri) -> Result<(Filter, u32), Error> {
    let mut query = Query::of(uri)?;
    let limit = query.limit(PAGE);
    let status = query.parsed("status", "a job status", |text| {
        Status::ALL.into_iter().find(|status| status.as_str() == text)
    });
    let filter = Filter {
        status,
        serial: query
            .parsed("server_serial", "a server serial", |text| text.parse::<ServerSerial>().ok()),
        target: query.text("task_target"),
        since: query.parsed("since", "a time such as 2026-01-31T08:00:00Z", timestamp::ever_since),
        stuck_at: query.flag("stuck").then(|| shared.now()),
        after: query.parsed("cursor", "the next of an earlier page", |text| text.parse().ok()),
        limit: limit + 1,
    };
    query.finish()?;
    Ok((filter, limit))
}
