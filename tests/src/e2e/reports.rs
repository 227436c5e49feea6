//! What machines say, or fail to say: late, twice, never, and a machine that goes off instead.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{EffectKind, Ending, Event, Step};

use crate::{
    Group, PERSONAS, proof,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second] = PERSONAS;
    vec![
        new(first, "a machine that never reports fails at the deadline", move |place| {
            never_reports(place, first)
        }),
        new(second, "a machine that goes off before reporting fails at once", move |place| {
            goes_off(place, second)
        }),
        new(second, "a machine that restarts during the install is held", move |place| {
            boots_again(place, second)
        }),
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
    let stage = Stage::set_with(&place, |config| {
        config.budget("stuck", 5).budget("report", 8).budget("provisioning", 120)
    })
    .await?;
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
async fn boots_again(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set_with(&place, |config| {
        config.budget("stuck", 5).budget("report", 12).budget("provisioning", 120)
    })
    .await?;
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
async fn token(machine: &shoal_tests::Machine) -> Result<String> {
    let path = machine.maintenance_root().await?.join("run/provision/webhook-token");
    machine.wait_for(|event| matches!(event, Event::Dispatched { .. })).await?;
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

async fn repeated_reports(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::ReportTwice)).await?;
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
    follow.completed().await?;
    let late = json!({"status": "success", "delivery_id": "late-1"});
    let answer = says(late.clone()).await?;
    ensure!(answer.to_string().contains("ignored"), "a late report was answered {answer}");
    let answer = says(late).await?;
    let word = answer.to_string();
    ensure!(word.contains("duplicate"), "a repeated report was answered {answer}");
    let wrong = stage.api.report(machine.serial(), "nobody-s-token", &contradicts).await?;
    ensure!(wrong.status == 403, "a wrong token was answered {}", wrong.status);
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    let events = stage.api.events(&job).await?;
    let outcomes = events.iter().filter(|event| event.kind == "outcome").count();
    ensure!(outcomes == 1, "{outcomes} outcomes were recorded");
    stage.strike([machine]).await
}

/// A valid token cannot be had before power-on, except by who reads the medium early; another job's
/// token and none at all are what a network can send at any time.
async fn too_early(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    let success = json!({"status": "success"});
    let wrong = stage.api.report(machine.serial(), "guess", &success).await?;
    ensure!(wrong.status == 403, "a guessed token was answered {}", wrong.status);
    let nobody = stage.api.report("SN-NOBODY", "guess", &success).await?;
    ensure!(
        matches!(nobody.status, 403 | 404),
        "a report for an unknown machine was answered {}",
        nobody.status
    );
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    ensure!(machine.count(EffectKind::PowerOn) == 2, "a guessed report moved the job");
    stage.strike([machine]).await
}
