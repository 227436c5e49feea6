//! Jobs as a table, newest first.

use serde_json::{Value, json};

use super::queue::queue;
use crate::args::List;
use crate::client::{Client, Listing, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::span::{age, since};
use crate::table::{Cell, Tone};
use crate::wire::Job;

pub(super) const JOBS: Listing<'_> = Listing { path: &["jobs"], entries: "jobs", cursor: "cursor" };

pub(super) async fn list(
    list: &List,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    if list.queue {
        return queue(list, client, screen).await;
    }
    let query = query(list, screen)?;
    let page = client.pages(&JOBS, &query, list.limit as usize).await?;
    if screen.is_json() {
        screen.json(&json!({ "jobs": page.entries, "next": page.next }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for entry in &page.entries {
        rows.push(row(&view("GET /api/v1/jobs", entry)?, screen));
    }
    if rows.is_empty() {
        screen.note("no jobs")?;
        return Ok(Exit::Done);
    }
    screen.table(&["JOB", "SERVER", "STATUS", "PHASE", "TARGET", "AGE", "NOW"], &rows)?;
    if page.next != Value::Null {
        screen.note(&format!("there are more than {}; --limit shows them", list.limit))?;
    }
    Ok(Exit::Done)
}

pub(super) fn query(
    list: &List,
    screen: &Screen<'_>,
) -> Result<Vec<(&'static str, String)>, Error> {
    let since = match &list.since {
        Some(text) => {
            let why = "it is neither a span such as 24h nor a time such as 2025-11-05T00:00:00Z";
            let bad = || Error::BadValue { what: format!("--since {text}"), why };
            Some(since(text, screen.now).ok_or_else(bad)?.to_string())
        }
        None => None,
    };
    let optional = [
        ("status", list.status.clone()),
        ("server_serial", list.server.clone()),
        ("task_target", list.target.clone()),
        ("since", since),
        ("stuck", list.stuck.then(|| "true".to_owned())),
    ];
    Ok(optional.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

fn row(job: &Job, screen: &Screen<'_>) -> Vec<Cell> {
    let state = job.state();
    let tone = Tone::of_state(&state);
    vec![
        Cell::new(&job.id),
        Cell::new(&job.server_serial),
        Cell::toned(state, tone),
        Cell::new(job.phase.as_deref().unwrap_or_default()),
        Cell::new(job.task_target.as_deref().unwrap_or_default()),
        Cell::new(job.created_at.map(|at| age(at, screen.now)).unwrap_or_default()),
        Cell::new(job.now()),
    ]
}
