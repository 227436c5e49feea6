//! Two who send to one upload, and clocks that went back.

use std::sync::Arc;
use std::time::Duration;

use shoal_oci::auth::Open;
use shoal_oci::gc::Mode;
use shoal_oci::{Config, Error};

use crate::stage::{Stage, noise, sha256};

/// A client that has sent a part of its chunk and says nothing more.
async fn silent(stage: &Stage, location: &str, part: &[u8]) -> crate::stage::Client {
    let mut client = stage.client().await;
    client.head("PATCH", location, &[("Content-Length", "1000")]).await;
    client.send(part).await;
    while stage.registry.uploads()[0].received < part.len() as u64 {
        tokio::task::yield_now().await;
    }
    client
}

#[tokio::test]
async fn who_comes_back_takes_over_from_a_connection_that_went_silent() {
    let adjust = |config: &mut Config| config.limits.takeover = Duration::ZERO;
    let stage = Stage::with(adjust, Arc::new(Open)).await;
    let content = noise(900);
    let location = stage.start("a").await;
    let mut first = silent(&stage, &location, &content[..100]).await;
    let state = stage.ask("GET", &location, b"").await;
    assert_eq!((state.status, state.header("range")), (204, "0-99"));
    let range = [("Content-Range", "100-899")];
    let second = stage.ask_with("PATCH", &location, &range, &content[100..]).await;
    assert_eq!((second.status, second.header("range")), (202, "0-899"));
    assert_eq!(first.answer("PATCH").await.status, 408, "the first one is told");
    let put = format!("{location}?digest={}", sha256(&content));
    assert_eq!(stage.ask("PUT", &put, b"").await.status, 201);
}

#[tokio::test]
async fn a_connection_that_was_just_heard_of_is_not_taken_over_from() {
    let adjust = |config: &mut Config| config.limits.takeover = Duration::from_hours(1);
    let stage = Stage::with(adjust, Arc::new(Open)).await;
    let location = stage.start("a").await;
    let _first = silent(&stage, &location, b"0123").await;
    let range = [("Content-Range", "4-7")];
    let second = stage.ask_with("PATCH", &location, &range, b"4567").await;
    assert_eq!((second.status, &*second.code()), (409, "BLOB_UPLOAD_INVALID"));
}

/// Moves every time that was written down by so many seconds.
async fn shift(stage: &Stage, seconds: i64) {
    let database = stage.registry.catalogue().database();
    let shifted = database.write(move |tx| -> Result<_, Error> {
        Ok(tx.execute("UPDATE uploads SET touched_at = touched_at + ?1", [seconds])?
            + tx.execute("UPDATE tags SET tagged_at = tagged_at + ?1", [seconds])?
            + tx.execute("UPDATE blobs SET stored_at = stored_at + ?1", [seconds])?)
    });
    assert!(shifted.await.unwrap() > 2);
}

#[tokio::test]
async fn a_clock_that_went_back_ends_no_upload_and_moves_no_promise() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, b"bytes").await;
    let manifest = stage.image("a", "v1").await;
    let garbage = stage.blob("a", b"promised").await;
    // As it looks when the clock was set back by a year afterwards.
    shift(&stage, 365 * 24 * 3600).await;
    let stage = stage.restart().await;
    assert_eq!(stage.registry.expire_uploads().await.unwrap(), 0);
    assert_eq!(stage.ask("GET", &location, b"").await.header("range"), "0-4");
    let report = stage.collect(Mode::Sweep).await;
    assert_eq!(report.removed.total(), 0, "a start promises everything for the grace");
    assert_eq!(stage.ask("HEAD", &format!("/v2/a/blobs/{garbage}"), b"").await.status, 200);
    // It ages from here on, and can be collected once its grace is over.
    let mut config = Config::new(stage.root.path());
    config.limits.upload_age = Duration::ZERO;
    config.grace = Duration::ZERO;
    stage.registry.reconfigure(&config);
    assert_eq!(stage.registry.expire_uploads().await.unwrap(), 1);
    let stage = stage.restart_with(|config| config.grace = Duration::ZERO).await;
    assert_eq!(stage.collect(Mode::Sweep).await.removed.blobs, 1);
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
}
