//! Media that are not what they seem: a slot that only claims to hold one, a BMC that copies them
//! whole, a boot medium that others serve, and a machine that boots the installer again.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{
    Action, BootFrom, EffectKind, Ending, Event, HostScript, Persona, Restart, Rule, Step, When,
};
use shoal_tests::{BootMedium, Job, Kickstart, Moves, PATIENCE, Shift, Workflow, linux_job};

use crate::{
    Group, PERSONAS, esxi,
    outside::Outside,
    proof,
    stage::{Stage, host, reached},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second, third, fourth, ..] = PERSONAS;
    vec![
        new(first, "a machine that boots the installer again is held, and its media are out", {
            move |place| reinstall_loop(place, first)
        }),
        new(second, "a slot that only claims the boot medium fails at the deadline", {
            move |place| pretended(place, second, 2)
        }),
        new(first, "a slot that only claims the task medium fails at the deadline", {
            move |place| pretended(place, first, 1)
        }),
        new(fourth, "a BMC that copies media whole installs, and its reads prove nothing", {
            move |place| prefetching(place, fourth)
        }),
        new(first, "a BMC that copies media whole leaves an ESXi job to a decision", {
            move |place| prefetching_esxi(place, first)
        }),
        new(third, "a boot medium that others serve installs without evidence", {
            move |place| outside(place, third)
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

/// Firmware does not use the one-time boot up, the BMC refuses to clear it, and the machine restarts in
/// the middle of the install.
async fn reinstall_loop(place: Place, persona: &'static str) -> Result<()> {
    let shift = Shift::new(&place.directory, Moves::Time)?;
    let stage = Stage::set_with(&place, |config| shift.on(config)).await?;
    let script = HostScript {
        keeps_override: true,
        restart: Restart::Warm,
        // Long enough to be told that the clock goes on before it restarts in the middle.
        step: Duration::from_secs(1000),
        progress: vec![],
        ..host(Ending::RestartAt(Step::Partition))
    };
    let machine = stage.machine(persona, script).await?;
    let out = Rule::nth(When::Intends(EffectKind::Eject), 2, Action::HoldAfter);
    let out = machine.mock().faults().add(out);
    let (job, follow) = stage.job(&machine).await?;
    machine.wait_for(|event| *event == Event::PoweredOn).await?;
    let refused = Action::Status {
        code: 400,
        message_id: "Base.1.12.PropertyNotWritable".to_owned(),
        retry_after: None,
    };
    let refused = Rule::always(When::request("PATCH", "*"), refused);
    let refused = machine.mock().faults().add(refused);
    machine.wait_for(|event| *event == Event::StepStarted(Step::Partition)).await?;
    let tried = tokio::time::timeout(PATIENCE, refused.hit()).await;
    tried.context("nobody tried to clear the one-time boot")?;
    // It worked for longer than firmware takes to read a boot image twice.
    shift.to(75)?;
    let loops = ("reinstall_loop", "the machine booted the installer a second time");
    let (_, at) = proof::held(&stage.api, &job, (&follow, 0), loops).await?;
    machine.wait_for(|event| matches!(event, Event::Restarted)).await?;
    reached(&out).await?;
    ensure!(machine.mock().state().slots.iter().all(|slot| slot.image.is_none()), "media are in");
    proof::power(&machine, 1, 0)?;

    machine.mock().faults().clear();
    proof::decide(&stage.api, &job, "failed").await?;
    follow.wait_for(|event| event.id > at && event.kind == "decided").await?;
    follow.completed().await?;
    let failed = stage.api.job(&job).await?;
    ensure!(failed.ended_as("failed") && failed.warnings.is_empty(), "{}", failed.story());
    machine.check_off_and_clean()?;
    proof::power(&machine, 1, 1)?;
    stage.strike([machine]).await
}

/// The insertion with this number does not happen, and the BMC says that it did.
async fn pretended(place: Place, persona: &'static str, nth: u32) -> Result<()> {
    let stage = Stage::set_with(&place, |config| {
        let config = config.budget("boot", 12).budget("stuck", 5);
        // A machine has looked for its task medium by then.
        config.budget("report", 40)
    })
    .await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let lie = Rule::nth(When::Intends(EffectKind::Insert), nth, Action::PretendInsert);
    let lie = machine.mock().faults().add(lie);
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    ensure!(lie.hits() == 1, "nothing was inserted");
    let boot_medium = nth == 2;
    let step = if boot_medium { "redfish.boot-override" } else { "webhook.wait" };
    let failed = proof::failed(&stage.api, &job, step).await?;
    ensure!(failed.warnings.is_empty(), "{}", failed.story());
    if boot_medium {
        proof::says(&failed, "its firmware never read the boot medium")?;
        ensure!(machine.boots_from(BootFrom::BootMedium) == 0, "it booted from nowhere");
        ensure!(!failed.evidence.milestones.contains_key("opened"), "{:?}", failed.evidence);
    } else {
        proof::says(&failed, "did not report in time")?;
        let missing = machine.mock().events();
        let missing = missing.iter().any(|it| it.event == Event::TaskMediumMissing);
        ensure!(missing, "the task medium was found");
        ensure!(!failed.evidence.milestones.contains_key("task_read"), "{:?}", failed.evidence);
    }
    machine.check_off_and_clean()?;
    proof::power(&machine, 1, 1)?;
    stage.strike([machine]).await
}

fn copying(persona: &str) -> Result<Persona> {
    let mut persona = Persona::built_in(persona)?;
    persona.media.prefetch = true;
    persona.media.read_kib = 4096;
    Ok(persona)
}

/// That reads prove nothing is told, and why.
fn without_evidence(job: &Job, words: &str) -> Result<()> {
    let part = |pointer| job.whole.pointer(pointer).cloned().unwrap_or_default();
    ensure!(part("/evidence/counts") == json!(false), "{}", job.whole);
    let notes = part("/media_plan/notes").to_string();
    ensure!(notes.contains(words), "the plan does not say so: {notes}");
    Ok(())
}

async fn prefetching(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine_like(copying(persona)?, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    let done = proof::installed(&stage.api, &job, &machine, &follow).await?;
    without_evidence(&done, "fetches media whole at insertion")?;
    ensure!(done.whole.pointer("/media_plan/prefetches") == Some(&json!(true)), "{}", done.whole);
    ensure!(done.attempt == 1, "{}", done.story());
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

async fn prefetching_esxi(place: Place, persona: &'static str) -> Result<()> {
    let stage = esxi::stage(&place, Kickstart::Cd, esxi::early_deadline).await?;
    let machine = stage.machine_like(copying(persona)?, esxi::installer(Ending::Succeed)).await?;
    let (job, follow) = stage.job_of(Workflow::Esxi, &machine).await?;
    let unsure = ("installer_unsure", "no restart was seen");
    proof::held(&stage.api, &job, (&follow, 0), unsure).await?;
    machine.wait_for(|event| *event == Event::InstalledOsUp).await?;
    proof::decide(&stage.api, &job, "succeeded").await?;
    follow.completed().await?;
    let done = proof::installed(&stage.api, &job, &machine, &follow).await?;
    without_evidence(&done, "fetches media whole at insertion")?;
    proof::power(&machine, 1, 0)?;
    stage.strike([machine]).await
}

/// The answer to the power-on is lost as well: with the machine seen on, nothing more is needed.
async fn outside(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let others = Outside::serve(&place.static_dir.join(BootMedium::NAME)).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let lost = Rule::once(When::Intends(EffectKind::PowerOn), Action::CloseAfter);
    machine.mock().faults().add(lost);
    let mut request = linux_job(machine.serial())?;
    if let Some(members) = request.as_object_mut() {
        members.insert("maintenance_iso_url".to_owned(), Value::from(others.url.as_str()));
    }
    let planned = stage.api.post("/jobs?dry_run=true", &request).await?.wants(200)?;
    ensure!(planned.to_string().contains("no_boot_evidence"), "no warning: {planned}");
    let (job, follow) = stage.job_with(&request).await?;
    follow.completed().await?;
    let done = proof::installed(&stage.api, &job, &machine, &follow).await?;
    without_evidence(&done, "outside address")?;
    let seen: Vec<&String> = done.evidence.milestones.keys().collect();
    ensure!(seen == ["task_read"] || seen.is_empty(), "seen of others' medium: {seen:?}");
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}
