//! A controller that was away for hours, and one whose clock is set while jobs are under way. Its
//! machines know nothing of either.

use std::future::Future;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shoal_redfish_mock::{Action, EffectKind, Ending, Event, Rule, Step, When};
use shoal_tests::{Follow, Job, Moves, Shift};

use crate::{
    Group, PERSONAS,
    gate::Gate,
    proof,
    stage::{Stage, host, reached},
    suite::{Place, Scenario},
};

/// Longer than a Linux job may take to report.
const HOURS: i64 = 3 * 3600;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second, third, ..] = PERSONAS;
    vec![
        new(first, "a controller away for three hours goes on with what is left", move |place| {
            away(place, first)
        }),
        new(second, "the clock is set back and forth while a machine installs", move |place| {
            stepped(place, second)
        }),
        new(third, "the clock is set forth while media go in", move |place| {
            stepped_in_command(place, third)
        }),
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
    Scenario::new(Group::Fault, Some(persona), name, run)
}

fn deadline(job: &Job) -> Result<String> {
    let at = job.whole.get("deadline").and_then(Value::as_str);
    at.map(str::to_owned).with_context(|| format!("no deadline: {}", job.story()))
}

/// Nothing was counted against the job, and it went on to its end.
async fn check(stage: &Stage, job: &str, follow: &Follow) -> Result<()> {
    let events = stage.api.events(job).await?;
    let late = events.iter().find(|event| event.kind == "deadline_passed");
    ensure!(late.is_none(), "a deadline passed: {late:?}");
    let done = proof::succeeded(&stage.api, job, follow).await?;
    ensure!(done.attempt == 1, "{}", done.story());
    ensure!(done.whole.get("stuck") == Some(&Value::Bool(false)), "{}", done.whole);
    Ok(())
}

async fn away(place: Place, persona: &'static str) -> Result<()> {
    let shift = Shift::new(&place.directory, Moves::Time)?;
    let gate = Gate::shut(&place)?;
    let mut stage = Stage::set_with(&place, |config| shift.on(config)).await?.behind(&gate);
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    machine.wait_for(|event| *event == Event::StepStarted(Step::ImageLinux)).await?;
    follow.phase("await_report").await?;
    let before = deadline(&stage.api.job(&job).await?)?;
    stage.controller.kill().await?;
    shift.to(HOURS)?;
    stage.controller.restart().await?;
    let resumed = follow.wait_for(|event| event.kind == "resumed").await?;
    let gap: i64 = resumed.get("gap_ms").unwrap_or_default().parse().context("no gap")?;
    ensure!((HOURS * 1000 - 10_000..HOURS * 1000 + 600_000).contains(&gap), "a gap of {gap} ms");
    let after = stage.api.job(&job).await?;
    ensure!(after.phase == "await_report" && deadline(&after)? > before, "{}", after.story());
    ensure!(after.whole.get("stuck") == Some(&Value::Bool(false)), "{}", after.whole);
    gate.open()?;
    follow.completed().await?;
    check(&stage, &job, &follow).await?;
    proof::provisioned(&machine, &stage.api.job(&job).await?).await?;
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

/// Waits until the job heard of a step of about so many seconds.
async fn heard(follow: &Follow, seconds: i64) -> Result<()> {
    let about = |event: &shoal_tests::Event| {
        let delta = event.get("delta_ms").and_then(|text| text.parse::<i64>().ok());
        event.kind == "clock_stepped"
            && delta.is_some_and(|delta| (delta - seconds * 1000).abs() < 60_000)
    };
    follow.wait_for(about).await.map(drop)
}

async fn stepped(place: Place, persona: &'static str) -> Result<()> {
    let shift = Shift::new(&place.directory, Moves::Wall)?;
    let gate = Gate::shut(&place)?;
    let stage = Stage::set_with(&place, |config| shift.on(config)).await?.behind(&gate);
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.phase("await_report").await?;
    let before = deadline(&stage.api.job(&job).await?)?;
    shift.to(HOURS)?;
    heard(&follow, HOURS).await?;
    let ahead = deadline(&stage.api.job(&job).await?)?;
    ensure!(ahead > before, "the deadline {before} did not move with the clock: {ahead}");
    shift.to(-HOURS)?;
    heard(&follow, -2 * HOURS).await?;
    let behind = deadline(&stage.api.job(&job).await?)?;
    ensure!(behind < before, "the deadline {ahead} did not move with the clock: {behind}");
    gate.open()?;
    follow.completed().await?;
    check(&stage, &job, &follow).await?;
    proof::provisioned(&machine, &stage.api.job(&job).await?).await?;
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

/// The command under way was issued on the old count, and its answer counts all the same.
async fn stepped_in_command(place: Place, persona: &'static str) -> Result<()> {
    let shift = Shift::new(&place.directory, Moves::Wall)?;
    let stage = Stage::set_with(&place, |config| shift.on(config)).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let rule = Rule::once(When::Intends(EffectKind::Insert), Action::HoldAfter);
    let held = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    reached(&held).await?;
    shift.to(HOURS)?;
    heard(&follow, HOURS).await?;
    ensure!(held.release(), "nothing was held");
    follow.completed().await?;
    check(&stage, &job, &follow).await?;
    proof::provisioned(&machine, &stage.api.job(&job).await?).await?;
    proof::power(&machine, 2, 1)?;
    ensure!(machine.count(EffectKind::Insert) == 2, "media went in more than once");
    stage.strike([machine]).await
}
