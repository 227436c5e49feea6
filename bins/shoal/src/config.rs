//! The configuration of the controller, taken over without a restart.

use reqwest::Method;

use crate::args::{ConfigVerb, Reload};
use crate::client::{Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::table::Cell;
use crate::wire::{Reloaded, Setting};

pub(crate) async fn run(
    verb: ConfigVerb,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        ConfigVerb::Reload(how) => reload(&how, context, screen).await,
    }
}

async fn reload(
    how: &Reload,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    if how.force && !how.dry_run {
        let about = "machines of unfinished jobs that do not trust the new certificate will not be \
                     able to report";
        context.confirm(how.yes, about)?;
    }
    let flags = [("dry_run", how.dry_run), ("force", how.force)];
    let on = flags.into_iter().filter(|(_, on)| *on);
    let query: Vec<_> = on.map(|(name, _)| (name, "true".to_owned())).collect();
    let write = Write {
        method: Method::POST,
        path: &["admin", "reload"],
        query: &query,
        ..Write::default()
    };
    let answer = client.send(write, "look with shoal changes whether it was reloaded").await?;
    if screen.is_json() {
        screen.json(&answer.body)?;
        return Ok(Exit::Done);
    }
    let reloaded: Reloaded = view("POST /api/v1/admin/reload", &answer.body)?;
    let row = |it: &Setting| {
        vec![Cell::new(&it.key), Cell::new(&it.from), Cell::new(&it.to), Cell::new(&it.source)]
    };
    let rows: Vec<_> = reloaded.changed.iter().map(row).collect();
    if rows.is_empty() {
        screen.line("nothing is different")?;
    } else {
        screen.table(&["KEY", "FROM", "TO", "SOURCE"], &rows)?;
    }
    for warning in &reloaded.warnings {
        screen.note(&format!("warning: {warning}"))?;
    }
    let sha256 = &reloaded.config_sha256;
    screen.note(&if how.dry_run {
        format!("this was a dry run; the configuration would have the SHA-256 {sha256}")
    } else {
        format!("the configuration in force has the SHA-256 {sha256}")
    })?;
    Ok(Exit::Done)
}
