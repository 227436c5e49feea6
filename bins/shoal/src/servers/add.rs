//! A server made known, or its whole record written anew.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::trust::Trust;
use crate::args::{Add, MediaScheme};
use crate::client::{Client, Write};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::secret::Secret;

pub(super) async fn add(
    add: &Add,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let serial = &add.server.serial;
    let question = format!("password of {} on the BMC of {serial}: ", add.user);
    let password = context.password(add.password_file.as_deref(), &question)?;
    let body = body(add, &password)?;
    let client = context.client()?;
    // The call replaces whole records, so a mistyped serial would overwrite another server.
    if !add.replace && exists(serial, &client).await? {
        return Err(Error::ServerExists(serial.clone()));
    }
    let write = Write {
        method: Method::PUT,
        path: &["servers", serial],
        body: Some(body.to_string()),
        ..Write::default()
    };
    let answer = client.send(write, "repeat the command with --replace").await?;
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
    let trust = Trust { pin: add.pin, ca: add.ca.as_deref(), reason: add.reason.as_deref() };
    // The command line has exactly one of the three.
    body.extend(trust.policy()?.map(|policy| ("tls".to_owned(), policy)));
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(Value::Object(body))
}
