//! What carries secrets beside the API, and what somebody who asks for support would send: the
//! registry's logins, the command line's output in both forms, the configuration as it is checked, and
//! a backup.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use shoal_redfish_mock::Event;
use shoal_tests::{Api, Controller, Machine, PATIENCE};
use tokio::{process::Command, time::timeout};

use super::{REGISTRY_PASSWORD, WRONG_REGISTRY_PASSWORD, search::holds};
use crate::{stage::Stage, suite::Place};

/// Between two looks for a backup.
const PAUSE: Duration = Duration::from_millis(100);

/// What the job installs, in the controller's own registry: only then its machine gets a token.
pub(super) fn artifact(controller: &Controller) -> String {
    let host = controller.ready().api.trim_start_matches("https://").trim_end_matches('/');
    format!("oci://{host}/os-images/debian:13")
}

/// The pull token that the dispatcher took from the task medium.
pub(super) async fn pull_token(machine: &Machine) -> Result<String> {
    let path = machine.maintenance_root().await?.join("run/provision/registry-token");
    machine.wait_for(|event| matches!(event, Event::Dispatched { .. })).await?;
    let token = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    ensure!(token.trim().len() > 20, "this is no token");
    Ok(token.trim().to_owned())
}

/// The registry is asked with a password that is right, one that is wrong, and a pull token.
pub(super) async fn pull(
    api: &Api,
    token: &str,
    answers: &mut Vec<(String, String)>,
) -> Result<()> {
    for (user, password, path, known) in [
        ("rita", REGISTRY_PASSWORD, "/v2/", &[200][..]),
        ("rita", WRONG_REGISTRY_PASSWORD, "/v2/", &[401]),
        // The artifact is not there; once the job is over, neither is the right to ask for it.
        ("job", token, "/v2/os-images/debian/manifests/13", &[404, 401]),
    ] {
        let asked = api.request(Method::GET, path).basic_auth(user, Some(password)).send().await?;
        let status = asked.status().as_u16();
        ensure!(known.contains(&status), "{user} is answered {status} for {path}");
        answers.push((format!("the registry's answer to {user}"), asked.text().await?));
    }
    Ok(())
}

/// Everything that the programs print about the installation and these jobs: one that succeeded, and
/// one that failed.
pub(super) async fn asked(
    stage: &Stage,
    place: &Place,
    [job, failed]: [&str; 2],
    answers: &mut Vec<(String, String)>,
) -> Result<()> {
    let (show, watch) = (format!("jobs show {job} --events"), format!("jobs watch {job}"));
    let (show_failed, transcript) =
        (format!("jobs show {failed} --events"), format!("jobs transcript {failed}"));
    for words in [
        &*show,
        &watch,
        &show_failed,
        &transcript,
        "jobs list",
        "servers list",
        "servers show SN0001",
        "bmc learned",
        "registry usage",
        "registry list",
        "registry uploads",
        "secrets list",
        "tokens list",
        "audit",
        "changes",
        "drain status",
        "config reload --dry-run",
    ] {
        for form in ["table", "json"] {
            let printed = shoal(stage, place, words, form).await?;
            answers.push((format!("shoal {words} --output {form}"), printed));
        }
    }
    let checked = stage.controller.checked_configuration().await?;
    ensure!(checked.contains("WEBHOOK_SECRET"), "the configuration is not told: {checked}");
    answers.push(("shoal-controller config check".to_owned(), checked));
    Ok(())
}

async fn shoal(stage: &Stage, place: &Place, words: &str, form: &str) -> Result<String> {
    let ready = stage.controller.ready();
    let output = Command::new(&place.programs.cli)
        .args(words.split(' '))
        .args(["--output", form])
        .env_clear()
        .env("SHOAL_URL", &ready.api)
        .env("SHOAL_CA", &ready.ca_file)
        .env("SHOAL_TOKEN_FILE", &ready.admin_token_file)
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.context("shoal does not end")?;
    let output = output.context("start shoal")?;
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    ensure!(output.status.success(), "shoal {words}: {}\n{out}{err}", output.status);
    Ok(format!("{out}{err}"))
}

/// Starts the controller again, which then makes the backup that is due, and waits for one that holds
/// a job.
pub(super) async fn backed_up(stage: &mut Stage, job: &str) -> Result<()> {
    stage.controller.pause().await?;
    stage.controller.restart().await?;
    let backups = stage.controller.directory().join("storage/backups");
    let wait = async {
        while !kept(&backups, job.as_bytes())? {
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, wait).await.context("no backup holds the job")?
}

fn kept(backups: &Path, job: &[u8]) -> Result<bool> {
    for entry in fs::read_dir(backups).context("list the backups")? {
        let path = entry.context("list the backups")?.path();
        // What is not ended yet has another name, and may be gone by now.
        let whole = path.extension().is_some_and(|extension| extension == "db");
        if whole && fs::read(&path).is_ok_and(|bytes| holds(&bytes, job)) {
            return Ok(true);
        }
    }
    Ok(false)
}
