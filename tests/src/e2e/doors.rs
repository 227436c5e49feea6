//! The doors of a running controller: who did what through them, which media addresses open, and
//! what an administrator changes while jobs are under way: the configuration, the certificate, the
//! keys. Nothing of it may cost a machine its report or its media.

mod audit;
mod media;

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{Ending, Event};

use crate::{
    Group, PERSONAS,
    gate::Gate,
    medium, proof,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second, ..] = PERSONAS;
    vec![
        Scenario::new(
            Group::Doors,
            None,
            "a reload takes over all of a configuration or nothing",
            all_or_nothing,
        ),
        Scenario::new(
            Group::Doors,
            Some(first),
            "keys are replaced and a certificate exchanged while a machine is installed",
            move |place| under_way(place, first),
        ),
        Scenario::new(
            Group::Doors,
            Some(second),
            "a revoked secret in the environment is refused at start",
            move |place| revoked(place, second),
        ),
        Scenario::new(
            Group::Doors,
            None,
            "every call that changes something leaves its entry in the audit log",
            audit::run,
        ),
        Scenario::new(
            Group::Doors,
            Some(first),
            "a media address opens its own medium, in its own time",
            move |place| media::run(place, first),
        ),
    ]
}

fn keys(body: &Value) -> Vec<&str> {
    let changed = body.get("changed").and_then(Value::as_array);
    let keys = changed.into_iter().flatten().filter_map(|it| it.get("key"));
    keys.filter_map(Value::as_str).collect()
}

async fn all_or_nothing(place: Place) -> Result<()> {
    let mut stage = Stage::set(&place).await?;
    let before = fs::read_to_string(stage.controller.directory().join("shoal.toml"))
        .context("read the configuration")?;
    let reload = |query: &'static str| {
        let api = stage.api.clone();
        async move { api.post(&format!("/admin/reload{query}"), &json!({})).await }
    };
    let same = reload("").await?.wants(200)?;
    ensure!(keys(&same).is_empty(), "nothing changed, and it says {same}");

    let other =
        format!("max_active_jobs = 77\n{}", before.replace("look = \"1s\"", "look = \"2s\""));
    stage.controller.write_file(&other)?;
    let looked = reload("?dry_run=true").await?.wants(200)?;
    ensure!(keys(&looked).contains(&"MAX_ACTIVE_JOBS"), "{looked}");
    ensure!(keys(&looked).contains(&"budgets.linux.look"), "{looked}");
    let taken = reload("").await?.wants(200)?;
    ensure!(keys(&taken) == keys(&looked), "{taken} was {looked}");
    let again = reload("").await?.wants(200)?;
    ensure!(keys(&again).is_empty(), "taken over twice: {again}");

    for (text, key) in [
        (format!("max_active_jobs = 0\n{before}"), "MAX_ACTIVE_JOBS"),
        (format!("max_activ_jobs = 7\n{before}"), "MAX_ACTIV_JOBS"),
        (format!("users_file = \"/nowhere/users\"\nmax_active_jobs = 7\n{before}"), "USERS_FILE"),
        (format!("redfish_insecure = true\nmax_active_jobs = 7\n{before}"), "REDFISH_INSECURE"),
        ("no toml".to_owned(), "shoal.toml"),
    ] {
        stage.controller.write_file(&text)?;
        let refused = reload("").await?.wants(409)?;
        ensure!(refused.to_string().contains(key), "{key} is not in {refused}");
        let told = stage.controller.hang_up().await?;
        ensure!(!told.starts_with("reloaded"), "{key}: {told}");
    }
    stage.controller.write_file(&before)?;
    let told = stage.controller.hang_up().await?;
    ensure!(told.contains("MAX_ACTIVE_JOBS"), "nothing of the refused ones is in force: {told}");
    let changes = stage.api.get("/admin/changes?since=1h").await?.wants(200)?;
    let kinds = changes.to_string().matches("\"reload\"").count();
    ensure!(kinds == 4, "{kinds} reloads are noted: {changes}");
    stage.strike([]).await
}

/// A certificate nobody under way knows, as an operator would bring it.
async fn foreign(directory: &Path) -> Result<[String; 2]> {
    let [cert, key] =
        ["cert.pem", "key.pem"].map(|name| directory.join(name).display().to_string());
    let words = format!(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=127.0.0.1 \
         -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    );
    let words: Vec<&std::ffi::OsStr> = words.split(' ').map(AsRef::as_ref).collect();
    medium::run(Path::new("openssl"), &words).await?;
    Ok([cert, key])
}

async fn under_way(place: Place, persona: &'static str) -> Result<()> {
    let gate = Gate::shut(&place)?;
    let stage = Stage::set(&place).await?.behind(&gate);
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    machine.wait_for(|event| matches!(event, Event::Dispatched { .. })).await?;

    for purpose in ["media", "webhook_token"] {
        let path = format!("/admin/secrets/{purpose}");
        stage.api.post(&path, &json!({})).await?.wants(201)?;
        let former = format!("{path}/1");
        let used = stage.api.delete(&former).await?.refusal(409)?;
        ensure!(used == "conflict.key_in_use", "{purpose}: {used}");
    }
    let [cert, key] = foreign(&place.directory).await?;
    let file = stage.controller.directory().join("shoal.toml");
    let before = fs::read_to_string(&file).context("read the configuration")?;
    stage
        .controller
        .write_file(&format!("tls_cert_file = \"{cert}\"\ntls_key_file = \"{key}\"\n{before}"))?;
    let refused = stage.api.post("/admin/reload", &json!({})).await?.wants(409)?;
    ensure!(refused.to_string().contains(&job), "the job is not named: {refused}");
    stage.controller.write_file(&before)?;

    gate.open()?;
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    for purpose in ["media", "webhook_token"] {
        stage.api.delete(&format!("/admin/secrets/{purpose}/1")).await?.wants(204)?;
    }
    stage
        .controller
        .write_file(&format!("tls_cert_file = \"{cert}\"\ntls_key_file = \"{key}\"\n{before}"))?;
    let taken = stage.api.post("/admin/reload", &json!({})).await?.wants(200)?;
    ensure!(keys(&taken).contains(&"TLS_CERT_FILE"), "{taken}");
    stage.strike([machine]).await
}

async fn revoked(place: Place, _: &'static str) -> Result<()> {
    let secret = "a-fleet-secret-that-leaks";
    let mut stage = Stage::set_with(&place, |config| config.set("WEBHOOK_SECRET", secret)).await?;
    stage.api.post("/admin/secrets/fleet_webhook", &json!({})).await?.wants(201)?;
    stage.api.delete("/admin/secrets/fleet_webhook/1").await?.wants(204)?;
    let refused = stage.api.post("/admin/reload", &json!({})).await?.wants(409)?;
    ensure!(refused.to_string().contains("WEBHOOK_SECRET"), "{refused}");
    stage.controller.kill().await?;
    let refused = stage.controller.restart().await;
    let said = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(said.contains("revoked"), "it started, or said {said}");
    ensure!(!said.contains(secret), "the refusal shows the secret");
    Ok(())
}
