//! What happened to the installation, the first question after "since when".

use serde_json::Value;

use crate::args::Changes;
use crate::client::view;
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::span::since;
use crate::table::Cell;
use crate::wire::{Change, happened};

pub(crate) async fn run(
    what: &Changes,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let text = &what.since;
    let why = "it is neither a span such as 24h nor a time such as 2025-11-05T00:00:00Z";
    let bad = || Error::BadValue { what: format!("--since {text}"), why };
    let since = since(text, screen.now).ok_or_else(bad)?;
    let query = [("since", since.to_string())];
    let value = context.client()?.get(&["admin", "changes"], &query).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let changes: Vec<Change> =
        view("GET /api/v1/admin/changes", value.get("changes").unwrap_or(&Value::Null))?;
    let row = |change: &Change| {
        let at = Cell::new(format!("{:.0}", change.at));
        vec![at, Cell::new(happened(&change.kind, &change.detail))]
    };
    let rows: Vec<_> = changes.iter().map(row).collect();
    if rows.is_empty() {
        screen.note("nothing happened")?;
        return Ok(Exit::Done);
    }
    screen.table(&["TIME", "CHANGE"], &rows)?;
    Ok(Exit::Done)
}
