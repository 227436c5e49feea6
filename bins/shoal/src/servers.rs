//! The verbs on servers.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::args::{Add, MediaScheme, ServersVerb};
use crate::client::{Client, Listing, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::profile::read;
use crate::run::Context;
use crate::screen::Screen;
use crate::secret::Secret;
use crate::span::age;
use crate::table::{Cell, outline};
use crate::tls;
use crate::wire::Server;

const SERVERS: Listing<'_> = Listing { path: &["servers"], entries: "servers", cursor: "cursor" };

/// More servers than one controller is made for; a bound for a list that never ends.
const MOST: usize = 100_000;

pub(crate) async fn run(
    verb: ServersVerb,
    context: &mut Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        ServersVerb::Add(what) => add(&what, context, screen).await,
        ServersVerb::List => list(&context.client()?, screen).await,
        ServersVerb::Show(which) => {
            let value = context.client()?.get(&["servers", &which.serial], &[]).await?;
            if screen.is_json() {
                screen.json(&value)?;
            } else {
                outline(&value).iter().try_for_each(|line| screen.line(line))?;
            }
            Ok(Exit::Done)
        }
        ServersVerb::Remove(which) => remove(&which.serial, &context.client()?, screen).await,
    }
}

async fn add(add: &Add, context: &Context<'_>, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let serial = &add.server.serial;
    let password = match &add.password_file {
        Some(path) => Secret::from_file(path)?,
        None => {
            let question = format!("password of {} on the BMC of {serial}: ", add.user);
            Secret::new((context.prompt)(&question).map_err(Error::Prompt)?)
        }
    };
    let body = body(add, &password)?;
    let client = context.client()?;
    // The call replaces whole records, so a mistyped serial would overwrite another server.
    if !add.replace && exists(serial, &client).await? {
        return Err(Error::ServerExists(serial.clone()));
    }
    let write = Write {
        method: Method::PUT,
        path: &["servers", serial],
        query: &[],
        body: Some(&body),
        idempotency_key: None,
    };
    let answer = client.send(&write, "repeat the command with --replace").await?;
    if screen.is_json() {
        screen.json(&answer.body)?;
    } else {
        let what = if answer.status == StatusCode::CREATED { "added" } else { "replaced" };
        screen.line(&format!("server {serial} {what}"))?;
    }
    Ok(Exit::Done)
}

async fn exists(serial: &str, client: &Client) -> Result<bool, Error> {
    match client.get(&["servers", serial], &[]).await {
        Ok(_) => Ok(true),
        Err(Error::Refused { status: 404, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn body(add: &Add, password: &Secret) -> Result<Value, Error> {
    let labels: Map<String, Value> =
        add.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let optional = [
        ("vendor_hint", add.vendor_hint.as_ref().map(|it| json!(it))),
        ("media_scheme", add.media_scheme.map(MediaScheme::as_str).map(|it| json!(it))),
        ("allow_plain_media", add.allow_plain_media.then_some(Value::Bool(true))),
        ("media_host", add.media_host.as_ref().map(|it| json!(it))),
        ("labels", (!labels.is_empty()).then(|| json!(labels))),
        ("quarantine", add.quarantine.as_ref().map(|it| json!(it))),
    ];
    let mut body = Map::new();
    body.insert("bmc_address".to_owned(), json!(add.bmc));
    let credentials = json!({ "user": add.user, "password": password.reveal() });
    body.insert("credentials".to_owned(), credentials);
    body.insert("tls".to_owned(), tls_policy(add)?);
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(Value::Object(body))
}

/// How the controller is to recognise the BMC; the command line has exactly one of the three.
fn tls_policy(add: &Add) -> Result<Value, Error> {
    if let Some(pin) = &add.pin {
        return Ok(json!({ "policy": "pin", "sha256": pin.to_string() }));
    }
    if let Some(path) = &add.ca {
        let pem = read(path)?;
        tls::roots(&pem).map_err(|_| Error::BadValue {
            what: path.display().to_string(),
            why: "it holds no usable certificate",
        })?;
        return Ok(json!({ "policy": "ca", "pem": pem }));
    }
    Ok(json!({ "policy": "insecure", "reason": add.reason }))
}

async fn list(client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let page = client.pages(&SERVERS, &[], MOST).await?;
    if screen.is_json() {
        screen.json(&json!({ "servers": page.entries, "next": page.next }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for entry in &page.entries {
        rows.push(row(&view("GET /api/v1/servers", entry)?, screen));
    }
    if rows.is_empty() {
        screen.note("no servers")?;
        return Ok(Exit::Done);
    }
    screen.table(&["SERVER", "BMC", "HARDWARE", "CHANGED", "LABELS", "QUARANTINE"], &rows)?;
    Ok(Exit::Done)
}

fn row(server: &Server, screen: &Screen<'_>) -> Vec<Cell> {
    let hardware = server.hardware.clone().unwrap_or_default();
    let hardware: Vec<String> = [hardware.vendor, hardware.model].into_iter().flatten().collect();
    let labels: Vec<String> =
        server.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        Cell::new(&server.serial),
        Cell::new(server.bmc_address.as_deref().unwrap_or_default()),
        Cell::new(hardware.join(" ")),
        Cell::new(server.updated_at.map(|at| age(at, screen.now)).unwrap_or_default()),
        Cell::new(labels.join(" ")),
        Cell::new(server.quarantine.as_deref().unwrap_or_default()),
    ]
}

async fn remove(serial: &str, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let write = Write {
        method: Method::DELETE,
        path: &["servers", serial],
        query: &[],
        body: None,
        idempotency_key: None,
    };
    let answer = client.send(&write, "look with shoal servers list").await?;
    if !screen.is_json() {
        screen.line(&format!("server {serial} removed"))?;
    } else if answer.body != Value::Null {
        screen.json(&answer.body)?;
    }
    Ok(Exit::Done)
}
