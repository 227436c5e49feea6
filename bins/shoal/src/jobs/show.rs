//! One job in full.

use jiff::Timestamp;

use crate::args::Show;
use crate::client::{Client, Listing, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::span::age;
use crate::table::{Cell, Tone, outline};
use crate::wire::{Event, Job, Progress};

/// Members whose form is the controller's, shown as they are.
const SECTIONS: [(&str, &str); 6] = [
    ("fault", "LAST FAULT"),
    ("evidence", "EVIDENCE"),
    ("media_plan", "MEDIA PLAN"),
    ("medium", "TASK MEDIUM"),
    ("recipe", "RECIPE"),
    ("budgets", "BUDGETS"),
];

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
    for (name, heading) in SECTIONS {
        let lines = value.get(name).map(outline).unwrap_or_default();
        let says_something = value.get(name).is_some_and(|section| !section.is_null());
        if says_something && !lines.is_empty() {
            screen.heading(heading)?;
            lines.iter().try_for_each(|line| screen.line(&format!("  {line}")))?;
        }
    }
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
    let moment = |at: Option<Timestamp>| at.map(|at| moment(at, now));
    let labels: Vec<String> =
        job.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let optional = [
        ("phase", job.phase.clone()),
        ("failed step", job.failed_step.clone()),
        ("message", job.message.clone()),
        ("waits for", job.waiting_for.clone()),
        ("queue", job.position.map(|position| format!("number {position}"))),
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
        ("deadline", moment(job.deadline)),
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

/// A point in time, for people and for comparing with logs.
fn moment(at: Timestamp, now: Timestamp) -> String {
    let age = age(at, now);
    let told = if age.starts_with("in ") { age } else { format!("{age} ago") };
    format!("{told} ({at:.0})")
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
