//! When a media address opens, over HTTPS at the running controller: before its time is over for the
//! first time, afterwards for as long as its attempt lives, and for its own medium alone.

use anyhow::{Context, Result, bail, ensure};
use data_encoding::{Encoding, Specification};
use reqwest::Method;
use serde_json::{Value, json};
use shoal_redfish_mock::{Action, EffectKind, Ending, Rule, When};
use shoal_tests::{Api, Follow, Machine, Moves, PATIENCE, Shift};

use crate::{
    stage::{Stage, host, reached},
    suite::Place,
};

/// Longer than a job may be provisioned, and so than any address may be opened first.
const LATER: i64 = 6 * 3600;

const GONE: (u16, &str) = (404, "not found");
const EXPIRED: (u16, &str) = (403, "expired");
const SIGNATURE: (u16, &str) = (403, "signature");
const MALFORMED: (u16, &str) = (403, "malformed");
const UNKNOWN_KEY: (u16, &str) = (403, "unknown_key");

pub(super) async fn run(place: Place, persona: &'static str) -> Result<()> {
    let shift = Shift::new(&place.directory, Moves::Wall)?;
    let stage = Stage::set_with(&place, |config| shift.on(config)).await?;
    let api = &stage.api;
    let machines = [
        stage.machine(persona, host(Ending::Succeed)).await?,
        stage.stranger(persona, "SN0002", host(Ending::Succeed)).await?,
    ];
    let [first, second] = &machines;
    api.enrol(second).await?;
    let mut held = Vec::new();
    for machine in &machines {
        // The media are in, and nobody but us opens them.
        machine
            .mock()
            .faults()
            .add(Rule::always(When::Intends(EffectKind::Insert), Action::PretendInsert));
        // Every try of it: the controller does not wait for ever.
        let rule = Rule::always(When::Intends(EffectKind::BootOnce), Action::HoldBefore);
        let rule = machine.mock().faults().add(rule);
        let (job, follow) = stage.job(machine).await?;
        reached(&rule).await?;
        held.push((job, follow));
    }
    let (own, other) = (path(&shown(first).await?)?, path(&shown(second).await?)?);
    ensure!(own != other, "two jobs have one address");

    let before = seen(api, &held).await?;
    refused(api, &crossed(&own, &other)?, SIGNATURE).await.context("another job's medium")?;
    let later = own.replacen(segment(&own)?, &later(segment(&own)?)?, 1);
    refused(api, &later, SIGNATURE).await.context("a later expiry")?;
    refused(api, &format!("{own}x"), MALFORMED).await.context("another name")?;
    shift.to(LATER)?;
    refused(api, &own, EXPIRED).await.context("opened first after its time")?;
    ensure!(seen(api, &held).await? == before, "refused requests left evidence");
    shift.to(0)?;
    opened(api, &own).await.context("opened first in its time")?;
    shift.to(LATER)?;
    opened(api, &own).await.context("opened again after its time")?;
    refused(api, &other, EXPIRED).await.context("the other one opened first after its time")?;
    shift.to(0)?;

    let [(ended, follow), (lost, lost_follow)] =
        <[_; 2]>::try_from(held).ok().context("two jobs")?;
    api.cancel(&ended).await?;
    first.mock().faults().clear();
    follow.completed().await?;
    refused(api, &own, GONE).await.context("the address of a job that is over")?;
    opened(api, &other).await.context("the other job's address")?;
    api.post("/admin/secrets/media", &json!({})).await?.wants(201)?;
    let used = api.delete("/admin/secrets/media/1").await?.refusal(409)?;
    ensure!(used == "conflict.key_in_use", "{used}");
    api.delete("/admin/secrets/media/1?emergency=true").await?.wants(204)?;
    refused(api, &other, UNKNOWN_KEY).await.context("a key that was revoked")?;
    api.cancel(&lost).await?;
    second.mock().faults().clear();
    lost_follow.completed().await?;
    counted(api).await?;
    stage.strike(machines).await
}

/// The address of the task medium, as a BMC shows it that has not opened it.
async fn shown(machine: &Machine) -> Result<String> {
    let record = machine.record();
    let word = |pointer| record.pointer(pointer).and_then(Value::as_str).context("half a record");
    let (bmc, user) = (word("/bmc_address")?, word("/credentials/user")?);
    // A simulated BMC of ours.
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
    let http = http.timeout(PATIENCE).build().context("make an HTTP client")?;
    for entry in machine.mock().journal().entries() {
        let Some((slot, "VirtualMedia.InsertMedia")) = entry.path.split_once("/Actions/") else {
            continue;
        };
        let get = http.get(format!("{}{slot}", bmc.trim_end_matches('/')));
        let text = get.basic_auth(user, Some(machine.password())).send().await?.text().await?;
        let seen: Value = serde_json::from_str(&text).context("read a slot")?;
        let image = seen.get("Image").and_then(Value::as_str).unwrap_or_default();
        if image.contains("/media/t/") {
            return Ok(image.to_owned());
        }
    }
    bail!("no slot shows a task medium")
}

/// The path of an address of the controller's own HTTPS listener.
fn path(address: &str) -> Result<String> {
    let url = reqwest::Url::parse(address).context("read a medium's address")?;
    ensure!(url.scheme() == "https", "{address} is not served over TLS");
    Ok(url.path().to_owned())
}

fn segment(path: &str) -> Result<&str> {
    path.split('/').nth(3).context("no segment")
}

/// One job's address with the other's object in it: the claims are a head of six bytes and the
/// object; what follows is the tag.
fn crossed(own: &str, other: &str) -> Result<String> {
    let base32 = base32()?;
    let mut token = base32.decode(segment(own)?.as_bytes()).context("decode a segment")?;
    let object = base32.decode(segment(other)?.as_bytes()).context("decode a segment")?;
    let places = token.get_mut(6..22).zip(object.get(6..22)).context("short segments")?;
    places.0.copy_from_slice(places.1);
    Ok(own.replacen(segment(own)?, &base32.encode(&token), 1))
}

/// The segment with an expiry an hour later.
fn later(segment: &str) -> Result<String> {
    let base32 = base32()?;
    let mut token = base32.decode(segment.as_bytes()).context("decode a segment")?;
    let expiry = token.get_mut(2..6).context("a short segment")?;
    let seconds = u32::from_be_bytes(<[u8; 4]>::try_from(&*expiry)?) + 3600;
    expiry.copy_from_slice(&seconds.to_be_bytes());
    Ok(base32.encode(&token))
}

async fn opened(api: &Api, path: &str) -> Result<()> {
    let answer = api.request(Method::GET, path).header("range", "bytes=0-2047").send().await?;
    ensure!(answer.status() == 206, "answered {}", answer.status());
    ensure!(answer.bytes().await?.len() == 2048, "a cut answer");
    Ok(())
}

async fn refused(api: &Api, path: &str, (status, word): (u16, &str)) -> Result<()> {
    for method in [Method::HEAD, Method::GET] {
        let answer = api.request(method.clone(), path).send().await?;
        let seen = answer.status();
        let text = answer.text().await?;
        ensure!(seen == status, "{method} was answered {seen} instead of {status}: {text}");
        ensure!(method == Method::HEAD || text.trim() == word, "refused as {text:?}");
    }
    Ok(())
}

/// What the jobs say they saw of their media.
async fn seen(api: &Api, held: &[(String, Follow)]) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for (job, _) in held {
        seen.push(
            api.job(job).await?.whole.get("evidence").map(ToString::to_string).unwrap_or_default(),
        );
    }
    Ok(seen)
}

async fn counted(api: &Api) -> Result<()> {
    let metrics = api.metrics().await?;
    for reason in ["expired", "signature", "malformed", "unknown_key", "not_found"] {
        let series = format!("media_signed_url_validation_failures_total{{reason=\"{reason}\"}}");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
        ensure!(value.is_some_and(|value| value.trim() != "0"), "{reason} was not counted");
    }
    Ok(())
}

/// The alphabet of media addresses.
fn base32() -> Result<Encoding> {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().context("make a base32 encoding")
}
