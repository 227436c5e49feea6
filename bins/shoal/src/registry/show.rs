//! One repository with its tags, or one manifest as a tree.

use serde_json::{Value, json};

use crate::args::ShowArtifact;
use crate::client::{Client, Listing, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::span::age;
use crate::table::{Cell, Tone};
use crate::wire::registry::{Manifest, Repository, Tag};
use crate::words::{bytes, moment};

pub(super) async fn show(
    what: &ShowArtifact,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let name = what.what.repository.as_str();
    match &what.what.reference {
        Some(reference) => manifest(name, reference, client, screen).await,
        None => repository(name, what.limit as usize, client, screen).await,
    }
}

async fn repository(
    name: &str,
    limit: usize,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let value = client.get(&["registry", "repositories", name], &[]).await?;
    let path = ["registry", "repositories", name, "tags"];
    let listing = Listing { path: &path, entries: "tags", cursor: "cursor" };
    let page = client.pages(&listing, &[], limit).await?;
    if screen.is_json() {
        screen.json(&json!({
            "repository": value, "tags": page.entries, "next": page.next,
        }))?;
        return Ok(Exit::Done);
    }
    let it: Repository = view("GET /api/v1/registry/repositories/{repository}", &value)?;
    let told = |at: Option<jiff::Timestamp>| {
        Cell::new(at.map_or_else(|| "never".to_owned(), |at| moment(at, screen.now)))
    };
    screen.pairs(&[
        ("repository", Cell::new(&it.name)),
        ("size", Cell::new(bytes(it.bytes))),
        ("tags", Cell::new(it.tags.to_string())),
        ("manifests", Cell::new(it.manifests.to_string())),
        ("pushed", told(it.pushed_at)),
        ("pulled", told(it.pulled_at)),
    ])?;
    let mut rows = Vec::new();
    for entry in &page.entries {
        let it: Tag = view("GET /api/v1/registry/repositories/{repository}/tags", entry)?;
        rows.push(vec![
            Cell::new(&it.name),
            Cell::new(bytes(it.bytes)),
            Cell::new(age(it.tagged_at, screen.now)),
            Cell::new(it.artifact_type.as_deref().unwrap_or(&it.media_type)),
            Cell::new(&it.digest),
        ]);
    }
    if !rows.is_empty() {
        screen.line("")?;
        screen.table(&["TAG", "SIZE", "PUSHED", "TYPE", "DIGEST"], &rows)?;
    }
    if page.next != Value::Null {
        screen.note(&format!("there are more than {limit} tags; --limit shows them"))?;
    }
    Ok(Exit::Done)
}

async fn manifest(
    name: &str,
    reference: &str,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let path = ["registry", "repositories", name, "manifests", reference];
    let value = client.get(&path, &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let call = "GET /api/v1/registry/repositories/{repository}/manifests/{reference}";
    let tree: Manifest = view(call, &value)?;
    let mut rows = Vec::new();
    grow(&tree, "manifest", 0, &mut rows);
    screen.table(&["WHAT", "SIZE", "TYPE", "NAME", "DIGEST"], &rows)?;
    if let Some(subject) = &tree.subject {
        screen.note(&format!("it refers to {subject}"))?;
    }
    if has_gap(&tree) {
        screen.note("something below it is missing, or there is more than is shown")?;
    }
    Ok(Exit::Done)
}

/// One row for the manifest and each part below it, indented as deep as it lies.
fn grow(tree: &Manifest, role: &str, depth: usize, rows: &mut Vec<Vec<Cell>>) {
    let indent = "  ".repeat(depth);
    let name = tree.platform.iter().chain(&tree.tags).cloned().collect::<Vec<_>>().join(" ");
    let absent = tree.media_type.is_empty();
    let kind =
        if absent { "missing" } else { tree.artifact_type.as_deref().unwrap_or(&tree.media_type) };
    rows.push(vec![
        Cell::new(format!("{indent}{role}")),
        Cell::new(bytes(tree.bytes)),
        Cell::toned(kind, if absent { Tone::Bad } else { Tone::Plain }),
        Cell::new(name),
        Cell::new(&tree.digest),
    ]);
    for part in &tree.contents {
        let state = if part.present { "" } else { " (missing)" };
        let tone = if part.present { Tone::Plain } else { Tone::Bad };
        rows.push(vec![
            Cell::toned(format!("{indent}  {}{state}", part.role), tone),
            Cell::new(bytes(part.bytes)),
            Cell::new(&part.media_type),
            Cell::new(part.title.as_deref().unwrap_or_default()),
            Cell::new(&part.digest),
        ]);
    }
    tree.manifests.iter().for_each(|below| grow(below, "manifest", depth + 1, rows));
    tree.referrers.iter().for_each(|below| grow(below, "referrer", depth + 1, rows));
}

fn has_gap(tree: &Manifest) -> bool {
    tree.incomplete
        || tree.contents.iter().any(|part| !part.present)
        || tree.manifests.iter().chain(&tree.referrers).any(has_gap)
}
