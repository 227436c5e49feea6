//! Who did what, the first question after "who was that".

use serde_json::{Value, json};

use crate::args::Audit;
use crate::client::{Listing, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::span::since;
use crate::table::{Cell, Tone};
use crate::wire::Audited;

const ENTRIES: Listing<'_> =
    Listing { path: &["admin", "audit"], entries: "entries", cursor: "cursor" };

pub(crate) async fn run(
    what: &Audit,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let query = query(what, screen)?;
    let page = context.client()?.pages(&ENTRIES, &query, what.limit as usize).await?;
    if screen.is_json() {
        screen.json(&json!({ "entries": page.entries, "next": page.next }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for entry in &page.entries {
        rows.push(row(view("GET /api/v1/admin/audit", entry)?));
    }
    if rows.is_empty() {
        screen.note("nobody did anything")?;
        return Ok(Exit::Done);
    }
    screen.table(&["TIME", "ACTOR", "FROM", "ACTION", "TARGET", "RESULT", "DETAIL"], &rows)?;
    if page.next != Value::Null {
        screen.note(&format!("there are more than {}; --limit shows them", what.limit))?;
    }
    Ok(Exit::Done)
}

fn query(what: &Audit, screen: &Screen<'_>) -> Result<Vec<(&'static str, String)>, Error> {
    let text = &what.since;
    let why = "it is neither a span such as 24h nor a time such as 2025-11-05T00:00:00Z";
    let bad = || Error::BadValue { what: format!("--since {text}"), why };
    let since = since(text, screen.now).ok_or_else(bad)?.to_string();
    let optional = [
        ("since", Some(since)),
        ("actor", what.actor.clone()),
        ("action", what.action.clone()),
        ("target", what.target.clone()),
    ];
    Ok(optional.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

fn row(entry: Audited) -> Vec<Cell> {
    let (result, tone) = if entry.ok { ("done", Tone::Plain) } else { ("refused", Tone::Bad) };
    vec![
        Cell::new(format!("{:.0}", entry.at)),
        Cell::new(entry.actor),
        Cell::new(entry.address.unwrap_or_default()),
        Cell::new(entry.action),
        Cell::new(entry.target),
        Cell::toned(result, tone),
        Cell::new(entry.detail),
    ]
}
