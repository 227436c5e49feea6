//! Parts of a server's record changed. The API writes whole records, so this reads one, changes it
//! and writes it back; credentials stay as they are unless new ones are given.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Trust, told};
use crate::args::{MediaScheme, Set};
use crate::client::Write;
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;

/// Members of a record that are written.
const WRITTEN: [&str; 7] = [
    "bmc_address",
    "tls",
    "vendor_hint",
    "media_scheme",
    "allow_plain_media",
    "media_host",
    "labels",
];

/// Members that are not written: what the controller found out by itself, and the quarantine, which has
/// a call of its own.
const FOUND: [&str; 12] = [
    "serial",
    "has_credentials",
    "hardware",
    "quarantine",
    "hands_off_until",
    "residue",
    "active_job",
    "refused_logins",
    "logins_stopped_at",
    "last_probe",
    "created_at",
    "updated_at",
];

pub(super) async fn set(
    set: &Set,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let serial = &set.server.serial;
    let credentials = credentials(set, context)?;
    let trust = Trust { pin: set.pin, ca: set.ca.as_deref(), reason: set.reason.as_deref() };
    let trust = trust.policy()?;
    let client = context.client()?;
    let mut record = written(client.get(&["servers", serial], &[]).await?)?;
    let optional = [
        ("bmc_address", set.bmc.as_ref().map(|it| json!(it))),
        ("tls", trust),
        ("credentials", credentials),
        ("vendor_hint", set.vendor_hint.as_ref().map(|it| json!(it))),
        ("media_scheme", set.media_scheme.map(MediaScheme::as_str).map(|it| json!(it))),
        ("media_host", set.media_host.as_ref().map(|it| json!(it))),
        ("allow_plain_media", set.allow_plain_media.map(Value::Bool)),
        ("labels", Some(json!(labels(set, &record)))),
    ];
    record.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    for cleared in &set.clear {
        record.remove(cleared.as_str());
    }
    let write = Write {
        method: Method::PUT,
        path: &["servers", serial],
        body: Some(Value::Object(record).to_string()),
        ..Write::default()
    };
    let answer = client.send(write, &format!("look with shoal servers show {serial}")).await?;
    told(&answer, &format!("server {serial} changed"), screen)
}

fn credentials(set: &Set, context: &Context<'_>) -> Result<Option<Value>, Error> {
    let Some(user) = &set.user else { return Ok(None) };
    let question = format!("password of {user} on the BMC of {}: ", set.server.serial);
    let password = context.password(set.password_file.as_deref(), &question)?;
    Ok(Some(json!({ "user": user, "password": password.reveal() })))
}

/// The part of a record that is written back.
fn written(record: Value) -> Result<Map<String, Value>, Error> {
    let bad = |why: String| Error::BadAnswer { call: "GET /api/v1/servers/{serial}".into(), why };
    let Value::Object(record) = record else { return Err(bad("no record".to_owned())) };
    let mut written = Map::new();
    for (name, value) in record {
        if WRITTEN.contains(&name.as_str()) {
            written.extend((!value.is_null()).then_some((name, value)));
        } else if !FOUND.contains(&name.as_str()) && !value.is_null() {
            // Left out it might be cleared, and whoever set it would not be told.
            let why = format!("the record has {name:?}, which this program cannot write back");
            return Err(bad(why));
        }
    }
    Ok(written)
}

fn labels(set: &Set, record: &Map<String, Value>) -> BTreeMap<String, Value> {
    let stored = record.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    let kept = stored.into_iter().filter(|(key, _)| !set.remove_labels.contains(key));
    let given = set.labels.iter().map(|(key, value)| (key.clone(), json!(value)));
    kept.chain(given).collect()
}
