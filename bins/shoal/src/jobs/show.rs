//! One job in full.

use jiff::Timestamp;
use serde_json::Value;

use crate::args::Show;
use crate::client::{Client, Listing, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::table::{Cell, Tone, outline};
use crate::wire::{Event, Fault, Job, Progress, Reads};
use crate::words;

/// A bound for a history that never ends; a job's has some hundred entries.
const MOST_EVENTS: usize = 100_000;

pub(super) async fn show(
    show: &Show,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let value = client.get(&["jobs", &show.id], &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let job: Job = view("GET /api/v1/jobs/{id}", &value)?;
    screen.pairs(&facts(&job, screen.now))?;
    sections(&job, &value, screen)?;
    if show.events {
        screen.heading("EVENTS")?;
        events(&show.id, client, screen).await?;
    }
    if job.is_held() {
        let id = &job.id;
        screen.note(&format!("the job is held; answer with shoal jobs decide {id} ANSWER"))?;
    }
    Ok(Exit::Done)
}

fn facts(job: &Job, now: Timestamp) -> Vec<(&'static str, Cell)> {
    let state = job.state();
    let tone = Tone::of_state(&state);
    let moment = |at: Option<Timestamp>| at.map(|at| words::moment(at, now));
    let labels: Vec<String> =
        job.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let optional = [
        ("phase", job.phase.clone()),
        ("failed step", job.failed_step.clone()),
        ("message", job.message.clone()),
        ("waits for", job.waiting_for.clone()),
        ("held", job.held.as_ref().map(|why| why.replace('_', " "))),
        ("deadline", moment(job.deadline)),
        ("evidence", job.evidence.as_ref().and_then(|evidence| evidence.says.clone())),
        ("last fault", job.fault.as_ref().map(Fault::text)),
        ("queue", queue(job)),
        ("replaces job", job.replaces.clone()),
        ("progress", job.progress.as_ref().and_then(Progress::text)),
        ("target", job.task_target.clone()),
        ("attempt", job.attempt.map(|attempt| attempt.to_string())),
        ("priority", job.priority.filter(|it| *it != 0).map(|it| it.to_string())),
        ("labels", (!labels.is_empty()).then(|| labels.join(" "))),
        ("repeats job", job.retry_of.clone()),
        ("warnings", (!job.warnings.is_empty()).then(|| job.warnings.join(", "))),
        ("created", moment(job.created_at)),
        ("progressed", moment(job.progressed_at)),
        ("changed", moment(job.updated_at)),
        ("trace", job.trace_id.clone()),
    ];
    let mut facts = vec![
        ("job", Cell::new(&job.id)),
        ("server", Cell::new(&job.server_serial)),
        ("status", Cell::toned(state, tone)),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, text)| Some((name, Cell::new(text?)))));
    facts
}

/// What a line is too short for.
fn sections(job: &Job, value: &Value, screen: &mut Screen<'_>) -> Result<(), Error> {
    let seen = job.evidence.clone().unwrap_or_default();
    if !seen.milestones.is_empty() {
        screen.heading("EVIDENCE")?;
        let mut milestones: Vec<_> = seen.milestones.iter().collect();
        milestones.sort_by_key(|(_, at)| **at);
        let row = |(milestone, at): &(&String, &Timestamp)| {
            vec![Cell::new(format!("{at:.0}")), Cell::new(words::milestone(milestone))]
        };
        screen.table(&["TIME", "SEEN"], &milestones.iter().map(row).collect::<Vec<_>>())?;
    }
    if let Some(plan) = &job.media_plan {
        screen.heading("MEDIA PLAN")?;
        screen.pairs(&words::media(plan))?;
    }
    if !job.media.is_empty() {
        screen.heading("READ OF THE MEDIA")?;
        let row = |reads: &Reads| {
            vec![
                Cell::new(&reads.medium),
                Cell::new(reads.slot.as_deref().unwrap_or("-")),
                Cell::new(format!("{:.1} MiB", mib(reads.bytes_read))),
                Cell::new(words::moment(reads.last_read_at, screen.now)),
            ]
        };
        let rows: Vec<_> = job.media.iter().map(row).collect();
        screen.table(&["MEDIUM", "SLOT", "READ", "LAST"], &rows)?;
    }
    if let Some(budgets) = value.get("budgets").and_then(Value::as_object) {
        screen.heading("BUDGETS")?;
        screen.table(&["BUDGET", "SPAN", "BOUNDS"], &words::budgets(budgets))?;
    }
    for (name, heading) in [("medium", "TASK MEDIUM"), ("recipe", "RECIPE")] {
        if let Some(section) = value.get(name).filter(|section| !section.is_null()) {
            screen.heading(heading)?;
            outline(section).iter().try_for_each(|line| screen.line(&format!("  {line}")))?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Where a queued job stands.
fn queue(job: &Job) -> Option<String> {
    let place = job.position.map(|position| format!("number {position}"));
    let ahead = job.ahead_active.filter(|ahead| *ahead > 0);
    let ahead = ahead.map(|ahead| format!("{ahead} at work before it"));
    let start = job.estimate.as_ref().map(|estimate| format!("starts {}", estimate.text()));
    place.map(|place| {
        [Some(place), ahead, start].into_iter().flatten().collect::<Vec<_>>().join("; ")
    })
}

/// All of them; the job itself carries only the last ones.
async fn events(id: &str, client: &Client, screen: &mut Screen<'_>) -> Result<(), Error> {
    let path = ["jobs", id, "events"];
    let listing = Listing { path: &path, entries: "events", cursor: "after" };
    let events = client.pages(&listing, &[], MOST_EVENTS).await?;
    let mut rows = Vec::new();
    for event in &events.entries {
        let event: Event = view("GET /api/v1/jobs/{id}/events", event)?;
        rows.push(vec![
            Cell::new(event.id.to_string()),
            Cell::new(format!("{:.3}", event.at)),
            Cell::new(event.text()),
        ]);
    }
    screen.table(&["ID", "TIME", "EVENT"], &rows)
}
