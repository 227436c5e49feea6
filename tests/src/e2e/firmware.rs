//! A machine that may be writing firmware: nobody cuts its power, whoever asks for it and whatever is
//! not known, until it reports or a person decides.

use std::{future::Future, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;
use shoal_redfish_mock::{
    Action, Away, EffectKind, Ending, Event, HostScript, Persona, Rule, Step, When,
};
use shoal_tests::{Machine, Workflow};

use crate::{
    Group,
    course::Course,
    gate::Gate,
    proof,
    reports::token,
    stage::{Stage, host, reached},
    suite::{Place, Scenario},
};

/// What an operator, or the machine, does about a job that is to end while firmware is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Report,
    Decide,
    Force,
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        new("smc-x13", "a power-on nobody knows of is held, and a report ends that", unsure),
        new("smc-x13", "a job cancelled while flashing is held until the report", |place| {
            cancelled(place, "smc-x13", Then::Report)
        }),
        new("ilo5", "a job cancelled while flashing is held until a decision", |place| {
            cancelled(place, "ilo5", Then::Decide)
        }),
        new("idrac9-6x", "a job cancelled while flashing is ended by force", |place| {
            cancelled(place, "idrac9-6x", Then::Force)
        }),
        new("ilo5", "a flash that fails is named", fails),
        new("smc-x13", "a BMC that restarts while flashing changes nothing", bmc_restarts),
        new("xcc", "a machine that never reports is held at the deadline", never_reports),
        new("idrac9-6x", "a machine that goes off while flashing is held", goes_off),
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
    Scenario::of(Group::Fault, course(persona), name, run)
}

fn course(persona: &'static str) -> Course {
    Course { workflow: Workflow::Firmware, persona }
}

/// Flashing takes so much of our time, at twenty times its speed.
fn flash(ending: Ending, seconds: u64) -> HostScript {
    HostScript { step: Duration::from_secs(seconds * 20), progress: vec![], ..host(ending) }
}

/// Power was not cut before the machine said that it is done.
fn check_left_alone(machine: &Machine) -> Result<()> {
    let events = machine.mock().events();
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(|it| wanted(&it.event));
    let cut = place(&|event| *event == Event::PoweredOff);
    let said =
        place(&|event| matches!(event, Event::Reported { status, .. } if *status != "progress"));
    ensure!(said.is_some(), "the machine never reported: {events:?}");
    ensure!(cut.is_none_or(|cut| Some(cut) > said), "power was cut while flashing: {events:?}");
    Ok(())
}

/// The answer to the power-on is lost, this BMC's reads prove nothing, and then it is not there to
/// say whether its machine is on. The machine says so itself, later.
async fn unsure(place: Place) -> Result<()> {
    let stage =
        Stage::set_with(&place, |config| config.set("REDFISH_RETRIES", "1").budget("poll", 4))
            .await?;
    let mut persona = Persona::built_in("smc-x13")?;
    persona.media.prefetch = true;
    let machine = stage.machine_like(persona, flash(Ending::NeverReport, 1)).await?;
    let rule = Rule::once(When::Intends(EffectKind::PowerOn), Action::HoldAfter);
    let answer = machine.mock().faults().add(rule);
    let (job, follow) = stage.job_of(Workflow::Firmware, &machine).await?;
    reached(&answer).await?;
    // It stays away until the job is held and the machine has reported.
    machine.mock().leave(Duration::from_hours(1), Away::Refused);
    let words = "firmware may be half written, so power was not touched";
    let at = (&follow, 0);
    let (job_held, _) = proof::held(&stage.api, &job, at, ("flash_unsure", words)).await?;
    let counts = job_held.whole.pointer("/evidence/counts");
    ensure!(counts == Some(&json!(false)), "reads prove nothing here: {}", job_held.whole);
    proof::power(&machine, 1, 0)?;
    machine.wait_for(|event| *event == Event::StepDone(Step::Firmware)).await?;
    machine.mock().leave(Duration::ZERO, Away::Refused);
    let token = token(&machine).await?;
    let report = json!({"status": "success"});
    stage.api.report(machine.serial(), &token, &report).await?.wants(200)?;
    follow.completed().await?;
    proof::succeeded(&stage.api, &job, &follow).await?;
    machine.check_clean()?;
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

async fn cancelled(place: Place, persona: &'static str, then: Then) -> Result<()> {
    let gate = Gate::shut(&place)?;
    let stage = Stage::set(&place).await?.behind(&gate);
    let ending =
        if then == Then::Report { Ending::Succeed } else { Ending::HangAt(Step::Firmware) };
    let machine = stage.machine(persona, flash(ending, 1)).await?;
    let (job, follow) = stage.job_of(Workflow::Firmware, &machine).await?;
    machine.wait_for(|event| *event == Event::StepStarted(Step::Firmware)).await?;
    stage.api.cancel(&job).await?;
    let words = "somebody asked to end the job while firmware may be written";
    let at = (&follow, 0);
    proof::held(&stage.api, &job, at, ("stop_during_flash", words)).await?;
    // Asking again changes nothing.
    stage.api.tell(&job, "fail", &json!({})).await?;
    let still = stage.api.job(&job).await?;
    ensure!(still.phase == "held", "{}", still.story());
    proof::power(&machine, 1, 0)?;
    match then {
        Then::Report => gate.open()?,
        Then::Decide => proof::decide(&stage.api, &job, "failed").await?,
        Then::Force => {
            let force = json!({"force": true});
            stage.api.tell(&job, "cancel", &force).await?.wants(202)?;
        }
    }
    follow.completed().await?;
    let ended = stage.api.job(&job).await?;
    let outcome = match then {
        Then::Report => "succeeded",
        Then::Decide => "failed",
        Then::Force => "cancelled",
    };
    ensure!(ended.ended_as(outcome) && ended.warnings.is_empty(), "{}", ended.story());
    if then == Then::Report {
        check_left_alone(&machine)?;
        machine.check_clean()?;
        proof::power(&machine, 2, 1)?;
    } else {
        machine.check_off_and_clean()?;
        proof::power(&machine, 1, 1)?;
    }
    proof::history(&stage.api, &job, &follow).await?;
    stage.strike([machine]).await
}

async fn fails(place: Place) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine("ilo5", flash(Ending::FailAt(Step::Firmware), 1)).await?;
    let (job, follow) = stage.job_of(Workflow::Firmware, &machine).await?;
    follow.completed().await?;
    proof::failed(&stage.api, &job, "workflow.firmware").await?;
    check_left_alone(&machine)?;
    machine.check_off_and_clean()?;
    proof::power(&machine, 1, 1)?;
    stage.strike([machine]).await
}

/// Its sessions and its media are gone with it; the machine works on.
async fn bmc_restarts(place: Place) -> Result<()> {
    let gate = Gate::shut(&place)?;
    let stage = Stage::set(&place).await?.behind(&gate);
    let restart = Ending::BmcRestartAt(Step::Firmware, Duration::from_mins(1));
    let machine = stage.machine("smc-x13", flash(restart, 6)).await?;
    let (job, follow) = stage.job_of(Workflow::Firmware, &machine).await?;
    machine.wait_for(|event| *event == Event::BmcBack).await?;
    let now = stage.api.job(&job).await?;
    ensure!(now.phase == "await_flash" && now.held.is_none(), "{}", now.story());
    gate.open()?;
    follow.completed().await?;
    course("smc-x13").check_done(&stage, &job, &machine, &follow).await?;
    check_left_alone(&machine)?;
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

async fn never_reports(place: Place) -> Result<()> {
    let stage =
        Stage::set_with(&place, |config| config.budget("stuck", 3).budget("report", 5)).await?;
    let machine = stage.machine("xcc", flash(Ending::NeverReport, 1)).await?;
    held_and_failed(stage, machine, "on").await
}

async fn goes_off(place: Place) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine("idrac9-6x", flash(Ending::PowerOffAt(Step::Firmware), 1)).await?;
    held_and_failed(stage, machine, "off").await
}

async fn held_and_failed(stage: Stage, machine: Machine, power: &'static str) -> Result<()> {
    let (job, follow) = stage.job_of(Workflow::Firmware, &machine).await?;
    let words = "firmware may be half written, so power was not touched";
    proof::held(&stage.api, &job, (&follow, 0), ("flash_unsure", words)).await?;
    ensure!(machine.mock().state().on == (power == "on"), "somebody switched the machine");
    proof::power(&machine, 1, 0)?;
    proof::decide(&stage.api, &job, "failed").await?;
    follow.completed().await?;
    proof::failed(&stage.api, &job, "webhook.wait").await?;
    machine.check_off_and_clean()?;
    stage.strike([machine]).await
}
