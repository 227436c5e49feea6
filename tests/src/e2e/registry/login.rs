//! Who is let in, before and after a reload, and what becomes of those who are not.

use std::fs;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use shoal_tests::Api;

use super::{ann, client::Client, users_file, with_users};
use crate::{stage::Stage, suite::Place};

/// The reference implementation of Argon2 made this of `password`.
const HASH_OF_PASSWORD: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// Wrong logins that are to be refused unchecked.
const BOUNDED: u32 = 10;
/// Far more than are checked in a burst, and those that are allowed again meanwhile.
const TOO_MANY: u32 = 1000;

async fn status(api: &Api, user: &str, password: &str) -> Result<u16> {
    let asked = api.request(Method::GET, "/v2/").basic_auth(user, Some(password));
    Ok(asked.send().await?.status().as_u16())
}

pub(super) async fn run(place: Place) -> Result<()> {
    let mut written = Ok(());
    let mut stage = Stage::set_with(&place, |config| {
        with_users(&place, config.clone(), &ann()).unwrap_or_else(|error| {
            written = Err(error);
            config
        })
    })
    .await?;
    written?;
    strangers(&stage, &place).await?;
    let file = users_file(&place);
    let (api, bob) = (stage.api.clone(), format!("bob:{HASH_OF_PASSWORD}\n"));
    ensure!(status(&api, "ann", "secret").await? == 200, "ann is not let in");

    fs::write(&file, &bob).context("replace the users")?;
    let told = stage.controller.hang_up().await?;
    ensure!(told.contains("REGISTRY_USERS_FILE"), "the reload says {told}");
    ensure!(status(&api, "ann", "secret").await? == 401, "ann was let in once too often");
    ensure!(status(&api, "bob", "password").await? == 200, "bob is not let in");

    fs::write(&file, "bob:plain\n").context("break the users")?;
    let refused = api.post("/admin/reload", &json!({})).await?.wants(409)?;
    ensure!(refused.to_string().contains("REGISTRY_USERS_FILE"), "{refused}");
    ensure!(!refused.to_string().contains("plain"), "the refusal repeats the line: {refused}");
    ensure!(status(&api, "bob", "password").await? == 200, "a broken file has an effect");

    let before = failures(&api).await?;
    let (mut attempts, mut bounded) = (0, 0);
    while bounded < BOUNDED {
        ensure!(attempts < TOO_MANY, "nobody stops who guesses");
        let answer = status(&api, "bob", &format!("guess {attempts}")).await?;
        ensure!([401, 429].contains(&answer), "a wrong password is answered {answer}");
        attempts += 1;
        bounded += u32::from(answer == 429);
    }
    let counted = failures(&api).await? - before;
    ensure!(counted == u64::from(attempts), "{counted} of {attempts} wrong logins were counted");
    ensure!(status(&api, "bob", "password").await? == 200, "a login that was right is forgotten");
    stage.strike([]).await
}

/// The same refusal for everything, with and without a body.
async fn strangers(stage: &Stage, place: &Place) -> Result<()> {
    let client = Client::of(&stage.controller, &place.directory.join("curl"))?;
    for (word, path) in [
        ("-I", "/v2/tools/a/blobs/sha256:0"),
        ("-I", "/v2/tools/a/manifests/1"),
        ("-i", "/v2/"),
        ("-i", "/v2/_catalog"),
        ("-i", "/v2/no/such/path"),
    ] {
        let url = format!("https://{}{path}", client.host);
        let ca = stage.controller.ready().ca_file.display().to_string();
        let said = client.does("curl", &["-s", "--cacert", &ca, word, &url]).await?;
        let lower = said.to_lowercase();
        ensure!(lower.contains(" 401"), "{path} is answered {said}");
        ensure!(lower.contains("www-authenticate: basic realm="), "{path}: {said}");
        ensure!(word == "-I" || said.contains("UNAUTHORIZED"), "{path}: {said}");
    }
    Ok(())
}

async fn failures(api: &Api) -> Result<u64> {
    let text = api.metrics().await?;
    let name = "login_auth_failures_total{surface=\"registry\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.context("no such metric")?.trim().parse().context("read a count")
}
