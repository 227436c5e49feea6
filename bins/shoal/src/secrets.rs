//! The verbs on keys. Keys go in and never come out, but a fleet secret that the controller drew.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{Purpose, RevokeSecret, SecretsVerb, SetSecret};
use crate::client::{Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::once::Kept;
use crate::run::Context;
use crate::screen::Screen;
use crate::secret::Secret;
use crate::span::age;
use crate::table::{Cell, visible};
use crate::wire::{Key, SetKey};
use crate::words::moment;

pub(crate) async fn run(
    verb: SecretsVerb,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        SecretsVerb::List => list(&context.client()?, screen).await,
        SecretsVerb::Set(what) => set(&what, &context.client()?, screen).await,
        SecretsVerb::Revoke(which) => revoke(&which, context, screen).await,
    }
}

async fn list(client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let value = client.get(&["admin", "secrets"], &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let keys: Vec<Key> =
        view("GET /api/v1/admin/secrets", value.get("keys").unwrap_or(&Value::Null))?;
    let told = |at: Option<Timestamp>| at.map(|at| age(at, screen.now)).unwrap_or_default();
    let row = |key: &Key| {
        vec![
            Cell::new(&key.purpose),
            Cell::new(key.id.to_string()),
            Cell::new(&key.state),
            Cell::new(&key.source),
            Cell::new(told(key.created_at)),
            Cell::new(told(key.accepted_until)),
            Cell::new(told(key.revoked_at)),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let headings = ["PURPOSE", "ID", "STATE", "SOURCE", "AGE", "ACCEPTED", "REVOKED"];
    screen.table(&headings, &rows)?;
    Ok(Exit::Done)
}

async fn set(what: &SetSecret, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let purpose = what.purpose.as_str();
    if what.write.is_some() && what.purpose != Purpose::FleetWebhook {
        let why = "only a fleet secret is ever shown, since machines have to be told it";
        return Err(Error::BadValue { what: format!("--write with {purpose}"), why });
    }
    let given = what.value_file.as_deref().map(Secret::from_file).transpose()?;
    let body = given.map_or(json!({}), |value| json!({ "value": value.reveal() }));
    let kept = what.write.as_deref().map(Kept::at).transpose()?;
    let write = Write {
        method: Method::POST,
        path: &["admin", "secrets", purpose],
        body: Some(body.to_string()),
        ..Write::default()
    };
    let again = "look with shoal secrets list whether there is another current key";
    let mut answer = client.send(write, again).await?.body;
    let set: SetKey = view("POST /api/v1/admin/secrets/{purpose}", &answer)?;
    let drawn = answer.get("value").and_then(Value::as_str).map(str::to_owned);
    let (id, until) = (set.id, moment(set.former_accepted_until, screen.now));
    let line = format!("key {id} of {} is current; former ones end {until}", set.purpose);
    let shown = match (kept, drawn) {
        (Some(kept), Some(value)) => {
            let undo = format!("set another one; then shoal secrets revoke {purpose} {id}");
            kept.keep(&value, &format!("key {id} of {purpose}"), &undo)?;
            answer.as_object_mut().map(|members| members.remove("value"));
            None
        }
        (_, drawn) => drawn,
    };
    if screen.is_json() {
        screen.json(&answer)?;
        return Ok(Exit::Done);
    }
    let Some(value) = shown else {
        screen.line(&visible(&line))?;
        return Ok(Exit::Done);
    };
    screen.note(&format!("{line}; it is not shown again:"))?;
    screen.line(&visible(&value))?;
    Ok(Exit::Done)
}

async fn revoke(
    which: &RevokeSecret,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    let (purpose, id) = (which.purpose.as_str(), which.id.to_string());
    let mut query = Vec::new();
    if which.emergency {
        let about = format!(
            "key {id} of {purpose} will be revoked even if unfinished jobs need it, which then lose \
             their media or cannot report"
        );
        context.confirm(which.yes, &about)?;
        query.push(("emergency", "true".to_owned()));
    }
    let write = Write {
        method: Method::DELETE,
        path: &["admin", "secrets", purpose, &id],
        query: &query,
        ..Write::default()
    };
    client.send(write, "repeat the command").await?;
    if !screen.is_json() {
        screen.line(&format!("key {id} of {purpose} revoked"))?;
    }
    Ok(Exit::Done)
}
