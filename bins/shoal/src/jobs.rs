//! The verbs on jobs.

mod create;
mod list;
mod plan;
mod queue;
mod show;
mod transcript;

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{JobsVerb, Priority, Requeue, Stop};
use crate::client::{Answer, Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::table::visible;
use crate::watch::watch;
use crate::wire::Job;

pub(crate) async fn run(
    verb: JobsVerb,
    context: &mut Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        JobsVerb::Create(create) => create::create(create, context, screen).await,
        JobsVerb::List(list) => list::list(&list, &context.client()?, screen).await,
        JobsVerb::Show(show) => show::show(&show, &context.client()?, screen).await,
        JobsVerb::Transcript(job) => {
            transcript::transcript(&job.id, &context.client()?, screen).await
        }
        JobsVerb::Watch(what) => watch(context.client()?, &what.ids, screen).await,
        JobsVerb::Cancel(stop) => end("cancel", &stop, context, screen).await,
        JobsVerb::Fail(stop) => end("fail", &stop, context, screen).await,
        JobsVerb::Decide(decide) => {
            let body = json!({ "decision": decide.answer.as_str() });
            let id = &decide.job.id;
            let answer = tell("decide", id, &body, &context.client()?).await?;
            tell_bmc(&answer, &format!("job {id} goes on as decided"), screen)
        }
        JobsVerb::Requeue(what) => requeue(&what, context, screen).await,
        JobsVerb::Priority(what) => priority(&what, &context.client()?, screen).await,
    }
}

/// What the controller says of a job it accepted.
#[derive(Debug, serde::Deserialize)]
struct Accepted {
    job_id: String,
    status: String,
    server_serial: String,
}

async fn end(
    how: &str,
    stop: &Stop,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let id = &stop.job.id;
    let client = context.client()?;
    if stop.force {
        let about = format!(
            "job {id} will be ended even if firmware is being written, which can destroy the machine"
        );
        context.confirm(stop.yes, &about)?;
    }
    let body = if stop.force { json!({ "force": true }) } else { json!({}) };
    let answer = tell(how, id, &body, &client).await?;
    let line = format!("job {id} is being ended; shoal jobs watch {id} shows its cleanup");
    tell_bmc(&answer, &line, screen)
}

async fn requeue(
    requeue: &Requeue,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let id = &requeue.job.id;
    let client = context.client()?;
    if requeue.replace && !requeue.yes.yes {
        let old: Job = view("GET /api/v1/jobs/{id}", &client.get(&["jobs", id], &[]).await?)?;
        if !old.is_complete() {
            let (state, serial) = (old.state(), &old.server_serial);
            let about = format!("job {id} is {state} on {serial} and will be ended");
            context.confirm(requeue.yes, &about)?;
        }
    }
    let body = if requeue.replace { json!({ "replace": true }) } else { json!({}) };
    let answer = tell("requeue", id, &body, &client).await?;
    let new: Accepted = view("POST requeue", &answer.body)?;
    tell_bmc(&answer, &format!("job {} repeats job {id}", new.job_id), screen)
}

/// Where a job that was moved stands.
#[derive(Debug, serde::Deserialize)]
struct Moved {
    priority: i64,
    #[serde(default)]
    position: Option<u64>,
}

async fn priority(
    what: &Priority,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let id = &what.job.id;
    let answer = tell("priority", id, &json!({ "priority": what.priority }), client).await?;
    let moved: Moved = view("POST priority", &answer.body)?;
    let place = match moved.position {
        Some(position) => format!("number {position} in the queue"),
        None => "not in the queue any more".to_owned(),
    };
    tell_bmc(&answer, &format!("job {id} has priority {}; {place}", moved.priority), screen)
}

async fn tell(what: &str, id: &str, body: &Value, client: &Client) -> Result<Answer, Error> {
    let write = Write {
        method: Method::POST,
        path: &["jobs", id, what],
        body: Some(body.to_string()),
        ..Write::default()
    };
    client.send(write, &format!("look with shoal jobs show {id} --events")).await
}

/// What a job will do at its BMC, as far as the controller says so.
#[derive(Debug, serde::Deserialize)]
struct Doings {
    #[serde(default)]
    job_id: Option<String>,
    #[serde(default)]
    bmc: Option<AtBmc>,
    /// The job that is ended first.
    #[serde(default)]
    replaces: Option<Box<Self>>,
}

#[derive(Debug, serde::Deserialize)]
struct AtBmc {
    text: String,
}

/// Says what was done, and as a remark what that means at the BMC.
fn tell_bmc(answer: &Answer, line: &str, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    if screen.is_json() {
        screen.json(&answer.body)?;
        return Ok(Exit::Done);
    }
    screen.line(&visible(line))?;
    let doings: Doings = view("POST", &answer.body)?;
    let all = doings.replaces.as_deref().into_iter().chain([&doings]);
    for (job, bmc) in all.filter_map(|it| it.job_id.as_ref().zip(it.bmc.as_ref())) {
        screen.note(&format!("at its BMC job {job} will do this: {}", bmc.text))?;
    }
    Ok(Exit::Done)
}
