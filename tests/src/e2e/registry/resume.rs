//! A controller killed in the middle of an upload: what it holds afterwards is for it to say.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use reqwest::Method;
use ring::digest::{SHA256, digest};
use shoal_tests::{Api, Config, Controller, PATIENCE};
use tokio::io::AsyncWriteExt;

use super::{ann, client::Client, noise, with_users};
use crate::suite::Place;

const WHOLE: usize = 24 * 1024 * 1024;
/// Of which so much is sent in a request that ends,
const FIRST: usize = 4 * 1024 * 1024;
/// and so much before the controller is killed.
const SENT: usize = 12 * 1024 * 1024;

pub(super) async fn run(place: Place) -> Result<()> {
    let config = Config::new(place.directory.join("controller"), &place.static_dir);
    let config = with_users(&place, config, &ann())?;
    let mut controller = Controller::start(&place.programs, config).await?;
    let api = controller.api()?;
    let content = noise(7, WHOLE);
    let started = ask(&api, Method::POST, "/v2/os-images/big/blobs/uploads/").send().await?;
    ensure!(started.status() == 202, "an upload begins with {}", started.status());
    let session = location(&started)?;
    let (first, rest) = content.split_at(FIRST);
    let sent = ask(&api, Method::PATCH, &session).body(first.to_vec()).send().await?;
    ensure!(sent.status() == 202 && held(&sent)? == FIRST, "after the first part: {sent:?}");

    let client = Client::of(&controller, &place.directory.join("curl"))?;
    client.write("netrc", b"default login ann password secret\n")?;
    let (ca, url) = (
        controller.ready().ca_file.display().to_string(),
        format!("https://{}{session}", client.host),
    );
    let words = ["-sS", "--http1.1", "--cacert", &ca, "--netrc-file", "netrc", "-X", "PATCH"];
    let mut curl = client.command("curl", &[&words[..], &["-T", "-", &url]].concat())?.spawn()?;
    let mut pipe = curl.stdin.take().context("curl has no input")?;
    let (part, _) = rest.split_at(SENT);
    pipe.write_all(part).await.context("send a part")?;
    pipe.flush().await.context("send a part")?;
    let seen = until_held(&api, &session, FIRST + SENT / 2).await?;
    controller.kill().await?;
    drop(pipe);
    let _ = curl.wait().await;

    controller.restart().await?;
    let api = controller.api()?;
    let shown = ask(&api, Method::GET, &session).send().await?;
    ensure!(shown.status() == 204, "the upload is gone: {}", shown.status());
    let offset = held(&shown)?;
    ensure!((seen..=FIRST + SENT).contains(&offset), "{offset} bytes are held, {seen} were");
    let rest = content.get(offset..).context("more is held than was sent")?.to_vec();
    let sent = ask(&api, Method::PATCH, &session)
        .header("Content-Range", format!("{offset}-{}", WHOLE - 1))
        .body(rest)
        .send()
        .await?;
    ensure!(sent.status() == 202 && held(&sent)? == WHOLE, "after the rest: {sent:?}");
    let digest = format!("sha256:{}", HEXLOWER.encode(digest(&SHA256, &content).as_ref()));
    let ended = ask(&api, Method::PUT, &format!("{session}?digest={digest}")).send().await?;
    ensure!(ended.status() == 201, "the upload ends with {}", ended.status());
    let back = ask(&api, Method::GET, &location(&ended)?).send().await?.bytes().await?;
    ensure!(back == content, "it came back as {} other bytes", back.len());
    controller.stop().await
}

fn ask(api: &Api, method: Method, path: &str) -> reqwest::RequestBuilder {
    api.request(method, path).basic_auth("ann", Some("secret"))
}

fn location(answer: &reqwest::Response) -> Result<String> {
    let location = answer.headers().get("location").context("no Location")?;
    Ok(location.to_str().context("an odd Location")?.to_owned())
}

/// How many bytes of an upload are held.
fn held(answer: &reqwest::Response) -> Result<usize> {
    let range = answer.headers().get("range").context("no Range")?.to_str()?;
    let last: usize = range.strip_prefix("0-").context("an odd Range")?.parse()?;
    Ok(last + 1)
}

/// Waits until so many bytes are held; how many.
async fn until_held(api: &Api, session: &str, least: usize) -> Result<usize> {
    let search = async {
        loop {
            let held = held(&ask(api, Method::GET, session).send().await?)?;
            if held >= least {
                return anyhow::Ok(held);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.context("what is sent does not arrive")?
}
