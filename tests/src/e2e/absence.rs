//! A BMC that is away for ten minutes, one that is replaced by another, and machines that are switched
//! on behind the controller's back.

use std::{future::Future, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use shoal_redfish_mock::{
    Action, Away, BootFrom, EffectKind, Ending, Event, HostScript, Rule, Step, When,
};
use shoal_tests::Machine;

use crate::{
    Group, PERSONAS, proof,
    stage::{Stage, host, reached},
    suite::{Place, Scenario},
};

/// Its network is gone for so long, on its own clock.
const ABSENCE: Duration = Duration::from_mins(10);
/// How much faster that clock runs than ours.
const SPEED: u32 = 60;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second, third, fourth, ..] = PERSONAS;
    let away = |persona, what: &str, write| {
        let name = format!("a BMC away for ten minutes while {what}");
        new(persona, &name, move |place| bmc_away(place, persona, write))
    };
    vec![
        away(first, "the machine is switched off", Some(EffectKind::PowerOff)),
        away(third, "media go in", Some(EffectKind::Insert)),
        away(second, "the machine is switched on", Some(EffectKind::PowerOn)),
        away(fourth, "the machine installs", None),
        away(third, "media come out", Some(EffectKind::Eject)),
        new(
            first,
            "a BMC replaced before any write is held, and again until it is known",
            |place| replaced_before(place, first),
        ),
        new(
            second,
            "a BMC replaced while installing costs the cleanup, not the install",
            |place| replaced_after(place, second),
        ),
        new(second, "a machine switched on by hand meanwhile is installed by another attempt", {
            move |place| switched_on_once(place, second)
        }),
        new(first, "a machine that is switched on by others again and again fails", move |place| {
            switches_itself_on(place, first)
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

/// It goes while it carries out the first write of a kind, or while its machine installs.
async fn bmc_away(place: Place, persona: &'static str, write: Option<EffectKind>) -> Result<()> {
    let stage = Stage::set(&place).await?.speed(SPEED);
    // Slow on a fast clock: about as long as the absence.
    let script = HostScript { step: Duration::from_mins(3), ..host(Ending::Succeed) };
    let machine = stage.machine(persona, script).await?;
    machine.switch_on().await?;
    let fault = write.map(|write| {
        let rule = Rule::once(When::Intends(write), Action::HoldAfter);
        machine.mock().faults().add(rule)
    });
    let (job, follow) = stage.job(&machine).await?;
    match &fault {
        Some(fault) => reached(fault).await?,
        None => {
            let started = |event: &Event| *event == Event::StepStarted(Step::Partition);
            machine.wait_for(started).await.map(drop)?;
        }
    }
    machine.mock().leave(ABSENCE, Away::Refused);
    follow.completed().await?;
    let back = machine.mock().events().iter().any(|it| it.event == Event::BmcBack);
    ensure!(back, "the job ended while the BMC was away");
    let done = proof::installed(&stage.api, &job, &machine, &follow).await?;
    ensure!(done.attempt == 1, "{}", done.story());
    let late = |event: &shoal_tests::Event| event.kind == "deadline_passed";
    ensure!(!stage.api.events(&job).await?.iter().any(late), "a deadline passed");
    // The first of each is ours: a machine that was on meets the job.
    proof::power(&machine, 3, 2)?;
    stage.strike([machine]).await
}

fn fault_of(job: &shoal_tests::Job) -> &str {
    job.whole.pointer("/fault/summary").and_then(Value::as_str).unwrap_or_default()
}

/// First the certificate is another, then the machine: each is told, and nothing is written.
async fn replaced_before(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    machine.switch_on().await?;
    let writes = |machine: &Machine| {
        let effects = machine.mock().journal().effects();
        let session = |kind| matches!(kind, EffectKind::Login | EffectKind::Logout);
        effects.iter().filter(|effect| !session(effect.kind())).count()
    };
    let before = writes(&machine);
    let rule = Rule::once(When::Intends(EffectKind::PowerOff), Action::HoldBefore);
    let fault = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    reached(&fault).await?;
    machine.mock().replace_bmc("ANOTHER-1")?;
    machine.mock().faults().clear();

    let needed = ("operator_needed", "the last error needs a person");
    let (held, at) = proof::held(&stage.api, &job, (&follow, 0), needed).await?;
    ensure!(fault_of(&held).contains("certificate"), "told: {:?}", fault_of(&held));
    let known = machine.record();
    stage.api.put_server(machine.serial(), &known).await?.wants(200)?;
    proof::decide(&stage.api, &job, "retry").await?;
    let (held, at) = proof::held(&stage.api, &job, (&follow, at), needed).await?;
    ensure!(fault_of(&held).contains("another machine"), "told: {:?}", fault_of(&held));
    ensure!(machine.mock().state().on, "its power was cut");
    ensure!(writes(&machine) == before, "written: {:?}", machine.mock().journal().effects());

    // The old one is put back.
    machine.mock().replace_bmc(machine.serial())?;
    stage.api.put_server(machine.serial(), &machine.record()).await?.wants(200)?;
    proof::decide(&stage.api, &job, "retry").await?;
    follow.wait_for(|event| event.id > at && event.kind == "decided").await?;
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    stage.strike([machine]).await
}

/// The machine installs and says so; nobody may touch the BMC that is there then.
async fn replaced_after(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set_with(&place, |config| config.budget("cleanup", 5)).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    machine.wait_for(|event| *event == Event::StepStarted(Step::Partition)).await?;
    machine.mock().replace_bmc("ANOTHER-2")?;
    follow.completed().await?;
    let ended = stage.api.job(&job).await?;
    ensure!(ended.ended_as("succeeded"), "{}", ended.story());
    let left = ["power_left_on", "media_left", "override_left", "not_delivered"];
    ensure!(ended.warnings == left, "{}", ended.story());
    proof::power(&machine, 1, 0)?;
    ensure!(machine.count(EffectKind::Eject) == 0, "somebody else's slots were touched");
    stage.strike([machine]).await
}

async fn switched_on_once(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let rule = Rule::once(When::Intends(EffectKind::Insert), Action::HoldBefore);
    let fault = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    reached(&fault).await?;
    machine.mock().press_power_button();
    machine.wait_for(|event| matches!(event, Event::Booted(_))).await?;
    ensure!(fault.release(), "nothing was held");
    follow.completed().await?;
    let done = proof::succeeded(&stage.api, &job, &follow).await?;
    ensure!(done.attempt == 2, "{}", done.story());
    let found = stage.api.events(&job).await?.iter().filter(|it| it.kind == "found_on").count();
    ensure!(found == 1, "it was found on {found} times");
    machine.wait_for(|event| *event == Event::InstalledOsUp).await?;
    let installer = machine.boots_from(BootFrom::BootMedium);
    ensure!(installer == 1, "the installer was booted {installer} times");
    machine.check_clean()?;
    // Off for the second attempt, and after the report; on into the installer, and the system.
    proof::power(&machine, 2, 2)?;
    stage.strike([machine]).await
}

async fn switches_itself_on(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    // It is on for good before anything would boot.
    let script = HostScript { post: Duration::from_hours(1), ..host(Ending::Succeed) };
    let machine = stage.machine(persona, script).await?;
    // The first insertion of each attempt: a rule does not see what one before it acted upon.
    let held = [1, 2, 3].map(|nth| {
        let rule = Rule::nth(When::Intends(EffectKind::Insert), nth, Action::HoldBefore);
        machine.mock().faults().add(rule)
    });
    let (job, follow) = stage.job(&machine).await?;
    for fault in &held {
        reached(fault).await?;
        machine.mock().press_power_button();
        ensure!(fault.release(), "nothing was held");
    }
    follow.completed().await?;
    let ended = proof::failed(&stage.api, &job, "redfish.reset").await?;
    proof::says(&ended, "switched on by somebody else while it was prepared")?;
    ensure!(ended.attempt == 3 && ended.warnings.is_empty(), "{}", ended.story());
    ensure!(machine.boots_from(BootFrom::BootMedium) == 0, "the installer was booted");
    machine.check_off_and_clean()?;
    proof::power(&machine, 0, 3)?;
    stage.strike([machine]).await
}
