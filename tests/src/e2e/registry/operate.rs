//! The registry in the hands of its operator: storage that ran full of what nothing needs, from the
//! first look to the space that came back, with pushes going on meanwhile; damage; a lost database.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use reqwest::{Method, RequestBuilder, StatusCode};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use shoal_tests::{Api, Config, Controller};
use tokio::process::Command;

use super::{ann, noise, with_users};
use crate::{stage::asked, suite::Place};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: usize = 300_000;
const STRAY: usize = 2_000_000;
/// What is pushed while garbage is collected.
const PUSHES: u32 = 12;

/// An image that was pushed.
struct Image {
    name: String,
    manifest: String,
    layer: Vec<u8>,
}

impl Image {
    fn digest(&self) -> String {
        sha256(self.manifest.as_bytes())
    }
}

pub(super) async fn full(place: Place) -> Result<()> {
    let mut controller = begin(&place).await?;
    let api = controller.api()?;
    let shoal = Shoal { controller: &controller, place: &place };
    let mut images = Vec::new();
    for version in 1..=4 {
        images.push(push(&api, &format!("tools/a:v{version}"), version).await?);
    }
    let kept = push(&api, "os-images/b:v1", 9).await?;
    push_blob(&api, "tools/a", &noise(77, STRAY)).await?;
    let before = bytes_of(&controller)?;
    for gone in images.drain(..2) {
        let path = format!("/v2/tools/a/manifests/{}", gone.digest());
        let deleted = ask(&api, Method::DELETE, &path).send().await?;
        ensure!(deleted.status() == StatusCode::ACCEPTED, "a delete: {}", deleted.status());
    }

    let usage = asked(&api, "/registry/usage", |usage| usage["leased_bytes"] == 0).await?;
    let reclaimable = number(&usage, "/reclaimable_bytes")?;
    ensure!(reclaimable > number_of(STRAY + 2 * LAYER), "too little: {usage}");
    let top = shoal.json(0, "registry usage --top 1").await?;
    ensure!(text(&top, "/top/0/repository")? == "tools/a", "who holds most: {top}");
    let dry = shoal.json(0, "registry gc --dry-run").await?;
    ensure!(number(&dry, "/collected/bytes")? == reclaimable, "dry run: {dry}");
    ensure!(bytes_of(&controller)? == before, "a dry run removed something");

    let pushing = tokio::spawn(pushes(controller.api()?));
    let swept = shoal.json(0, "registry gc").await?;
    let pushed = pushing.await.context("the pushes broke off")??;
    let freed = number(&swept, "/collected/bytes")?;
    ensure!(freed >= reclaimable, "{freed} of {reclaimable} were freed");
    let added: usize = pushed.iter().map(|image| 2 * image.layer.len()).sum();
    let left = bytes_of(&controller)?;
    ensure!(left + freed < before + number_of(added), "the space did not come back");
    for image in images.iter().chain(&pushed).chain([&kept]) {
        pulled(&api, image).await?;
    }

    controller.write_file("registry_retention_tools_keep = 1\n")?;
    controller.hang_up().await?;
    let shoal = Shoal { controller: &controller, place: &place };
    // Who has just pulled a manifest may go on to pull what it needs.
    let goes = |told: &Value| fates(told) == ["goes", "kept"];
    asked(&api, "/registry/retention?repository=tools/a", goes).await?;
    let told = shoal.text(0, "registry retention tools/a --dry-run").await?;
    ensure!(told.contains("tools/* keeps the last 1; it is number 2"), "why: {told}");
    shoal.json(0, "registry retention --yes").await?;
    let old = images.first().context("no image is left")?;
    let path = format!("/v2/tools/a/manifests/{}", old.digest());
    let gone = ask(&api, Method::HEAD, &path).send().await?;
    ensure!(gone.status() == StatusCode::NOT_FOUND, "it stays: {}", gone.status());
    pulled(&api, images.last().context("no image is left")?).await?;
    pulled(&api, &kept).await?;
    controller.stop().await
}

pub(super) async fn looked_at(place: Place) -> Result<()> {
    let controller = begin(&place).await?;
    let api = controller.api()?;
    let shoal = Shoal { controller: &controller, place: &place };
    let image = push(&api, "tools/a:v1", 1).await?;
    let started = ask(&api, Method::POST, "/v2/tools/a/blobs/uploads/").send().await?;
    ensure!(started.status() == StatusCode::ACCEPTED, "an upload: {}", started.status());
    let uploads = shoal.json(0, "registry uploads").await?;
    ensure!(text(&uploads, "/uploads/0/owner")? == "ann", "whose upload: {uploads}");
    let id = text(&uploads, "/uploads/0/id")?;
    shoal.text(0, &format!("registry uploads --remove {id} --yes")).await?;
    shoal.text(4, &format!("registry uploads --remove {id} --yes")).await?;

    let list = shoal.text(0, "registry list tools/").await?;
    ensure!(list.contains("tools/a"), "the list: {list}");
    let shown = shoal.json(0, "registry show tools/a:v1").await?;
    ensure!(text(&shown, "/digest")? == image.digest(), "the tree: {shown}");
    shoal.text(4, "registry show tools/none").await?;
    shoal.text(5, "registry rebuild").await?;

    let copy = "registry copy tools/a:v1 mirror/a --src-user ann --dst-user ann";
    let copied = shoal.json(0, copy).await?;
    ensure!(number(&copied, "/blobs_mounted")? == 1, "a copy: {copied}");
    let copied = shoal.json(0, copy).await?;
    ensure!(number(&copied, "/blobs_present")? == 1, "the same again: {copied}");
    let name = "mirror/a:v1".to_owned();
    pulled(&api, &Image { name, manifest: image.manifest.clone(), layer: image.layer.clone() })
        .await?;

    let layer = sha256(&image.layer);
    let root = controller.directory().join("storage/oci/blobs");
    fs::remove_file(root.join(layer.replace(':', "/"))).context("damage a blob")?;
    let told = shoal.text(1, "registry check").await?;
    ensure!(told.contains("push again: tools/a:v1"), "what is hurt: {told}");
    push(&api, "tools/a:v1", 1).await?;
    push(&api, "mirror/a:v1", 1).await?;
    shoal.text(0, "registry check").await?;
    let audited = shoal.text(0, "audit --action registry").await?;
    ensure!(audited.contains("check run"), "the audit: {audited}");
    controller.stop().await
}

pub(super) async fn rebuilt(place: Place) -> Result<()> {
    let mut controller = begin(&place).await?;
    let image = push(&controller.api()?, "tools/a:v1", 1).await?;
    push_blob(&controller.api()?, "tools/a", &noise(77, STRAY)).await?;
    let root = controller.directory().join("storage/oci");
    controller.pause().await?;
    for name in ["registry.db", "registry.db-wal", "registry.db-shm"] {
        let _ = fs::remove_file(root.join(name));
    }
    let rebuilt = Command::new(&place.programs.controller)
        .args(["registry", "rebuild", "--root"])
        .arg(&root)
        .output()
        .await
        .context("start the rebuild")?;
    let said = String::from_utf8_lossy(&rebuilt.stdout);
    ensure!(rebuilt.status.success() && said.contains("1 tags"), "the rebuild: {rebuilt:?}");

    controller.restart().await?;
    let api = controller.api()?;
    pulled(&api, &image).await?;
    let shoal = Shoal { controller: &controller, place: &place };
    shoal.text(5, "registry gc").await?;
    let usage = shoal.text(0, "registry usage").await?;
    ensure!(usage.contains("off until a dry run is confirmed"), "the usage: {usage}");
    asked(&api, "/registry/usage", |usage| usage["leased_bytes"] == 0).await?;
    let swept = shoal.json(0, "registry gc --confirm --yes").await?;
    ensure!(number(&swept, "/collected/bytes")? == number_of(STRAY), "what went: {swept}");
    shoal.json(0, "registry gc").await?;
    pulled(&api, &image).await?;
    controller.stop().await
}

/// A controller whose registry promises nothing for long, and collects only when it is asked to. Its
/// promise outlasts what lies between the parts of a push, also of a slow one.
async fn begin(place: &Place) -> Result<Controller> {
    let config = Config::new(place.directory.join("controller"), &place.static_dir)
        .set("REGISTRY_GC_GRACE", "20s")
        .set("REGISTRY_GC_INTERVAL", "off");
    Controller::start(&place.programs, with_users(place, config, &ann())?).await
}

/// The operator's program.
struct Shoal<'a> {
    controller: &'a Controller,
    place: &'a Place,
}

impl Shoal<'_> {
    /// What it says on both streams, ending with this exit code.
    async fn text(&self, exit: i32, line: &str) -> Result<String> {
        let (out, err) = self.run(exit, line.split(' ').collect()).await?;
        Ok(out + &err)
    }

    /// What it prints for programs.
    async fn json(&self, exit: i32, line: &str) -> Result<Value> {
        let words = line.split(' ').chain(["--output", "json"]).collect();
        let (out, _) = self.run(exit, words).await?;
        serde_json::from_str(&out).with_context(|| format!("shoal {line} printed {out}"))
    }

    async fn run(&self, exit: i32, words: Vec<&str>) -> Result<(String, String)> {
        let ready = self.controller.ready();
        let output = Command::new(&self.place.programs.cli)
            .args(&words)
            .env_clear()
            .env("SHOAL_URL", &ready.api)
            .env("SHOAL_CA", &ready.ca_file)
            .env("SHOAL_TOKEN_FILE", &ready.admin_token_file)
            .env("SRC_REGISTRY_PASSWORD", "secret")
            .env("DST_REGISTRY_PASSWORD", "secret")
            .output()
            .await
            .context("start shoal")?;
        let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        let code = output.status.code();
        ensure!(code == Some(exit), "shoal {words:?} ended with {code:?}:\n{out}{err}");
        Ok((out.into_owned(), err.into_owned()))
    }
}

/// Pushes one image after the other, and sees that each is there as soon as that was answered.
async fn pushes(api: Api) -> Result<Vec<Image>> {
    let mut pushed = Vec::new();
    for nth in 0..PUSHES {
        let image = push(&api, &format!("firmware/c:v{nth}"), 1000 + nth).await?;
        pulled(&api, &image).await?;
        pushed.push(image);
    }
    Ok(pushed)
}

/// Pushes an image with a layer of its own.
async fn push(api: &Api, name: &str, seed: u32) -> Result<Image> {
    let (repository, tag) = name.split_once(':').context("a name without a tag")?;
    let layer = noise(seed * 2 + 1, LAYER);
    push_blob(api, repository, &layer).await?;
    let part = json!({"mediaType": "application/vnd.shoal.tool", "digest": sha256(&layer),
        "size": layer.len()});
    let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE, "config": part,
        "layers": [part]});
    let manifest = manifest.to_string();
    let put = ask(api, Method::PUT, &format!("/v2/{repository}/manifests/{tag}"))
        .header("Content-Type", IMAGE)
        .body(manifest.clone());
    let answer = put.send().await?;
    ensure!(answer.status() == StatusCode::CREATED, "{name}: {}", answer.text().await?);
    Ok(Image { name: name.to_owned(), manifest, layer })
}

async fn push_blob(api: &Api, repository: &str, content: &[u8]) -> Result<()> {
    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", sha256(content));
    let answer = ask(api, Method::POST, &path).body(content.to_vec()).send().await?;
    ensure!(answer.status() == StatusCode::CREATED, "a blob: {}", answer.text().await?);
    Ok(())
}

/// An image is there, by its tag and whole.
async fn pulled(api: &Api, image: &Image) -> Result<()> {
    let Image { name, manifest, layer } = image;
    let (repository, tag) = name.split_once(':').context("a name without a tag")?;
    let path = format!("/v2/{repository}/manifests/{tag}");
    let found = ask(api, Method::GET, &path).send().await?.text().await?;
    ensure!(found == *manifest, "{name} is {found}");
    let path = format!("/v2/{repository}/blobs/{}", sha256(layer));
    let found = ask(api, Method::GET, &path).send().await?.bytes().await?;
    ensure!(found == *layer, "the layer of {name} is {} other bytes", found.len());
    Ok(())
}

fn ask(api: &Api, method: Method, path: &str) -> RequestBuilder {
    api.request(method, path).basic_auth("ann", Some("secret"))
}

fn sha256(content: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(digest(&SHA256, content).as_ref()))
}

fn fates(told: &Value) -> Vec<&str> {
    let tags = told["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    tags.iter().filter_map(|tag| tag["fate"].as_str()).collect()
}

fn number(value: &Value, pointer: &str) -> Result<u64> {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.with_context(|| format!("no number at {pointer}: {value}"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.with_context(|| format!("no text at {pointer}: {value}"))
}

fn number_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Bytes of the registry's blobs on the disk.
fn bytes_of(controller: &Controller) -> Result<u64> {
    let root = controller.directory().join("storage/oci/blobs/sha256");
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let entries = fs::read_dir(&root).context("list the blobs")?;
    entries.map(|entry| Ok(size(&entry.context("list the blobs")?.path()))).sum()
}
