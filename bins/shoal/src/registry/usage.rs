//! What is stored, what it costs, and what could go.

use crate::client::{Client, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::span::span;
use crate::table::{Cell, Tone};
use crate::wire::registry::{RepositoryUsage, Usage};
use crate::words::bytes;

pub(super) async fn usage(
    top: u32,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let value = client.get(&["registry", "usage"], &[("top", top.to_string())]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let it: Usage = view("GET /api/v1/registry/usage", &value)?;
    let free = format!("{} of {}", bytes(it.free_bytes), bytes(it.disk_bytes));
    let later =
        format!("{} (up to {} later)", bytes(it.leased_bytes), span(it.collection.grace_seconds));
    let mut pairs = vec![
        ("stored", Cell::new(format!("{} in {} blobs", bytes(it.bytes), it.blobs))),
        ("repositories", Cell::new(it.repositories.to_string())),
        ("free on disk", Cell::new(free)),
        ("reclaimable", Cell::new(bytes(it.reclaimable_bytes))),
        ("reclaimable later", Cell::new(later)),
        ("in uploads", Cell::new(bytes(it.upload_bytes))),
        ("in quarantine", Cell::new(bytes(it.quarantine_bytes))),
    ];
    if it.collection.unconfirmed {
        let told = "off until a dry run is confirmed: shoal registry gc --confirm";
        pairs.push(("collection", Cell::toned(told, Tone::Bad)));
    }
    screen.pairs(&pairs)?;
    if it.top.is_empty() {
        return Ok(Exit::Done);
    }
    let row = |of: &RepositoryUsage| {
        vec![
            Cell::new(&of.repository),
            Cell::new(of.tags.to_string()),
            Cell::new(bytes(of.bytes)),
            Cell::new(bytes(of.own_bytes)),
            Cell::new(bytes(of.shared_bytes)),
            Cell::new(bytes(of.reclaimable_bytes)),
            Cell::new(of.quota_bytes.map(bytes).unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = it.top.iter().map(row).collect();
    screen.line("")?;
    let headings = ["REPOSITORY", "TAGS", "SIZE", "OWN", "SHARED", "RECLAIMABLE", "QUOTA"];
    screen.table(&headings, &rows)?;
    Ok(Exit::Done)
}
