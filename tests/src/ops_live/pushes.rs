//! Somebody who pushes to the registry and pulls from it all the time, so that there is something to
//! show, and something that fails when the registry's disk is full.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode, header::RANGE};
use ring::digest::{SHA256, digest};
use shoal_tests::Api;
use tokio::time::sleep;

use crate::ground::PACE;

/// Content of one push, bytes: more than what is written into the database first.
const LENGTH: usize = 64 * 1024;
/// Contents there are, few enough for the disk's fill to be what causes make of it.
const CONTENTS: u8 = 8;

/// Pushes one content after the other and pulls it, until an answer is none that was expected.
pub(crate) async fn go_on(api: &Api) -> anyhow::Error {
    for number in (0..CONTENTS).cycle() {
        if let Err(error) = once(api, vec![number; LENGTH]).await {
            return error.context("push to the registry and pull from it");
        }
        sleep(PACE).await;
    }
    anyhow::anyhow!("there is nothing to push")
}

async fn once(api: &Api, content: Vec<u8>) -> Result<()> {
    let digest = digest(&SHA256, &content);
    let digest = digest.as_ref().iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let path = format!("/v2/live/blobs/uploads/?digest={digest}");
    // Other causes stop the process for a while or leave its databases no room.
    let Ok(pushed) = api.request(Method::POST, &path).body(content.clone()).send().await else {
        return Ok(());
    };
    match pushed.status() {
        StatusCode::CREATED => {}
        status if status.is_server_error() => return Ok(()),
        status => anyhow::bail!("a push was answered {status}"),
    }
    let half = format!("bytes={}-", LENGTH / 2);
    let request = api.request(Method::GET, &format!("/v2/live/blobs/{digest}"));
    let Ok(pulled) = request.header(RANGE, half).send().await else { return Ok(()) };
    let status = pulled.status();
    if status.is_server_error() {
        return Ok(());
    }
    ensure!(status == StatusCode::PARTIAL_CONTENT, "a pull was answered {status}");
    let Ok(body) = pulled.bytes().await else { return Ok(()) };
    ensure!(Some(&*body) == content.get(LENGTH / 2..), "something else was pulled");
    Ok(())
}
