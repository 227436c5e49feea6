//! A machine with a job and its pull token, taken from where the dispatcher left it. The tool that will
//! use it on the machine is another one; here oras shows what the token opens.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{Ending, Event, Step};
use shoal_tests::{Machine, linux_job};

use super::{ann, client::Client, noise, with_users};
use crate::{
    stage::{Stage, host},
    suite::Place,
};

pub(super) async fn run(place: Place, persona: &'static str) -> Result<()> {
    let mut written = Ok(());
    let stage = Stage::set_with(&place, |config| {
        with_users(&place, config.clone(), &ann()).unwrap_or_else(|error| {
            written = Err(error);
            config
        })
    })
    .await?;
    written?;
    let ann = Client::of(&stage.controller, &place.directory.join("ann"))?;
    let login = ["login", "-u", "ann", "--password-stdin", &ann.host];
    ann.does_with("oras", &login, "secret").await?;
    let rootfs = noise(11, 3_000_000);
    let digest = push(&ann, "os-images/debian:13", &rootfs).await?;
    push(&ann, "os-images/debian:12", &noise(12, 1000)).await?;
    push(&ann, "os-images/other:13", &rootfs).await?;

    let machine = stage.machine(persona, host(Ending::HangAt(Step::ImageLinux))).await?;
    let named = format!("oci://{}/os-images/debian:13@{digest}", ann.host);
    let (job, follow) = stage.job_with(&request(machine.serial(), &named)?).await?;
    let token = token(&machine).await?;
    let told = environment(&machine).await?;
    ensure!(told.contains(&named), "the machine is not told of {named}: {told}");
    let url = format!("https://{}", ann.host);
    ensure!(told.contains("REGISTRY_URL") && told.contains(&url), "not whose token it is: {told}");

    let puller = Client::of(&stage.controller, &place.directory.join("machine"))?;
    let login = ["login", "-u", "job", "--password-stdin", &puller.host];
    puller.does_with("oras", &login, token.trim()).await?;
    let own = puller.at(&format!("os-images/debian@{digest}"));
    puller.does("oras", &["pull", &own, "-o", "own"]).await?;
    puller.has("own/rootfs", &rootfs)?;
    nothing_else(&puller, &digest).await?;

    stage.api.post("/admin/secrets/registry_token", &json!({})).await?.wants(201)?;
    puller.does("oras", &["pull", &own, "-o", "after-rotation"]).await?;
    puller.has("after-rotation/rootfs", &rootfs)?;
    let revoked = stage.api.delete("/admin/secrets/registry_token/1").await?.refusal(409)?;
    ensure!(revoked == "conflict.key_in_use", "the key of a job under way: {revoked}");

    stage.api.cancel(&job).await?;
    follow.completed().await?;
    puller.fails("oras", &["manifest", "fetch", &own], "").await?;
    let log = fs::read_to_string(stage.controller.directory().join("controller.log"))?;
    ensure!(!log.contains(token.trim()), "the log tells the token");
    stage.strike([machine]).await
}

/// Pushes an artifact of one file; the digest of its manifest.
pub(super) async fn push(client: &Client, name: &str, content: &[u8]) -> Result<String> {
    client.write("rootfs", content)?;
    let at = client.at(name);
    let layer = "rootfs:application/vnd.example.rootfs.layer.v1";
    let kind = "application/vnd.example.rootfs.v1";
    client.does("oras", &["push", &at, "--artifact-type", kind, layer]).await?;
    let told = client.does("oras", &["manifest", "fetch", "--descriptor", &at]).await?;
    let told: Value = serde_json::from_str(&told).context("understand a descriptor")?;
    let digest = told.get("digest").and_then(Value::as_str).context("no digest")?;
    Ok(digest.to_owned())
}

/// The documented job with another artifact.
pub(super) fn request(serial: &str, named: &str) -> Result<Value> {
    let mut request = linux_job(serial)?;
    let recipe = request.get_mut("recipe").and_then(Value::as_object_mut).context("no recipe")?;
    recipe.insert("oci_url".to_owned(), json!(named));
    Ok(request)
}

async fn nothing_else(client: &Client, digest: &str) -> Result<()> {
    let [older, other, same, tag, repository] = [
        "os-images/debian:12",
        "os-images/other:13",
        &format!("os-images/other@{digest}"),
        "os-images/debian:13",
        "os-images/debian",
    ]
    .map(|name| client.at(name));
    for words in [
        &["pull", &older, "-o", "x"][..],
        &["pull", &other, "-o", "x"],
        &["pull", &same, "-o", "x"],
        &["pull", &tag, "-o", "x"],
        &["repo", "tags", &repository],
        &["push", &tag, "own/rootfs:text/plain"],
        &["manifest", "delete", "--force", &tag],
    ] {
        let said = client.fails("oras", words, "").await?;
        let denied = said.contains("403") || said.to_lowercase().contains("denied");
        ensure!(denied, "{words:?} is refused otherwise: {said}");
    }
    Ok(())
}

async fn provisioned(machine: &Machine) -> Result<std::path::PathBuf> {
    let root = machine.maintenance_root().await?;
    machine.wait_for(|event| matches!(event, Event::Dispatched { .. })).await?;
    Ok(root.join("run/provision"))
}

/// The pull token on the machine, which only root can read.
pub(super) async fn token(machine: &Machine) -> Result<String> {
    let path = provisioned(machine).await?.join("registry-token");
    let mode = fs::metadata(&path).context("find the pull token")?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "the pull token has the mode {mode:o}");
    read(&path)
}

/// What the steps on the machine are told.
pub(super) async fn environment(machine: &Machine) -> Result<String> {
    read(&provisioned(machine).await?.join("recipe.env"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
