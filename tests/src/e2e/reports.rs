//! What machines say, or fail to say: late, twice, never, and a machine that goes off instead.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{Action, EffectKind, Ending, Event, Rule, Step, When};
use shoal_tests::PATIENCE;
use tokio::time::timeout;

use crate::{
    Group, PERSONAS, medium, proof,
    stage::{Stage, host, reached},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second, ..] = PERSONAS;
    vec![
        new(first, "a machine that never reports fails at the deadline", move |place| {
            never_reports(place, first)
        }),
        new(second, "a machine that goes off before reporting fails at once", move |place| {
            goes_off(place, second)
        }),
        new(
            second,
            "a power failure during the install does not boot the installer again",
            move |place| power_fails(place, second),
        ),
        new(first, "repeated, contradicting and late reports change nothing", move |place| {
            repeated_reports(place, first)
        }),
        new(second, "a report before its time is refused", move |place| too_early(place, second)),
    ]
}

fn new<F>(
    persona: &'static str,
    name: &str,
    run: impl FnOnce(Place) -> F + Send + 'static,
) -> Scenario
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    Scenario::new(Group::Mock, Some(persona), name, run)
}

async fn never_reports(place: Place, persona: &'static str) -> Result<()> {
    let stage =
        Stage::set_with(&place, |config| config.budget("stuck", 5).budget("report", 8)).await?;
    let machine = stage.machine(persona, host(Ending::NeverReport)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    proof::failed(&stage.api, &job, "webhook.wait").await?;
    machine.check_off_and_clean()?;
    stage.strike([machine]).await
}

async fn goes_off(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::PowerOffAt(Step::ImageLinux))).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    let job = proof::failed(&stage.api, &job, "webhook.wait").await?;
    let message = job.message.unwrap_or_default();
    ensure!(message.contains("off"), "the message does not say what happened: {message}");
    machine.check_off_and_clean()?;
    stage.strike([machine]).await
}

/// Mains power fails and returns: the one-time boot is used up and the disk is empty, so the host
/// ends without anything to boot, stays on, and never reports.
async fn power_fails(place: Place, persona: &'static str) -> Result<()> {
    // By then power has long been back, or its return would come after the cleanup.
    let stage =
        Stage::set_with(&place, |config| config.budget("stuck", 5).budget("report", 40)).await?;
    let outage = Ending::LosePowerAt(Step::Partition, Duration::from_secs(10));
    let machine = stage.machine(persona, host(outage)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    proof::failed(&stage.api, &job, "webhook.wait").await?;
    machine.check_off_and_clean()?;
    ensure!(
        machine.boots_from(shoal_redfish_mock::BootFrom::BootMedium) == 1,
        "the installer was booted again"
    );
    stage.strike([machine]).await
}

/// The token that the dispatcher took from the task medium.
pub(crate) async fn token(machine: &shoal_tests::Machine) -> Result<String> {
    let path = machine.maintenance_root().await?.join("run/provision/webhook-token");
    machine.wait_for(|event| matches!(event, Event::Dispatched { .. })).await?;
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

async fn repeated_reports(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::ReportTwice)).await?;
    // The job is not over until it has switched the machine off.
    let rule = Rule::once(When::Intends(EffectKind::PowerOff), Action::HoldBefore);
    let held = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    let token = token(&machine).await?;
    let says = |report: Value| {
        let (api, serial, token) = (&stage.api, machine.serial(), &token);
        async move { api.report(serial, token, &report).await?.wants(200) }
    };
    follow.phase("settle").await?;
    let contradicts = json!({"status": "failed", "failed_step": "workflow.partition"});
    let answer = says(contradicts.clone()).await?;
    ensure!(answer.to_string().contains("ignored"), "a contradiction was answered {answer}");
    let wrong = stage.api.report(machine.serial(), "nobody-s-token", &contradicts).await?;
    ensure!(wrong.status == 403, "a wrong token was answered {}", wrong.status);
    reached(&held).await?;
    ensure!(held.release(), "nothing was held");
    follow.completed().await?;
    let late = json!({"status": "success", "delivery_id": "late-1"});
    let answer = says(late.clone()).await?;
    ensure!(answer.to_string().contains("ignored"), "a late report was answered {answer}");
    let answer = says(late).await?;
    let word = answer.to_string();
    ensure!(word.contains("duplicate"), "a repeated report was answered {answer}");
    let wrong = stage.api.report(machine.serial(), "nobody-s-token", &contradicts).await?;
    ensure!(wrong.status == 404, "no job is left, and a wrong token got {}", wrong.status);
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    let events = stage.api.events(&job).await?;
    let outcomes = events.iter().filter(|event| event.kind == "outcome").count();
    ensure!(outcomes == 1, "{outcomes} outcomes were recorded");
    stage.strike([machine]).await
}

/// Whoever reads the task medium as soon as it is in has a valid token before power-on.
async fn too_early(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let rule = Rule::once(When::Intends(EffectKind::BootOnce), Action::HoldBefore);
    let held = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    timeout(PATIENCE, held.reached()).await.context("no boot override was set")?;

    let token = medium::token(&stage.api, &machine, &place.directory).await?;
    let success = json!({"status": "success"});
    let early = stage.api.report(machine.serial(), &token, &success).await?.refusal(409)?;
    ensure!(early == "webhook.unexpected", "an early report was refused with {early}");
    let guess = stage.api.report(machine.serial(), "guess", &success).await?;
    ensure!(guess.status == 403, "a guessed token was answered {}", guess.status);
    let nobody = stage.api.report("SN-NOBODY", "guess", &success).await?;
    ensure!(nobody.status == 404, "an unknown machine's report was answered {}", nobody.status);
    held.release();
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    stage.strike([machine]).await
}
