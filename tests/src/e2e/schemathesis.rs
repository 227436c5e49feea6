//! The OpenAPI document against the running controller: schemathesis, which others wrote, reads the
//! document and tries thousands of requests that it allows and that it does not. No answer may be a
//! server error, or one that the document does not know.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use shoal_tests::{on_path, python_tools};
use tokio::{process::Command, time::timeout};

use crate::{
    Group,
    stage::Stage,
    suite::{Place, Scenario},
};

const PROGRAM: &str = "schemathesis";
/// What it tries and what it leaves out, each with the reason.
const CONFIGURATION: &str = include_str!("schemathesis/configuration.toml");
/// What it changes in its requests.
const HOOKS: &str = include_str!("schemathesis/hooks.py");
/// Longest run. It is bounded by numbers of requests, so only a stuck one takes longer.
const LONGEST: Duration = Duration::from_mins(28);
const FLEET_SECRET: &str = "fleet-secret-of-the-schema-scenario";
/// An administrator of the configuration: a token would be found in the list and revoked.
const USER: &str = "schema";
const PASSWORD: &str = "secret";
/// bcrypt of [`PASSWORD`].
const PASSWORD_HASH: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
/// Calls that the configuration leaves out as a whole.
const LEFT_OUT: usize = 2;

/// Whether the program can be started.
pub(crate) fn is_installed() -> bool {
    program().is_some()
}

fn program() -> Option<PathBuf> {
    let installed = python_tools().map(|tools| tools.join(PROGRAM)).filter(|path| path.is_file());
    on_path(PROGRAM).or(installed)
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let name = "schemathesis: nothing is answered that the OpenAPI document does not know";
    vec![Scenario::new(Group::Schema, None, name, run)]
}

async fn run(place: Place) -> Result<()> {
    // Without workers no job leaves the queue, so no address that was made up is connected to.
    let stage = Stage::set_with(&place, |mut config| {
        config.workers = 0;
        config
            .set("WEBHOOK_SECRET", FLEET_SECRET)
            .set("BASIC_USER", USER)
            .set("BASIC_PASS_HASH", PASSWORD_HASH)
            .set("TRUSTED_PROXIES", "127.0.0.1")
    })
    .await?;
    let answer = stage.api.request(Method::GET, "/api/v1/openapi.json").send().await?;
    let document: serde_json::Value = answer.json().await.context("read the document")?;
    let calls = calls(&document).context("count the calls of the document")?;
    let printed = asked(&stage, &place.directory).await?;
    let tested = format!("Tested: {}", calls - LEFT_OUT);
    ensure!(printed.contains(&tested), "it did not test {} calls:\n{printed}", calls - LEFT_OUT);
    // The login must have lasted: without it everything is refused and nothing is tested.
    let jobs = stage.api.get_as(USER, PASSWORD, "/jobs?limit=1").await?.wants(200)?;
    let made = jobs.pointer("/jobs/0/job_id").is_some();
    ensure!(made, "not one job was made by all the requests for jobs");
    stage.strike([]).await
}

/// How many calls the document has, but for HEAD, which schemathesis does not try.
fn calls(document: &serde_json::Value) -> Option<usize> {
    let paths = document.get("paths")?.as_object()?;
    let items = paths.values().filter_map(serde_json::Value::as_object);
    Some(items.flat_map(serde_json::Map::keys).filter(|method| *method != "head").count())
}

/// Runs schemathesis to its end and gives what it printed.
async fn asked(stage: &Stage, directory: &Path) -> Result<String> {
    let program = program().context("schemathesis is missing: cargo xtask test --stage setup")?;
    let configuration = directory.join("schemathesis.toml");
    fs::write(&configuration, CONFIGURATION).context("write the configuration")?;
    fs::write(directory.join("hooks.py"), HOOKS).context("write the hooks")?;
    let report = directory.join("schemathesis.log");
    let output = File::create(&report).context("make the report")?;
    let ready = stage.controller.ready();
    let mut child = Command::new(program)
        .arg("--config-file")
        .arg(&configuration)
        .args(["run", &format!("{}/api/v1/openapi.json", ready.api.trim_end_matches('/'))])
        .arg("--tls-verify")
        .arg(&ready.ca_file)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("NO_PROXY", "*")
        .env("PYTHONPATH", directory)
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("SHOAL_USER", USER)
        .env("SHOAL_PASSWORD", PASSWORD)
        .env("SHOAL_WEBHOOK_SECRET", FLEET_SECRET)
        .stdin(Stdio::null())
        .stdout(output.try_clone().context("share the report")?)
        .stderr(output)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("start schemathesis")?;
    let ended = timeout(LONGEST, child.wait()).await.context("schemathesis did not end")?;
    let printed = fs::read_to_string(&report).context("read the report")?;
    let status = ended.context("wait for schemathesis")?;
    ensure!(status.success(), "schemathesis found something ({status}):\n{printed}");
    Ok(printed)
}
