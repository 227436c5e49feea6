//! Many servers at once, all of a list or none of it.

use reqwest::Method;
use serde::Deserialize;

use super::told;
use crate::args::Import;
use crate::client::{Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::inventory::{self, Credentials};
use crate::run::Context;
use crate::screen::Screen;
use crate::words::count;

/// What an import did.
#[derive(Debug, Deserialize)]
struct Imported {
    created: u64,
    updated: u64,
    unchanged: u64,
}

pub(super) async fn import(
    import: &Import,
    context: &mut Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let credentials = import.credentials_from.as_deref().map(Credentials::read).transpose()?;
    let inventory = inventory::read(&import.file, context.stdin, credentials.as_ref())?;
    let client = context.client()?;
    let busy = screen.busy(&format!("sending {}", count(inventory.len(), "server")))?;
    let write = Write {
        method: Method::POST,
        path: &["servers", "import"],
        body: Some(inventory.body()),
        ..Write::default()
    };
    let sent = client.send(write, "repeat the command; it makes no server twice").await;
    drop(busy);
    let answer = sent.map_err(|error| inventory.located(error))?;
    let Imported { created, updated, unchanged } =
        view("POST /api/v1/servers/import", &answer.body)?;
    told(&answer, &format!("{created} created, {updated} updated, {unchanged} unchanged"), screen)
}
