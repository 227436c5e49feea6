//! Copying artifacts between registries, by the protocol that every registry speaks. Content streams
//! through this program and is kept nowhere; whatever breaks off goes on where the destination is.

mod blob;
mod digest;
mod error;
mod manifest;
mod meter;
mod place;
mod reading;
mod remote;

use serde_json::json;

use self::blob::{How, Transfer};
use self::manifest::Collected;
use self::place::Place;
use self::remote::{Entrance, Remote};
use crate::args::Copy;
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Context;
use crate::screen::Screen;
use crate::secret::Secret;
use crate::table::Cell;
use crate::words::bytes;

pub(crate) use error::CopyError;

/// What was done.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    mounted: usize,
    present: usize,
    bytes: u64,
}

pub(super) async fn copy(
    what: &Copy,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let source_place: Place = what.source.parse()?;
    let destination_place: Place = what.destination.parse()?;
    let source = remote(&source_place, &entrance_of_source(what), context)?;
    let destination = remote(&destination_place, &entrance_of_destination(what), context)?;
    let reference = source_place.reference.clone().unwrap_or_else(|| "latest".to_owned());
    let busy = screen.busy(&format!("looking at {source_place}"))?;
    let collected = manifest::collect(&source, &reference, what.referrers).await?;
    drop(busy);
    let tally = transfer(&source, &destination, &collected, screen).await?;
    let target = match (&destination_place.reference, &source_place.reference) {
        (Some(reference), _) => reference.clone(),
        (None, Some(reference)) if !reference.contains(':') => reference.clone(),
        (None, Some(_)) => collected.root.to_string(),
        (None, None) => reference,
    };
    for manifest in &collected.manifests {
        let own = manifest.digest.to_string();
        let name = if manifest.digest == collected.root { &target } else { &own };
        destination.put_manifest(name, manifest).await?;
    }
    told(what, &collected, &tally, screen)
}

async fn transfer(
    source: &Remote,
    destination: &Remote,
    collected: &Collected,
    screen: &mut Screen<'_>,
) -> Result<Tally, Error> {
    let total = collected.blobs.iter().map(|blob| blob.size).sum();
    let bar = screen.bar(&format!("copying {} blobs", collected.blobs.len()), total)?;
    let mut tally = Tally::default();
    let mut done = 0;
    for blob in &collected.blobs {
        let transfer = Transfer { source, destination, blob, bar: &bar, before: done };
        match transfer.run().await? {
            How::Sent => {
                tally.sent += 1;
                tally.bytes += blob.size;
            }
            How::Mounted => tally.mounted += 1,
            How::Present => tally.present += 1,
        }
        done += blob.size;
        bar.set(done);
    }
    Ok(tally)
}

fn told(
    what: &Copy,
    collected: &Collected,
    tally: &Tally,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let digest = collected.root.to_string();
    let manifests = collected.manifests.len();
    let Tally { sent, mounted, present, bytes: count } = tally;
    if screen.is_json() {
        screen.json(&json!({
            "source": what.source, "destination": what.destination, "digest": digest,
            "manifests": manifests, "blobs_sent": sent, "blobs_mounted": mounted,
            "blobs_present": present, "bytes_sent": count,
        }))?;
        return Ok(Exit::Done);
    }
    screen.pairs(&[
        ("from", Cell::new(&what.source)),
        ("to", Cell::new(&what.destination)),
        ("digest", Cell::new(digest)),
        ("manifests", Cell::new(manifests.to_string())),
        ("blobs", Cell::new(format!("{sent} sent, {mounted} mounted, {present} there already"))),
        ("sent", Cell::new(bytes(*count))),
    ])?;
    if collected.foreign > 0 {
        let told = "layers are kept elsewhere by whoever may distribute them, and were not copied";
        screen.note(&format!("{} {told}", collected.foreign))?;
    }
    Ok(Exit::Done)
}

fn entrance_of_source(what: &Copy) -> Entrance<'_> {
    Entrance {
        user: what.src_user.as_deref(),
        password_file: what.src_password_file.as_deref(),
        variable: "SRC_REGISTRY_PASSWORD",
        ca: what.src_ca.as_deref(),
        pin: what.src_pin,
        plain_http: what.src_plain_http,
        actions: "pull",
    }
}

fn entrance_of_destination(what: &Copy) -> Entrance<'_> {
    Entrance {
        user: what.dst_user.as_deref(),
        password_file: what.dst_password_file.as_deref(),
        variable: "DST_REGISTRY_PASSWORD",
        ca: what.dst_ca.as_deref(),
        pin: what.dst_pin,
        plain_http: what.dst_plain_http,
        actions: "pull,push",
    }
}

fn remote(place: &Place, entrance: &Entrance<'_>, context: &Context<'_>) -> Result<Remote, Error> {
    let (base, trust) = entrance.way(place, context)?;
    let login: Option<(String, Secret)> = match entrance.user {
        None => None,
        Some(user) => {
            let question = format!("password of {user} at {}: ", base.authority());
            let file = entrance.password_file;
            let password = context.password_or(file, entrance.variable, &question)?;
            Some((user.to_owned(), password))
        }
    };
    Ok(Remote::new((base, &trust), place, login, entrance.actions, context.pace())?)
}
