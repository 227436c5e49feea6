//! Letting work run out before the controller or its machine is stopped.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{DrainVerb, Patience};
use crate::client::{Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::span::length;
use crate::table::Cell;
use crate::wire::DrainState;
use crate::words::count;

const PATH: [&str; 2] = ["admin", "drain"];

pub(crate) async fn run(
    verb: DrainVerb,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    let state = match &verb {
        DrainVerb::On(wait) => {
            // A wait that cannot be understood must not leave a drained controller behind.
            timeout(wait)?;
            let state = put(true, &client).await?;
            waited(state, wait, &client, screen).await?
        }
        DrainVerb::Off => put(false, &client).await?,
        DrainVerb::Status(wait) => {
            let state = client.get(&PATH, &[]).await?;
            waited(state, wait, &client, screen).await?
        }
    };
    if screen.is_json() {
        screen.json(&state)?;
        return Ok(Exit::Done);
    }
    let drain: DrainState = view("GET /api/v1/admin/drain", &state)?;
    let word = |yes: bool| Cell::new(if yes { "yes" } else { "no" });
    screen.pairs(&[
        ("drains", word(drain.drain)),
        ("takes jobs", word(drain.picking)),
        ("queued", Cell::new(drain.queued.to_string())),
        ("at work on BMCs", Cell::new(drain.bmc_active.to_string())),
        ("need media", Cell::new(drain.need_media.to_string())),
    ])?;
    Ok(Exit::Done)
}

async fn put(drain: bool, client: &Client) -> Result<Value, Error> {
    let body = json!({ "drain": drain });
    let write = Write {
        method: Method::PUT,
        path: &PATH,
        body: Some(body.to_string()),
        ..Write::default()
    };
    Ok(client.send(write, "repeat the command").await?.body)
}

/// The state once nothing is left to wait for.
async fn waited(
    mut state: Value,
    wait: &Patience,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Value, Error> {
    let timeout = timeout(wait)?;
    if !wait.wait && !wait.wait_media {
        return Ok(state);
    }
    let started = Instant::now();
    let busy = screen.busy("waiting for jobs under way")?;
    loop {
        let drain: DrainState = view("GET /api/v1/admin/drain", &state)?;
        if !drain.drain {
            return Err(Error::DrainEnded);
        }
        let Some(left) = left(&drain, wait) else { return Ok(state) };
        if started.elapsed() >= timeout {
            return Err(Error::StillBusy(left));
        }
        busy.tell(&left);
        tokio::time::sleep(client.pace().poll).await;
        state = client.get(&PATH, &[]).await?;
    }
}

/// What is waited for, as far as it was asked; none once there is nothing.
fn left(drain: &DrainState, wait: &Patience) -> Option<String> {
    let jobs = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX), "job");
    let working = format!("{} at work on BMCs", jobs(drain.bmc_active));
    let reading = format!("{} in need of media", jobs(drain.need_media));
    match (drain.bmc_active, wait.wait_media) {
        (0, false) => None,
        (0, true) if drain.need_media == 0 => None,
        (_, false) => Some(working),
        (_, true) => Some(format!("{working}, {reading}")),
    }
}

fn timeout(wait: &Patience) -> Result<std::time::Duration, Error> {
    let why = "it is no span such as 90s, 15m or 4h";
    let bad = || Error::BadValue { what: format!("--timeout {}", wait.timeout), why };
    let length = length(&wait.timeout).ok_or_else(bad)?;
    Ok(length.unsigned_abs())
}
