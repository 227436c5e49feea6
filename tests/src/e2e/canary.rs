//! Every secret of a run is searched for wherever it must not be: answers, logs, events, metrics,
//! exported spans, the database and its backups, task media after their job's end, what is printed past
//! the log, and everything that somebody who asks for support would send.

mod search;
mod support;

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{Action, EffectKind, Ending, Rule, When};
use shoal_tests::{Answer, Api, Collector, Machine, Mood, linux_job};

use self::search::{Searched, Secret, holds, search, sings};
use crate::{
    Group, PERSONAS,
    gate::Gate,
    medium, proof, reports,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

const FLEET: &str = "canary-fleet-secret-4f1b8c2d";
const SIGNING: &str = "canary-signing-secret-9e7a3b60";
const ROTATED: &str = "canary-rotated-secret-77c0d1e2";
const USER_DATA: &str = "canary-user-data-5a6b7c8d";
const UNATTEND: &str = "canary-unattend-3e2d1c0b";
const KICKSTART: &str = "canary-kickstart-7b8c9d0e";
const WRONG_PASSWORD: &str = "canary-wrong-password-1f2e3d4c";
const WRONG_TOKEN: &str = "canary-wrong-token-8d9c0b1a";
const IN_A_BAD_BODY: &str = "canary-in-a-bad-body-6e5f4a3b";
const IN_A_PATH: &str = "canaryinapath2b3c4d5e";
const REGISTRY_PASSWORD: &str = "canary-registry-password-2d3e4f5a";
const WRONG_REGISTRY_PASSWORD: &str = "canary-wrong-registry-password-6b7c8d9e";

/// `crypt` of libxcrypt made this of `secret`.
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
/// `crypt` of libxcrypt made this of the registry's password.
const REGISTRY_HASH: &str = "$2y$05$abcdefghijklmnopqrstuu1vosB/0TdJeXAT5EOkbVaoaOhjLEkfy";
/// The reference implementation of Argon2 made this of `password`.
const OTHER_HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [_, persona, ..] = PERSONAS;
    vec![Scenario::new(
        Group::Canary,
        Some(persona),
        "no secret of a run is found where it must not be",
        move |place| nothing_sings(place, persona),
    )]
}

async fn nothing_sings(place: Place, persona: &'static str) -> Result<()> {
    let directory = place.directory.join("controller");
    fs::create_dir_all(&directory).context("make a directory")?;
    let (users, registry_users) = (directory.join("users"), directory.join("registry-users"));
    fs::write(&users, format!("olga:{OTHER_HASH}:operator\n")).context("write the accounts")?;
    fs::write(&registry_users, format!("rita:{REGISTRY_HASH}\n")).context("write the users")?;
    let collector = Collector::start(Mood::Takes).await?;
    let gate = Gate::shut(&place)?;
    let mut stage = Stage::set_with(&place, |config| {
        config
            .set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .set("WEBHOOK_SECRET", FLEET)
            .set("SIGNED_URL_SECRET", SIGNING)
            .set("BASIC_USER", "ops")
            .set("BASIC_PASS_HASH", HASH)
            .set("USERS_FILE", users.display().to_string())
            .set("REGISTRY_USERS_FILE", registry_users.display().to_string())
            .set("BACKUP_INTERVAL", "1s")
            .set("LOG_LEVEL", "debug")
    })
    .await?
    .behind(&gate);
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let mut answers = Vec::new();
    let mut secrets = given(&stage, &machine)?;
    secrets.extend(made(&stage.api, &mut answers).await?);

    let mut request = linux_job(machine.serial())?;
    let recipe = request.pointer_mut("/recipe").and_then(Value::as_object_mut);
    recipe.context("the request has no recipe")?.extend([
        ("oci_url".to_owned(), json!(support::artifact(&stage.controller))),
        ("user_data".to_owned(), json!(format!("#cloud-config\n# {USER_DATA}\n"))),
        ("unattend_xml".to_owned(), json!(format!("<unattend><!-- {UNATTEND} --></unattend>"))),
        ("ks_cfg".to_owned(), json!(format!("# {KICKSTART}\nreboot\n"))),
    ]);
    let job = stage.api.create_job(&request).await?;
    let follow = shoal_tests::Follow::start(&stage.api, &job);
    let token = reports::token(&machine).await?;
    secrets.push(Secret::new("the job's token", token.trim()));
    let address = medium::address(&machine)?;
    let signed = address.split('/').rev().nth(1).context("a media address without a token")?;
    secrets.push(Secret::new("the token of a media address", signed));
    let pull = support::pull_token(&machine).await?;
    support::pull(&stage.api, &pull, &mut answers).await?;
    secrets.push(Secret::new("the job's pull token", pull));
    refused(&stage.api, machine.serial(), &mut answers).await?;
    gate.open()?;
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;

    let failed = failing(&stage, &machine, &mut answers).await?;
    asked(&stage.api, &job, machine.serial(), &mut answers).await?;
    support::asked(&stage, &place, [&job, &failed], &mut answers).await?;
    support::backed_up(&mut stage, &failed).await?;
    for secret in &secrets {
        for (place, answer) in &answers {
            ensure!(!sings(answer.as_bytes(), secret), "{place} tells {}", secret.name);
        }
    }
    let directory = stage.controller.directory().to_owned();
    stage.strike([machine]).await?;
    let told = collector.told();
    ensure!(told.spans.iter().any(|span| span.name == "job.run"), "the job is in no trace");
    ensure!(holds(&told.bytes, b"SN0001"), "the search of what was exported finds nothing");
    for secret in &secrets {
        ensure!(!sings(&told.bytes, secret), "a span holds {}", secret.name);
    }
    let mut searched = Searched::default();
    search(&directory, &directory, &secrets, &mut searched)?;
    ensure!(searched.control > 1, "the search itself finds nothing: {searched:?}");
    let all = searched.database && searched.log && searched.printed && searched.backups > 0;
    ensure!(all, "not everything was searched: {searched:?}");
    Ok(())
}

/// What the test chose, and what the first start made.
fn given(stage: &Stage, machine: &Machine) -> Result<Vec<Secret>> {
    let ready = stage.controller.ready();
    let admin = fs::read_to_string(&ready.admin_token_file).context("read the first token")?;
    let seal = stage.controller.directory().join("storage/secrets/seal.key");
    let seal = fs::read_to_string(seal).context("read the sealing key")?;
    let tail = |hash: &str| hash.chars().skip(hash.len() - 24).collect::<String>();
    Ok(vec![
        Secret::new("the fleet secret", FLEET),
        Secret::new("the signing secret", SIGNING),
        Secret::new("the rotated fleet secret", ROTATED),
        Secret::new("the user data", USER_DATA),
        Secret::new("the answer file", UNATTEND),
        Secret::new("the kickstart file", KICKSTART),
        Secret::new("a wrong password", WRONG_PASSWORD),
        Secret::new("a wrong token", WRONG_TOKEN),
        Secret::new("a member of a refused body", IN_A_BAD_BODY),
        Secret::new("a media path", IN_A_PATH),
        Secret::new("the password of a user of the registry", REGISTRY_PASSWORD),
        Secret::new("a wrong password of the registry", WRONG_REGISTRY_PASSWORD),
        Secret::new("a password hash", tail(HASH)),
        Secret::new("a password hash of the registry", tail(REGISTRY_HASH)),
        Secret::new("a password hash of the file", tail(OTHER_HASH)),
        Secret::new("the BMC's password", machine.password()),
        Secret::new("the first administrator's token", admin.trim()),
        Secret::new("the sealing key", seal.trim()),
    ])
}

/// Secrets the controller makes and shows once; answers that show them are not searched.
async fn made(api: &Api, answers: &mut Vec<(String, String)>) -> Result<Vec<Secret>> {
    let text = |answer: &Value, name: &str| {
        answer.get(name).and_then(Value::as_str).map(ToOwned::to_owned)
    };
    let body = json!({"name": "ci", "role": "reader"});
    let token = api.post("/admin/tokens", &body).await?.wants(201)?;
    let token = text(&token, "token").context("no token was shown")?;
    api.get_with(&token, "/jobs").await?.wants(200)?;
    let drawn = api.post("/admin/secrets/fleet_webhook", &json!({})).await?.wants(201)?;
    let drawn = text(&drawn, "value").context("no secret was shown")?;
    let set = api.post("/admin/secrets/fleet_webhook", &json!({"value": ROTATED})).await?;
    answers.push(("the answer to a new secret".to_owned(), set.wants(201)?.to_string()));
    let media = api.post("/admin/secrets/media", &json!({})).await?;
    answers.push(("the answer to a new media key".to_owned(), media.wants(201)?.to_string()));
    Ok(vec![Secret::new("an API token", token), Secret::new("a drawn fleet secret", drawn)])
}

/// Calls that carry secrets and are refused.
async fn refused(api: &Api, serial: &str, answers: &mut Vec<(String, String)>) -> Result<()> {
    let login = api.get_as("ops", WRONG_PASSWORD, "/jobs").await?;
    let token = api.get_with(WRONG_TOKEN, "/jobs").await?;
    let report = api.report(serial, WRONG_TOKEN, &json!({"status": "success"})).await?;
    let bad = json!({"server_serial": serial, "recipe": {"user_data": IN_A_BAD_BODY, "x": IN_A_BAD_BODY}});
    let body = api.post("/jobs", &bad).await?;
    for (name, answer, status) in [
        ("a wrong password", login, 401),
        ("a wrong API token", token, 401),
        ("a wrong report token", report, 403),
        ("a bad body", body, 400),
    ] {
        answers.push((format!("the answer to {name}"), Answer::wants(answer, status)?.to_string()));
    }
    let path = format!("/media/t/{IN_A_PATH}/task.iso");
    answers.push(("the answer to a bad media path".to_owned(), api.text_at(&path).await?));
    Ok(())
}

/// A job whose media are refused, and what is kept of what was said then; the job.
async fn failing(
    stage: &Stage,
    machine: &Machine,
    answers: &mut Vec<(String, String)>,
) -> Result<String> {
    let refusal = Action::Status {
        code: 400,
        message_id: "Base.1.8.GeneralError".to_owned(),
        retry_after: None,
    };
    machine.mock().faults().add(Rule::always(When::Intends(EffectKind::Insert), refusal));
    let (job, follow) = stage.job(machine).await?;
    follow.completed().await?;
    let path = format!("/jobs/{job}/transcripts");
    let told = stage.api.get(&path).await?.wants(200)?.to_string();
    ensure!(told.contains("redfish.mount.task") && told.contains("InsertMedia"), "{told}");
    ensure!(told.contains("Sessions"), "the login is not among what was said: {told}");
    ensure!(!told.contains("/media/"), "{path} tells the path of a medium");
    answers.push((path, told));
    Ok(job)
}

/// Everything that can be asked afterwards.
async fn asked(
    api: &Api,
    job: &str,
    serial: &str,
    answers: &mut Vec<(String, String)>,
) -> Result<()> {
    let paths = [
        format!("/jobs/{job}"),
        format!("/jobs/{job}/events?limit=500"),
        "/jobs".to_owned(),
        format!("/servers/{serial}"),
        "/servers".to_owned(),
        "/admin/tokens".to_owned(),
        "/admin/secrets".to_owned(),
        "/admin/changes?since=1d".to_owned(),
        "/admin/audit?limit=500".to_owned(),
        "/bmc/learned".to_owned(),
    ];
    for path in paths {
        let answer = api.get(&path).await?.wants(200)?;
        answers.push((path, answer.to_string()));
    }
    let reload = api.post("/admin/reload?dry_run=true", &json!({})).await?.wants(200)?;
    answers.push(("a reload".to_owned(), reload.to_string()));
    answers.push(("/metrics".to_owned(), api.metrics().await?));
    Ok(())
}
