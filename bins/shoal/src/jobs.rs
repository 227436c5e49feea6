//! The verbs on jobs.

mod create;
mod list;
mod show;

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{JobsVerb, Stop};
use crate::client::{Answer, Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::table::visible;
use crate::watch::watch;

pub(crate) async fn run(
    verb: JobsVerb,
    context: &mut Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        JobsVerb::Create(create) => create::create(create, context, screen).await,
        JobsVerb::List(list) => list::list(&list, &context.client()?, screen).await,
        JobsVerb::Show(show) => show::show(&show, &context.client()?, screen).await,
        JobsVerb::Watch(what) => watch(context.client()?, &what.ids, screen).await,
        JobsVerb::Cancel(stop) => end("cancel", &stop, &context.client()?, screen).await,
        JobsVerb::Fail(stop) => end("fail", &stop, &context.client()?, screen).await,
        JobsVerb::Decide(decide) => {
            let body = json!({ "decision": decide.answer.as_str() });
            let id = &decide.job.id;
            let answer = tell("decide", id, &body, &context.client()?).await?;
            acknowledge(&answer, &format!("job {id} goes on as decided"), screen)
        }
        JobsVerb::Requeue(requeue) => {
            let body = if requeue.replace { json!({ "replace": true }) } else { json!({}) };
            let answer = tell("requeue", &requeue.job.id, &body, &context.client()?).await?;
            let new: Accepted = view("POST requeue", &answer.body)?;
            let line = format!("job {} repeats job {}", new.job_id, requeue.job.id);
            acknowledge(&answer, &line, screen)
        }
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
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let id = &stop.job.id;
    let body = if stop.force { json!({ "force": true }) } else { json!({}) };
    let answer = tell(how, id, &body, client).await?;
    let line = format!("job {id} is being ended; shoal jobs watch {id} shows its cleanup");
    acknowledge(&answer, &line, screen)
}

async fn tell(what: &str, id: &str, body: &Value, client: &Client) -> Result<Answer, Error> {
    let write = Write {
        method: Method::POST,
        path: &["jobs", id, what],
        query: &[],
        body: Some(body),
        idempotency_key: None,
    };
    client.send(&write, &format!("look with shoal jobs show {id} --events")).await
}

fn acknowledge(answer: &Answer, line: &str, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    if screen.is_json() {
        screen.json(&answer.body)?;
    } else {
        screen.line(&visible(line))?;
    }
    Ok(Exit::Done)
}
