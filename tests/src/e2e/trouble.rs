//! Trouble before anything is touched: the wrong machine, the wrong certificate, a busy server, a
//! database that is in use.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use shoal_redfish_mock::{Action, EffectKind, Ending, Rule, When};
use shoal_tests::{Follow, Machine, PATIENCE, linux_job};
use tokio::time::timeout;

use crate::{
    Group, PERSONAS, proof,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second, ..] = PERSONAS;
    vec![
        new(Group::Mock, first, "another machine behind the address is held", move |place| {
            wrong_machine(place, first)
        }),
        new(Group::Mock, second, "a wrong pin is a clear fault and can be mended", move |place| {
            wrong_pin(place, second)
        }),
        new(Group::Mock, first, "a server has one unfinished job", move |place| {
            one_job_at_a_time(place, first)
        }),
        new(Group::Kill, first, "a second controller on the database is refused", move |place| {
            second_controller(place, first)
        }),
    ]
}

fn new<F>(
    group: Group,
    persona: &'static str,
    name: &str,
    run: impl FnOnce(Place) -> F + Send + 'static,
) -> Scenario
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    Scenario::new(group, Some(persona), name, run)
}

/// Nothing of the machine changed but sessions.
fn check_untouched(machine: &Machine) -> Result<()> {
    let effects = machine.mock().journal().effects();
    let harmless = |kind| matches!(kind, EffectKind::Login | EffectKind::Logout);
    ensure!(effects.iter().all(|effect| harmless(effect.kind())), "the machine saw {effects:?}");
    Ok(())
}

async fn wrong_machine(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let right = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&right).await?;
    // The identity is recorded at the first look, which is over when media are built.
    follow.phase("power_off").await?;
    stage.api.cancel(&job).await?;
    follow.completed().await?;

    let wrong = stage.stranger(persona, "SN0002", host(Ending::Succeed)).await?;
    stage.api.put_server(right.serial(), &wrong.record()).await?.wants(200)?;
    let (job, follow) = stage.job(&right).await?;
    follow.phase("held").await?;
    let held = stage.api.job(&job).await?;
    ensure!(held.held.as_deref() == Some("operator_needed"), "{}", held.story());
    ensure!(
        held.whole.pointer("/fault/summary").is_some_and(serde_json::Value::is_string),
        "no fault"
    );
    check_untouched(&wrong)?;
    stage.api.tell(&job, "decide", &json!({"decision": "failed"})).await?.wants(202)?;
    follow.completed().await?;
    proof::failed(&stage.api, &job, "redfish.discover").await?;
    check_untouched(&wrong)?;
    stage.strike([right, wrong]).await
}

async fn wrong_pin(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.stranger(persona, "SN0001", host(Ending::Succeed)).await?;
    let stale = "0".repeat(64);
    stage.api.put_server("SN0001", &machine.record_pinned_to(&stale)).await?.wants(201)?;
    let (job, follow) = stage.job(&machine).await?;
    follow.phase("held").await?;
    let held = stage.api.job(&job).await?;
    let fault = held.whole.get("fault").map(ToString::to_string).unwrap_or_default();
    ensure!(fault.contains("certificate"), "the fault does not name the certificate: {fault}");
    ensure!(machine.mock().journal().requests() == 0, "a request was sent to a wrong BMC");

    stage.api.put_server("SN0001", &machine.record()).await?.wants(200)?;
    stage.api.tell(&job, "decide", &json!({"decision": "retry"})).await?.wants(202)?;
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    stage.strike([machine]).await
}

async fn one_job_at_a_time(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let held = Rule::once(When::Intends(EffectKind::Insert), Action::HoldBefore);
    let held = machine.mock().faults().add(held);
    let request = linux_job(machine.serial())?;
    let accepted = stage.api.create_job_once(&request, "key-1").await?.wants(202)?;
    let job = accepted.get("job_id").and_then(|id| id.as_str()).context("no job id")?.to_owned();
    let follow = Follow::start(&stage.api, &job);
    timeout(PATIENCE, held.reached()).await.context("no medium was inserted")?;

    let again = stage.api.create_job_once(&request, "key-1").await?.wants(200)?;
    ensure!(again.get("job_id") == accepted.get("job_id"), "the key gave another job: {again}");
    let mut other = request.clone();
    if let Some(members) = other.as_object_mut() {
        members.insert("priority".to_owned(), json!(5));
    }
    let reused = stage.api.create_job_once(&other, "key-1").await?;
    ensure!(reused.status == 422, "a reused key was answered {}", reused.status);
    let second = stage.api.create_job_once(&request, "key-2").await?.refusal(409)?;
    ensure!(second == "conflict.active_job", "a second job was refused with {second}");
    let unknown = stage.api.create_job_once(&linux_job("SN-NOBODY")?, "key-3").await?;
    ensure!(unknown.status == 404, "an unknown server was answered {}", unknown.status);
    let path = format!("/servers/{}", machine.serial());
    let gone = stage.api.call(reqwest::Method::DELETE, &path, None).await?;
    ensure!(gone.status == 409, "a busy server could be deleted: {}", gone.status);

    held.release();
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    stage.strike([machine]).await
}

async fn second_controller(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.phase("build").await?;
    let refusal = stage.controller.rival().await?;
    ensure!(refusal.code == Some(69), "the second controller ended with {:?}", refusal.code);
    let holder = stage.controller.ready();
    for named in [holder.pid.to_string(), holder.instance.clone()] {
        ensure!(refusal.output.contains(&named), "{named} is not named in: {}", refusal.output);
    }
    // The first one did not notice.
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    stage.strike([machine]).await
}
