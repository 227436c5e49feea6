//! Runs: begun, followed to their end, and told. Following asks again with growing pauses; the run
//! belongs to the controller and goes on whatever becomes of this program.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{Check, Following, Gc, Retain, Runs};
use crate::client::{Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::span::{age, length, span};
use crate::table::{Cell, Tone, visible};
use crate::wire::registry::{Checked, Collected, Item, Run};
use crate::words::bytes;

/// Things a page names; JSON names them all.
const SHOWN: usize = 50;

pub(super) async fn gc(
    what: &Gc,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    let order = match &what.confirm {
        None => json!({ "task": "gc", "dry_run": what.dry_run }),
        Some(word) if !word.is_empty() => json!({ "task": "gc", "confirmation": word }),
        Some(_) => {
            let word = seen_and_confirmed(what, context, &client, screen).await?;
            json!({ "task": "gc", "confirmation": word })
        }
    };
    follow(&order, &what.following, &client, screen).await
}

/// Shows a dry run and asks whether what it told may go.
async fn seen_and_confirmed(
    what: &Gc,
    context: &Context<'_>,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<String, Error> {
    let begun = begin(&json!({ "task": "gc", "dry_run": true }), client).await?;
    let (run, _) = ended(&begun, &what.following, client, screen).await?;
    if run.state == "failed" {
        return Err(Error::RunFailed { id: run.id, why: run.error.unwrap_or_default() });
    }
    let collected = run.collected.as_ref().filter(|_| run.state == "done");
    let word = collected.and_then(|collected| collected.confirmation.clone());
    let word = word.ok_or(Error::NothingToConfirm)?;
    if !screen.is_json() {
        told(&run, screen)?;
    }
    let bytes = bytes(collected.map_or(0, |collected| collected.bytes));
    context.confirm(what.yes, &format!("the above is removed, {bytes} are freed"))?;
    Ok(word)
}

pub(super) async fn retention(
    what: &Retain,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    context.confirm(what.yes, "tags and manifests that no rule keeps are removed")?;
    let order = json!({ "task": "retention" });
    follow(&order, &what.following, &context.client()?, screen).await
}

pub(super) async fn check(
    what: &Check,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    follow(&json!({ "task": "check" }), &what.following, &context.client()?, screen).await
}

pub(super) async fn runs(
    what: &Runs,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let value = match &what.stop {
        Some(id) => {
            let path = ["registry", "runs", id.as_str()];
            let write = Write { method: Method::DELETE, path: &path, ..Write::default() };
            let answer = client.send(write, "shoal registry runs shows whether it stopped").await?;
            json!({ "runs": [answer.body] })
        }
        None => client.get(&["registry", "runs"], &[]).await?,
    };
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let runs: Vec<Run> =
        view("GET /api/v1/registry/runs", value.get("runs").unwrap_or(&Value::Null))?;
    if runs.is_empty() {
        screen.note("no runs since the controller started")?;
        return Ok(Exit::Done);
    }
    let row = |run: &Run| {
        vec![
            Cell::new(&run.id),
            Cell::new(task(run)),
            Cell::toned(&run.state, tone(&run.state)),
            Cell::new(age(run.started_at, screen.now)),
            Cell::new(progress(run)),
        ]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    screen.table(&["RUN", "TASK", "STATE", "AGE", "SO FAR"], &rows)?;
    Ok(Exit::Done)
}

async fn follow(
    order: &Value,
    following: &Following,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    // A wait that cannot be understood must not leave a run behind.
    patience(following)?;
    let begun = begin(order, client).await?;
    if following.no_wait {
        let run: Run = view("POST /api/v1/registry/runs", &begun)?;
        if screen.is_json() {
            screen.json(&begun)?;
        } else {
            screen.line(&format!("run {} began", run.id))?;
        }
        return Ok(Exit::Done);
    }
    let (run, value) = ended(&begun, following, client, screen).await?;
    if screen.is_json() {
        screen.json(&value)?;
    } else {
        told(&run, screen)?;
    }
    match run.state.as_str() {
        "done" if run.checked.as_ref().is_some_and(|it| !it.damaged.is_empty()) => {
            Ok(Exit::NotSucceeded)
        }
        "done" => Ok(Exit::Done),
        "stopped" => Ok(Exit::NotSucceeded),
        _ => Err(Error::RunFailed { id: run.id, why: run.error.unwrap_or_default() }),
    }
}

async fn begin(order: &Value, client: &Client) -> Result<Value, Error> {
    let write = Write {
        method: Method::POST,
        path: &["registry", "runs"],
        body: Some(order.to_string()),
        ..Write::default()
    };
    Ok(client.send(write, "shoal registry runs shows whether it began").await?.body)
}

/// The run once it has ended, as a view and as it came.
async fn ended(
    begun: &Value,
    following: &Following,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<(Run, Value), Error> {
    let patience = patience(following)?;
    let call = "GET /api/v1/registry/runs/{id}";
    let (mut value, started) = (begun.clone(), Instant::now());
    let mut run: Run = view(call, &value)?;
    let busy = screen.busy(&format!("{}, run {}", task(&run), run.id))?;
    for nth in 0.. {
        if run.state != "running" {
            break;
        }
        if started.elapsed() >= patience {
            return Err(Error::RunUnderWay { id: run.id });
        }
        busy.tell(&format!("{}: {}", task(&run), progress(&run)));
        tokio::time::sleep(client.pace().pause(nth, None)).await;
        value = client.get(&["registry", "runs", &run.id], &[]).await?;
        run = view(call, &value)?;
    }
    Ok((run, value))
}

fn patience(following: &Following) -> Result<Duration, Error> {
    let why = "it is no span such as 90s, 15m or 4h";
    let bad = || Error::BadValue { what: format!("--timeout {}", following.timeout), why };
    Ok(length(&following.timeout).ok_or_else(bad)?.unsigned_abs())
}

fn task(run: &Run) -> String {
    format!("{}{}", run.task, if run.is_dry { " (dry run)" } else { "" })
}

fn tone(state: &str) -> Tone {
    match state {
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        "running" => Tone::Busy,
        _ => Tone::Plain,
    }
}

/// How far a run is, in a few words.
fn progress(run: &Run) -> String {
    if let Some(checked) = &run.checked {
        let of = run.bytes_to_read.map(|all| format!(" of {}", bytes(all))).unwrap_or_default();
        let damaged = checked.damaged.len();
        return format!("{}{of} read, {damaged} damaged", bytes(checked.bytes));
    }
    let Some(Collected { removed, bytes: freed, .. }) = &run.collected else {
        return String::new();
    };
    let things = removed.tags + removed.manifests + removed.links + removed.blobs + removed.files;
    format!("{things} things, {}", bytes(*freed))
}

/// What a run came to.
fn told(run: &Run, screen: &mut Screen<'_>) -> Result<(), Error> {
    let took = run.ended_at.map(|end| end.duration_since(run.started_at).as_secs().unsigned_abs());
    let took = took.map(|seconds| format!(" after {}", span(seconds))).unwrap_or_default();
    screen.pairs(&[
        ("run", Cell::new(&run.id)),
        ("task", Cell::new(task(run))),
        ("state", Cell::toned(format!("{}{took}", run.state), tone(&run.state))),
    ])?;
    match (&run.collected, &run.checked) {
        (Some(collected), _) => tell_collected(run, collected, screen),
        (None, Some(checked)) => tell_checked(checked, screen),
        (None, None) => Ok(()),
    }
}

fn tell_collected(run: &Run, collected: &Collected, screen: &mut Screen<'_>) -> Result<(), Error> {
    let Collected { removed, leased, needed, .. } = collected;
    let verb = if run.is_dry { "would go" } else { "gone" };
    let counts = format!(
        "{} tags, {} manifests, {} blobs, {} files; {} blobs forgotten by a repository",
        removed.tags, removed.manifests, removed.blobs, removed.files, removed.links
    );
    screen.pairs(&[
        (verb, Cell::new(counts)),
        (if run.is_dry { "would be freed" } else { "freed" }, Cell::new(bytes(collected.bytes))),
        (
            "stays for now",
            Cell::new(format!("{leased} a client may count on, {needed} needed by now")),
        ),
    ])?;
    let going = collected.items.iter().filter(|item| item.kept.is_none() && item.what != "link");
    let rows: Vec<_> = going.take(SHOWN + 1).map(item).collect();
    if let Some(shown) = rows.get(..rows.len().min(SHOWN)).filter(|shown| !shown.is_empty()) {
        screen.line("")?;
        screen.table(&["WHAT", "SIZE", "WHERE", "DIGEST"], shown)?;
    }
    if rows.len() > SHOWN || collected.unnamed > 0 {
        screen.note("there is more; --output json names up to a thousand")?;
    }
    if let Some(word) = &collected.confirmation {
        let told =
            format!("the catalogue was rebuilt: shoal registry gc --confirm {word} removes this");
        screen.note(&told)?;
    }
    Ok(())
}

fn item(item: &Item) -> Vec<Cell> {
    let place = match (&item.repository, &item.tag) {
        (Some(repository), Some(tag)) => format!("{repository}:{tag}"),
        (Some(repository), None) => repository.clone(),
        (None, _) => String::new(),
    };
    let size = if item.bytes > 0 { bytes(item.bytes) } else { String::new() };
    vec![Cell::new(&item.what), Cell::new(size), Cell::new(place), Cell::new(&item.digest)]
}

fn tell_checked(checked: &Checked, screen: &mut Screen<'_>) -> Result<(), Error> {
    let Checked { damaged, healed, skipped, .. } = checked;
    screen.pairs(&[
        ("read", Cell::new(format!("{} in {} blobs", bytes(checked.bytes), checked.blobs))),
        ("damaged", Cell::new(damaged.len().to_string())),
        ("healed", Cell::new(healed.len().to_string())),
    ])?;
    for blob in healed {
        let line = format!("- {} was damaged ({}) and is whole again", blob.digest, blob.fault);
        screen.line(&visible(&line))?;
    }
    if !damaged.is_empty() {
        screen.heading("DAMAGED, AND PUT AWAY")?;
    }
    for blob in damaged {
        screen.line(&visible(&format!("- {} ({})", blob.digest, blob.fault)))?;
        for tag in &blob.tags {
            let name = format!("{}:{}", tag.repository, tag.tag);
            screen.line(&visible(&format!("  push again: {name}")))?;
        }
        if blob.tags.is_empty() {
            for by in &blob.needed_by {
                let line = format!("  push again: {}@{}", by.repository, by.manifest);
                screen.line(&visible(&line))?;
            }
        }
        if blob.tags.is_empty() && blob.needed_by.is_empty() {
            screen.line("  nothing needs it")?;
        }
    }
    if *skipped > 0 {
        screen.note(&format!(
            "{skipped} were being pushed meanwhile or could not be read: check again"
        ))?;
    }
    Ok(())
}
