//! The queue as it will be taken: places and estimates, which only one job alone tells.

use serde_json::{Value, json};

use super::list::{JOBS, query};
use crate::args::List;
use crate::client::{Client, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::span::age;
use crate::table::Cell;
use crate::wire::{Estimate, Job};

/// More jobs than one controller has in its queue; a bound for a list that never ends.
const MOST: usize = 10_000;

pub(super) async fn queue(
    list: &List,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let mut query = query(list, screen)?;
    query.push(("status", "queued".to_owned()));
    // The list is newest first, so the head of the queue is known only once all of it is.
    let page = client.pages(&JOBS, &query, MOST).await?;
    let mut queue = places(&page.entries, client, screen).await?;
    let limit = list.limit as usize;
    let more = queue.len() > limit || !page.next.is_null();
    queue.truncate(limit);
    if screen.is_json() {
        let jobs: Vec<&Value> = queue.iter().map(|(_, value)| value).collect();
        screen.json(&json!({ "jobs": jobs, "next": null }))?;
    } else if queue.is_empty() {
        screen.note("no jobs in the queue")?;
    } else {
        let rows: Vec<_> = queue.iter().map(|(job, _)| row(job, screen)).collect();
        let headings = ["PLACE", "JOB", "SERVER", "PRIORITY", "AGE", "STARTS", "WAITS FOR"];
        screen.table(&headings, &rows)?;
    }
    if more {
        screen.note(&format!("there are more than {limit}; --limit shows them"))?;
    }
    Ok(Exit::Done)
}

/// Every job that is still queued when it is asked about, the next one first.
async fn places(
    entries: &[Value],
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Vec<(Job, Value)>, Error> {
    let mut queue = Vec::new();
    let busy = screen.busy("asking for the places of the queued jobs")?;
    for (asked, entry) in entries.iter().enumerate() {
        let listed: Job = view("GET /api/v1/jobs", entry)?;
        busy.tell(&format!("{asked} of {} places", entries.len()));
        let value = client.get(&["jobs", &listed.id], &[]).await?;
        let job: Job = view("GET /api/v1/jobs/{id}", &value)?;
        if job.status == "queued" {
            queue.push((job, value));
        }
    }
    queue.sort_by_key(|(job, _)| job.position.unwrap_or(u64::MAX));
    Ok(queue)
}

fn row(job: &Job, screen: &Screen<'_>) -> Vec<Cell> {
    vec![
        Cell::new(job.position.map(|it| it.to_string()).unwrap_or_default()),
        Cell::new(&job.id),
        Cell::new(&job.server_serial),
        Cell::new(job.priority.unwrap_or_default().to_string()),
        Cell::new(job.created_at.map(|at| age(at, screen.now)).unwrap_or_default()),
        Cell::new(job.estimate.as_ref().map_or("unknown".to_owned(), Estimate::text)),
        Cell::new(job.waiting_for.as_deref().unwrap_or_default()),
    ]
}
