//! Linux jobs on mock machines: the good end, the bad ends that a machine causes, and an operator's
//! change of mind.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shoal_redfish_mock::{Action, EffectKind, Ending, Event, Part, Rule, Step, When};
use shoal_tests::Machine;

use crate::{
    Group, PERSONAS, proof,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for persona in PERSONAS.into_iter().take(2) {
        scenarios.extend([
            new(persona, "a Linux job installs the machine", move |place| success(place, persona)),
            new(persona, "a failing step is named and the machine stays off", move |place| {
                failing_step(place, persona)
            }),
            new(persona, "a job cancelled before boot never powers on", move |place| {
                cancel_before_boot(place, persona)
            }),
            new(persona, "a job cancelled after boot is cleaned up", move |place| {
                cancel_after_boot(place, persona)
            }),
        ]);
    }
    scenarios
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

async fn success(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    let job = proof::installed(&stage.api, &job, &machine, &follow).await?;
    for milestone in ["opened", "boot_image_read", "os_loading", "task_read", "payload"] {
        ensure!(
            job.evidence.milestones.contains_key(milestone),
            "no {milestone} among {:?}",
            job.evidence.milestones
        );
    }
    media_over_tls(&machine)?;
    host_did_its_part(&machine)?;
    media_was_ranged(&stage.api.metrics().await?)?;
    machine.check_sessions(1)?;
    let logins = machine.count(EffectKind::Login);
    ensure!((1..=3).contains(&logins), "{logins} sessions were opened for one job");
    ensure!(machine.count(EffectKind::PowerOn) == 2, "power went on more than twice");
    ensure!(machine.count(EffectKind::PowerOff) == 1, "power was cut more than once");
    stage.strike([machine]).await
}

/// Both media went in once, by addresses of TLS, and were not downloaded whole.
fn media_over_tls(machine: &Machine) -> Result<()> {
    let entries = machine.mock().journal().entries();
    let inserted: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.effects.iter().any(|effect| effect.kind() == EffectKind::Insert))
        .filter_map(|entry| entry.body.as_ref()?.get("Image").and_then(Value::as_str))
        .collect();
    ensure!(inserted.len() == 2, "inserted {inserted:?}");
    ensure!(inserted.iter().all(|url| url.starts_with("https://")), "inserted {inserted:?}");
    let events = machine.mock().events();
    let opened = events
        .iter()
        .filter(|moment| matches!(&moment.event, Event::MediumOpened { whole: false, .. }));
    ensure!(opened.count() == 2, "the BMC did not open both media by ranges");
    Ok(())
}

/// The host read what it booted, ran the dispatcher, and the reporter's word was taken.
fn host_did_its_part(machine: &Machine) -> Result<()> {
    let events = machine.mock().events();
    let happened = |what: &str, wanted: &dyn Fn(&Event) -> bool| {
        ensure!(events.iter().any(|moment| wanted(&moment.event)), "the host never {what}");
        Ok(())
    };
    for name in ["boot_image_read", "os_loading", "payload"] {
        let part = Part::Extent(name.to_owned());
        happened(name, &|event| matches!(event, Event::Read { part: it, .. } if *it == part))?;
    }
    happened(
        "found its task medium",
        &|event| matches!(event, Event::TaskMediumFound { label, .. } if label.starts_with("TASK_")),
    )?;
    happened("ran the dispatcher", &|event| *event == Event::Dispatched { code: Some(0) })?;
    happened("started the target", &|event| {
        *event == Event::TargetStarted("install-linux.target".to_owned())
    })?;
    happened("reported success", &|event| {
        *event == Event::Reported { status: "success", code: Some(0) }
    })
}

/// The controller counted HEAD answers and ranged reads of both media.
fn media_was_ranged(metrics: &str) -> Result<()> {
    for kind in ["boot", "task"] {
        for code in ["200", "206"] {
            let counted = metrics.lines().any(|line| {
                line.starts_with("media_requests_total{")
                    && line.contains(&format!("kind=\"{kind}\""))
                    && line.contains(&format!("code=\"{code}\""))
                    && !line.ends_with(" 0")
            });
            ensure!(counted, "no {code} was counted for the {kind} medium");
        }
    }
    Ok(())
}

async fn failing_step(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::FailAt(Step::ImageLinux))).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    proof::failed(&stage.api, &job, "workflow.image-linux").await?;
    proof::history(&stage.api, &job, &follow).await?;
    machine.check_off_and_clean()?;
    ensure!(machine.count(EffectKind::PowerOn) == 1, "a half-written disk was booted");
    stage.strike([machine]).await
}

async fn cancel_before_boot(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let rule = Rule::nth(When::Intends(EffectKind::Insert), 2, Action::HoldAfter);
    let held = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    tokio::time::timeout(shoal_tests::PATIENCE, held.reached())
        .await
        .context("the second medium was never inserted")?;
    stage.api.cancel(&job).await?;
    held.release();
    follow.completed().await?;
    let job = stage.api.job(&job).await?;
    ensure!(job.ended_as("cancelled"), "{}", job.story());
    ensure!(machine.count(EffectKind::PowerOn) == 0, "a cancelled job powered on");
    machine.check_off_and_clean()?;
    stage.strike([machine]).await
}

async fn cancel_after_boot(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::HangAt(Step::Partition))).await?;
    let (job, follow) = stage.job(&machine).await?;
    machine.wait_for(|event| *event == Event::StepStarted(Step::Partition)).await?;
    stage.api.cancel(&job).await?;
    follow.completed().await?;
    let job = stage.api.job(&job).await?;
    ensure!(job.ended_as("cancelled"), "{}", job.story());
    machine.check_off_and_clean()?;
    ensure!(machine.count(EffectKind::PowerOn) == 1, "a cancelled job was delivered");
    stage.strike([machine]).await
}
