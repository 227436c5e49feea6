//! Servers as a table.

use serde_json::{Value, json};

use crate::args::ListServers;
use crate::client::{Client, Listing, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::span::{age, span};
use crate::table::{Cell, Tone};
use crate::wire::{Probe, Server};
use crate::words::count;

const SERVERS: Listing<'_> = Listing { path: &["servers"], entries: "servers", cursor: "cursor" };

/// More servers than one controller is made for; a bound for a list that never ends.
const MOST: usize = 100_000;

pub(super) async fn list(
    list: &ListServers,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let mut page = client.pages(&SERVERS, &[], MOST).await?;
    if list.probes {
        page.entries = in_full(&page.entries, client, screen).await?;
    }
    if screen.is_json() {
        screen.json(&json!({ "servers": page.entries, "next": page.next }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for entry in &page.entries {
        let server = view("GET /api/v1/servers", entry)?;
        let mut row = row(&server, screen);
        if list.probes {
            row.splice(3..3, probe(server.last_probe.as_ref()));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        screen.note("no servers")?;
        return Ok(Exit::Done);
    }
    let mut headings = vec!["SERVER", "BMC", "HARDWARE", "CHANGED", "LABELS", "QUARANTINE"];
    if list.probes {
        headings.splice(3..3, ["LOOKED AT", "FOUND"]);
    }
    screen.table(&headings, &rows)?;
    Ok(Exit::Done)
}

/// Each server as it is shown alone.
async fn in_full(
    entries: &[Value],
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Vec<Value>, Error> {
    let mut servers = Vec::new();
    let busy = screen.busy("asking for the newest probe of every server")?;
    for (asked, entry) in entries.iter().enumerate() {
        let server: Server = view("GET /api/v1/servers", entry)?;
        busy.tell(&format!("{asked} of {} servers", entries.len()));
        match client.get(&["servers", &server.serial], &[]).await {
            Ok(value) => servers.push(value),
            // It was removed meanwhile.
            Err(Error::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(servers)
}

fn probe(probe: Option<&Probe>) -> [Cell; 2] {
    match probe {
        None => [Cell::new("never"), Cell::new("")],
        Some(probe) if probe.problems.is_empty() => {
            [Cell::new(span(probe.age_seconds)), Cell::toned("nothing wrong", Tone::Good)]
        }
        Some(probe) => {
            let found = count(probe.problems.len(), "problem");
            [Cell::new(span(probe.age_seconds)), Cell::toned(found, Tone::Bad)]
        }
    }
}

fn row(server: &Server, screen: &Screen<'_>) -> Vec<Cell> {
    let hardware = server.hardware.clone().unwrap_or_default();
    let labels: Vec<String> =
        server.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        Cell::new(&server.serial),
        Cell::new(server.bmc_address.as_deref().unwrap_or_default()),
        Cell::new(hardware.name()),
        Cell::new(server.updated_at.map(|at| age(at, screen.now)).unwrap_or_default()),
        Cell::new(labels.join(" ")),
        Cell::new(server.quarantine.as_deref().unwrap_or_default()),
    ]
}
