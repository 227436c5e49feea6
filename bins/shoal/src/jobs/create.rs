//! From a recipe in a file to a job.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};

use super::Accepted;
use super::plan::Preview;
use crate::args::{Create, Probed};
use crate::client::{Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::recipe_file::{self, Checked};
use crate::run::Context;
use crate::screen::Screen;
use crate::table::visible;
use crate::watch::watch;

pub(super) async fn create(
    create: Create,
    context: &mut Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let Checked { document, lints } = recipe_file::read(&create.file, context.stdin)?;
    let client = context.client()?;
    let body = body(&create, document);
    if create.dry_run {
        return dry_run(&create, &body, &client, screen).await;
    }
    // A dry run shows the controller's own warnings, which include these.
    for lint in lints {
        screen.note(&format!("warning: {}: {}", lint.path, lint.message))?;
    }
    let key = match create.idempotency_key {
        Some(key) => key,
        None => {
            let key = generated_key()?;
            screen.note(&format!("idempotency key: {key}"))?;
            key
        }
    };
    let write = Write {
        method: Method::POST,
        path: &["jobs"],
        body: Some(body.to_string()),
        idempotency_key: Some(&key),
        ..Write::default()
    };
    let again = format!("repeat the command with --idempotency-key {key}; it makes no second job");
    let answer = client.send(write, &again).await?;
    let job: Accepted = view("POST /api/v1/jobs", &answer.body)?;
    if answer.status == StatusCode::OK {
        screen.note("the same request was made before; this is its job")?;
    }
    // In JSON a watched job is told by its events alone: one form per stream.
    if screen.is_json() && !create.watch {
        screen.json(&answer.body)?;
    } else if !screen.is_json() {
        let Accepted { job_id, status, server_serial } = &job;
        screen.line(&visible(&format!("job {job_id} on {server_serial}: {status}")))?;
    }
    if create.watch {
        return watch(client, &[job.job_id], screen).await;
    }
    Ok(Exit::Done)
}

async fn dry_run(
    create: &Create,
    body: &Value,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let live = create.probe == Probed::Live;
    let mut query = vec![("dry_run", "true".to_owned())];
    if live {
        query.push(("probe", "live".to_owned()));
    }
    let write = Write {
        method: Method::POST,
        path: &["jobs"],
        query: &query,
        body: Some(body.to_string()),
        looks: live,
        ..Write::default()
    };
    let looking = format!("looking at the BMC of {}; this can take minutes", create.server);
    let busy = if live { Some(screen.busy(&looking)?) } else { None };
    let answer = client.send(write, "repeat the command; a dry run stores no job").await?;
    drop(busy);
    let preview: Preview = view("POST /api/v1/jobs?dry_run=true", &answer.body)?;
    if screen.is_json() {
        screen.json(&answer.body)?;
    } else {
        preview.show(screen)?;
        screen.note("this was a dry run; no job was stored")?;
    }
    Ok(if preview.problems.is_empty() { Exit::Done } else { Exit::NotSucceeded })
}

fn body(create: &Create, recipe: Value) -> Value {
    let labels: BTreeMap<_, _> = create.labels.iter().cloned().collect();
    let optional = [
        ("maintenance_iso_url", create.boot_url.as_ref().map(|url| json!(url))),
        ("priority", create.priority.map(|priority| json!(priority))),
        ("labels", (!labels.is_empty()).then(|| json!(labels))),
        ("on_failure", create.on_failure.map(|what| json!(what.as_str()))),
    ];
    let mut body = Map::new();
    body.insert("server_serial".to_owned(), json!(create.server));
    body.insert("recipe".to_owned(), recipe);
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Object(body)
}

/// 128 random bits, in hexadecimal.
fn generated_key() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::BadValue {
        what: "the idempotency key".to_owned(),
        why: "the system gives no randomness; choose a key with --idempotency-key",
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
