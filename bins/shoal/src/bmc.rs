//! BMCs apart from servers. The controller looks, because it is the controller that has to reach them.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::args::{BmcVerb, Doctor, Learned};
use crate::client::{Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::look;
use crate::run::Context;
use crate::screen::Screen;
use crate::servers::Trust;
use crate::table::Cell;
use crate::wire::Probe;

pub(crate) async fn run(
    verb: BmcVerb,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        BmcVerb::Doctor(what) => doctor(&what, context, screen).await,
        BmcVerb::Learned(Learned { forget: None }) => learned(&context.client()?, screen).await,
        BmcVerb::Learned(Learned { forget: Some(kind) }) => {
            forget(&kind, &context.client()?, screen).await
        }
    }
}

async fn doctor(
    what: &Doctor,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let body = body(what, context)?;
    let client = context.client()?;
    let write = Write {
        method: Method::POST,
        path: &["bmc", "examine"],
        body: Some(Value::Object(body).to_string()),
        looks: true,
        ..Write::default()
    };
    let busy = screen.busy(&format!("looking at {}; this can take minutes", what.bmc))?;
    let answer = client.send(write, "repeat the command").await?;
    drop(busy);
    let probe: Probe = view("POST /api/v1/bmc/examine", &answer.body)?;
    if screen.is_json() {
        screen.json(&answer.body)?;
    } else {
        look::show(&probe, screen)?;
        screen.note(&look::verdict(&probe))?;
    }
    Ok(if probe.problems.is_empty() { Exit::Done } else { Exit::NotSucceeded })
}

fn body(what: &Doctor, context: &Context<'_>) -> Result<Map<String, Value>, Error> {
    let mut body = Map::new();
    body.insert("bmc_address".to_owned(), json!(what.bmc));
    let trust = Trust { pin: what.pin, ca: what.ca.as_deref(), reason: what.reason.as_deref() };
    body.extend(trust.policy()?.map(|policy| ("tls".to_owned(), policy)));
    if let Some(user) = &what.user {
        let question = format!("password of {user} on {}: ", what.bmc);
        let password = context.bmc_password(what.password_file.as_deref(), &question)?;
        let credentials = json!({ "user": user, "password": password.reveal() });
        body.insert("credentials".to_owned(), credentials);
    }
    Ok(body)
}

/// Members of what is known that are no forms of requests.
const NOT_FORMS: [&str; 3] = ["kind", "profile", "layout"];

/// What is known of one kind of BMC.
#[derive(Debug, Deserialize)]
struct LearnedOf {
    kind: String,
    learned_at: jiff::Timestamp,
    #[serde(default)]
    forms: Map<String, Value>,
}

impl LearnedOf {
    /// What differs from a kind of which nothing was learned.
    fn told(&self) -> String {
        let said = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        let known = self
            .forms
            .iter()
            .filter(|(name, value)| said(value) && !NOT_FORMS.contains(&name.as_str()));
        let told = known.map(|(name, value)| match value {
            Value::Bool(true) => name.replace('_', " "),
            Value::String(text) => format!("{} {text}", name.replace('_', " ")),
            Value::Object(members) => {
                let on = members.iter().filter(|(_, value)| **value == Value::Bool(true));
                let on: Vec<&str> = on.map(|(name, _)| name.as_str()).collect();
                format!(
                    "{name} with {}",
                    if on.is_empty() { "nothing".into() } else { on.join(" ") }
                )
            }
            other => format!("{name} {other}"),
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

async fn learned(client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let value = client.get(&["bmc", "learned"], &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let kinds: Vec<LearnedOf> =
        view("GET /api/v1/bmc/learned", value.get("kinds").unwrap_or(&Value::Null))?;
    if kinds.is_empty() {
        screen.note("nothing was learned beyond what profiles say")?;
        return Ok(Exit::Done);
    }
    let row = |kind: &LearnedOf| {
        let at = Cell::new(format!("{:.0}", kind.learned_at));
        vec![Cell::new(&kind.kind), at, Cell::new(kind.told())]
    };
    let rows: Vec<_> = kinds.iter().map(row).collect();
    screen.table(&["KIND", "LEARNED", "WHAT"], &rows)?;
    Ok(Exit::Done)
}

async fn forget(kind: &str, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let write = Write {
        method: Method::DELETE,
        path: &["bmc", "learned"],
        query: &[("kind", kind.to_owned())],
        ..Write::default()
    };
    let answer = client.send(write, "repeat the command").await?;
    if screen.is_json() {
        screen.json(&answer.body)?;
        return Ok(Exit::Done);
    }
    let forgotten = answer.body.get("forgotten").and_then(Value::as_bool).unwrap_or_default();
    screen.note(&if forgotten {
        format!("forgot what was known of {kind}")
    } else {
        format!("nothing was known of {kind}; `shoal bmc learned` lists the kinds")
    })?;
    Ok(Exit::Done)
}
