//! Verbs on the registry. What changes it is a run of the controller: begun by one call, followed by
//! others, so that a lost connection costs nothing but the view.

mod copy;
mod run;
mod show;
mod usage;

pub(crate) use copy::CopyError;
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{ListRepositories, RegistryVerb, Retain, Uploads};
use crate::client::{Client, Listing, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::span::{age, span};
use crate::table::{Cell, Tone};
use crate::wire::registry::{Repository, Rule, Upload, Verdict};
use crate::words::bytes;

const REPOSITORIES: Listing<'_> =
    Listing { path: &["registry", "repositories"], entries: "repositories", cursor: "cursor" };

const RETENTION: Listing<'_> =
    Listing { path: &["registry", "retention"], entries: "tags", cursor: "cursor" };

pub(crate) async fn run(
    verb: RegistryVerb,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        RegistryVerb::List(what) => list(&what, &context.client()?, screen).await,
        RegistryVerb::Show(what) => show::show(&what, &context.client()?, screen).await,
        RegistryVerb::Usage(what) => usage::usage(what.top, &context.client()?, screen).await,
        RegistryVerb::Uploads(what) => uploads(&what, context, screen).await,
        RegistryVerb::Gc(what) => run::gc(&what, context, screen).await,
        RegistryVerb::Retention(what) if what.dry_run => {
            forecast(&what, &context.client()?, screen).await
        }
        RegistryVerb::Retention(what) => run::retention(&what, context, screen).await,
        RegistryVerb::Check(what) => run::check(&what, context, screen).await,
        RegistryVerb::Runs(what) => run::runs(&what, &context.client()?, screen).await,
        RegistryVerb::Rebuild => Err(Error::RebuildOffline),
        RegistryVerb::Copy(what) => Box::pin(copy::copy(&what, context, screen)).await,
    }
}

async fn list(
    what: &ListRepositories,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let query: Vec<_> = what.prefix.iter().map(|prefix| ("prefix", prefix.clone())).collect();
    let page = client.pages(&REPOSITORIES, &query, what.limit as usize).await?;
    if screen.is_json() {
        screen.json(&json!({ "repositories": page.entries, "next": page.next }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for entry in &page.entries {
        let it: Repository = view("GET /api/v1/registry/repositories", entry)?;
        let told = |at: Option<jiff::Timestamp>| {
            at.map_or_else(|| "never".to_owned(), |at| age(at, screen.now))
        };
        rows.push(vec![
            Cell::new(&it.name),
            Cell::new(it.tags.to_string()),
            Cell::new(it.manifests.to_string()),
            Cell::new(bytes(it.bytes)),
            Cell::new(told(it.pushed_at)),
            Cell::new(told(it.pulled_at)),
        ]);
    }
    if rows.is_empty() {
        screen.note("no repositories")?;
        return Ok(Exit::Done);
    }
    screen.table(&["REPOSITORY", "TAGS", "MANIFESTS", "SIZE", "PUSHED", "PULLED"], &rows)?;
    if page.next != Value::Null {
        screen.note(&format!("there are more than {}; --limit shows them", what.limit))?;
    }
    Ok(Exit::Done)
}

async fn uploads(
    what: &Uploads,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    if let Some(id) = &what.remove {
        context.confirm(what.yes, &format!("what upload {id} has received is removed"))?;
        let path = ["registry", "uploads", id.as_str()];
        let write = Write { method: Method::DELETE, path: &path, ..Write::default() };
        client.send(write, "shoal registry uploads shows whether it is gone").await?;
        if screen.is_json() {
            screen.json(&json!({ "removed": id }))?;
        } else {
            screen.line(&format!("upload {id} is gone"))?;
        }
        return Ok(Exit::Done);
    }
    let value = client.get(&["registry", "uploads"], &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let uploads: Vec<Upload> =
        view("GET /api/v1/registry/uploads", value.get("uploads").unwrap_or(&Value::Null))?;
    if uploads.is_empty() {
        screen.note("no uploads")?;
        return Ok(Exit::Done);
    }
    let row = |it: &Upload| {
        vec![
            Cell::new(&it.id),
            Cell::new(&it.repository),
            Cell::new(bytes(it.bytes)),
            Cell::new(it.started_at.map(|at| age(at, screen.now)).unwrap_or_default()),
            Cell::new(span(it.idle_seconds)),
            Cell::new(span(it.expires_in_seconds)),
            Cell::new(&it.owner),
        ]
    };
    let rows: Vec<_> = uploads.iter().map(row).collect();
    let headings = ["UPLOAD", "REPOSITORY", "RECEIVED", "AGE", "IDLE", "EXPIRES IN", "OWNER"];
    screen.table(&headings, &rows)?;
    Ok(Exit::Done)
}

/// What the rules would do to each tag.
async fn forecast(what: &Retain, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let query: Vec<_> =
        what.repository.iter().map(|repository| ("repository", repository.clone())).collect();
    let first = client.get(RETENTION.path, &[("limit", "1".to_owned())]).await?;
    let rules = first.get("rules").cloned().unwrap_or_default();
    let page = client.pages(&RETENTION, &query, what.limit as usize).await?;
    if screen.is_json() {
        screen.json(&json!({ "rules": rules, "tags": page.entries, "next": page.next }))?;
        return Ok(Exit::Done);
    }
    let rules: Vec<Rule> = view("GET /api/v1/registry/retention", &rules)?;
    if rules.is_empty() {
        screen.note("there are no rules: everything is kept")?;
    }
    let (mut rows, mut going) = (Vec::new(), 0_usize);
    for entry in &page.entries {
        let verdict: Verdict = view("GET /api/v1/registry/retention", entry)?;
        going += usize::from(verdict.fate == "goes");
        rows.push(vec![
            Cell::new(&verdict.repository),
            Cell::new(&verdict.tag),
            fate(&verdict.fate),
            Cell::new(because(&verdict)),
        ]);
    }
    if rows.is_empty() {
        screen.note("no tags")?;
        return Ok(Exit::Done);
    }
    screen.table(&["REPOSITORY", "TAG", "WHAT", "WHY"], &rows)?;
    let told = format!("{going} of {} tags would go", rows.len());
    screen.note(&told)?;
    if page.next != Value::Null {
        screen.note(&format!("there are more than {}; --limit shows them", what.limit))?;
    }
    Ok(Exit::Done)
}

fn fate(word: &str) -> Cell {
    match word {
        "goes" => Cell::toned("goes", Tone::Bad),
        "leased" => Cell::toned("stays for now", Tone::Busy),
        _ => Cell::new("stays"),
    }
}

fn because(verdict: &Verdict) -> String {
    let Some(rule) = &verdict.rule else { return "no rule is about it".to_owned() };
    let name = &rule.repositories;
    let Some(most) = rule.keep_last else { return format!("{name} keeps all") };
    let place = verdict.place.map(|place| format!("; it is number {place}")).unwrap_or_default();
    match verdict.fate.as_str() {
        "kept_with_subject" => format!("{name} keeps it with what it is named after"),
        "leased" => format!("{name} keeps the last {most}{place}; a client may count on it"),
        _ => format!("{name} keeps the last {most}{place}"),
    }
}
