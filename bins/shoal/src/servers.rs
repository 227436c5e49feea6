//! The verbs on servers.

mod add;
mod import;
mod list;
mod set;
mod show;
mod trust;

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{Quarantine, ServersVerb};
use crate::client::{Answer, Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::look;
use crate::run::Context;
use crate::screen::Screen;
use crate::table::visible;
use crate::wire::Probe;

pub(crate) use trust::Trust;

pub(crate) async fn run(
    verb: ServersVerb,
    context: &mut Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        ServersVerb::Add(what) => add::add(&what, context, screen).await,
        ServersVerb::Import(what) => import::import(&what, context, screen).await,
        ServersVerb::List(list) => list::list(&list, &context.client()?, screen).await,
        ServersVerb::Show(which) => show::show(&which.serial, &context.client()?, screen).await,
        ServersVerb::Set(what) => set::set(&what, context, screen).await,
        ServersVerb::Quarantine(what) => quarantine(&what, &context.client()?, screen).await,
        ServersVerb::Release(which) => release(&which.serial, &context.client()?, screen).await,
        ServersVerb::Probe(which) => probe(&which.serial, &context.client()?, screen).await,
        ServersVerb::RetryLogin(which) => {
            retry_login(&which.serial, &context.client()?, screen).await
        }
        ServersVerb::Remove(which) => remove(&which.serial, &context.client()?, screen).await,
    }
}

async fn quarantine(
    what: &Quarantine,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let serial = &what.server.serial;
    let body = json!({ "reason": what.reason });
    let write = Write {
        method: Method::PUT,
        path: &["servers", serial, "quarantine"],
        body: Some(body.to_string()),
        ..Write::default()
    };
    let answer = client.send(write, "repeat the command").await?;
    told(&answer, &format!("server {serial} takes no jobs: {}", what.reason), screen)
}

async fn release(serial: &str, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let write = Write {
        method: Method::DELETE,
        path: &["servers", serial, "quarantine"],
        ..Write::default()
    };
    let answer = client.send(write, "repeat the command").await?;
    told(&answer, &format!("server {serial} takes jobs"), screen)
}

async fn probe(serial: &str, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let write = Write {
        method: Method::POST,
        path: &["servers", serial, "probe"],
        looks: true,
        ..Write::default()
    };
    let busy = screen.busy(&format!("looking at the BMC of {serial}; this can take minutes"))?;
    let again = format!("repeat the command, or read the answer with shoal servers show {serial}");
    let answer = client.send(write, &again).await?;
    drop(busy);
    let probe: Probe = view("POST /api/v1/servers/{serial}/probe", &answer.body)?;
    if screen.is_json() {
        screen.json(&answer.body)?;
    } else {
        look::show(&probe, screen)?;
        screen.note(&look::verdict(&probe))?;
    }
    Ok(if probe.problems.is_empty() { Exit::Done } else { Exit::NotSucceeded })
}

async fn retry_login(
    serial: &str,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let write = Write {
        method: Method::POST,
        path: &["servers", serial, "retry-login"],
        ..Write::default()
    };
    let answer = client.send(write, "repeat the command").await?;
    let cleared = answer.body.get("cleared").and_then(Value::as_bool).unwrap_or_default();
    let line = if cleared {
        format!("logins at the BMC of {serial} are tried again")
    } else {
        format!("no login at the BMC of {serial} had been refused")
    };
    told(&answer, &line, screen)
}

async fn remove(serial: &str, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let write = Write { method: Method::DELETE, path: &["servers", serial], ..Write::default() };
    let answer = client.send(write, "look with shoal servers list").await?;
    if !screen.is_json() {
        screen.line(&format!("server {serial} removed"))?;
    } else if answer.body != Value::Null {
        screen.json(&answer.body)?;
    }
    Ok(Exit::Done)
}

fn told(answer: &Answer, line: &str, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    if screen.is_json() {
        screen.json(&answer.body)?;
    } else {
        screen.line(&visible(line))?;
    }
    Ok(Exit::Done)
}
