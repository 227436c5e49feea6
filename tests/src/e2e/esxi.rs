//! An installer that reports nothing: how its end is seen where the power state shows none of it, and
//! what becomes of a job whose machine never shows one.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shoal_redfish_mock::{
    Action, EffectKind, Ending, Event, HostScript, Part, Restart, Rule, When,
};
use shoal_tests::{Config, Follow, Kickstart, Machine, Moves, Shift, Workflow};

use crate::{
    CD_AND_USB, Group, SINGLE_SLOT,
    course::{Course, seen},
    proof,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let by = |persona, kickstart, sign: &str| {
        let name = format!("a warm restart shows by {sign}");
        new(persona, &name, move |place| warm_restart(place, persona, kickstart))
    };
    let single = SINGLE_SLOT.map(|persona| {
        new(persona, "one slot is refused before power is touched", move |place| {
            refused(place, persona, "ESXi needs a CD slot")
        })
    });
    let with_usb = CD_AND_USB.map(|persona| {
        new(persona, "a disc that looks for a second CD is refused on CD and USB", move |place| {
            refused(place, persona, "ks=usb")
        })
    });
    let mut scenarios = vec![
        by("idrac9-6x", Kickstart::Cd, "LastResetTime"),
        by("smc-x13", Kickstart::Cd, "BootProgress"),
        by("ilo5", Kickstart::Usb, "PostState, and the kickstart file is on a stick"),
        new("xcc", "a restart no BMC tells of shows by its reads after a long quiet", unnoticed),
        new("idrac9-6x", "an installer that ends by switching off is switched on", ends_off),
        new("idrac9-6x", "a machine that goes off instead of restarting fails", goes_off),
        new("idrac9-6x", "without a restart the job is held, and succeeds by decision", |place| {
            never_restarts(place, "succeeded")
        }),
        new("smc-x13", "without a restart the job is held, and fails by decision", |place| {
            never_restarts(place, "failed")
        }),
        new("xcc", "an installer that finds no kickstart file fails at the deadline", no_kickstart),
    ];
    scenarios.extend(single);
    scenarios.extend(with_usb);
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
    Scenario::of(Group::Fault, course(persona), name, run)
}

fn course(persona: &'static str) -> Course {
    Course { workflow: Workflow::Esxi, persona }
}

/// A controller with an installer that looks for its kickstart file there.
pub(crate) async fn stage(
    place: &Place,
    kickstart: Kickstart,
    change: impl FnOnce(Config) -> Config,
) -> Result<Stage> {
    Stage::set_with(place, |config| {
        change(config.set("ESXI_INSTALLER_URL", kickstart.file_name()).budget("stable_on", 2))
    })
    .await
}

/// Soon, and yet long after an installer that works for six seconds is done.
pub(crate) fn early_deadline(config: Config) -> Config {
    config.budget("stuck", 5).budget("report", 40)
}

/// An installer that works for six seconds of our time, in which it is looked at more than once.
pub(crate) fn installer(ending: Ending) -> HostScript {
    seen(host(ending))
}

/// The documented job with a kickstart file that ends otherwise.
fn job_that_ends(machine: &Machine, end: &str) -> Result<Value> {
    let mut request = Workflow::Esxi.job(machine.serial())?;
    let kickstart = request.pointer_mut("/recipe/ks_cfg").context("no kickstart file")?;
    let text = kickstart.as_str().unwrap_or_default().replace("\nreboot\n", &format!("\n{end}\n"));
    ensure!(text.contains(end), "the kickstart file has no end to replace");
    *kickstart = Value::from(text);
    Ok(request)
}

async fn warm_restart(place: Place, persona: &'static str, kickstart: Kickstart) -> Result<()> {
    let stage = stage(&place, kickstart, |config| config).await?;
    let machine = stage.machine(persona, installer(Ending::Succeed)).await?;
    let (job, follow) = stage.job_of(Workflow::Esxi, &machine).await?;
    installed_without_us(&stage, &job, (&machine, &follow), persona).await?;
    let found = machine.wait_for(|event| matches!(event, Event::KickstartFound { .. })).await?;
    let job = stage.api.job(&job).await?;
    let task_slot = job.whole.pointer("/media_plan/task_slot").and_then(Value::as_str);
    let Event::KickstartFound { slot, .. } = found.event else { return Ok(()) };
    ensure!(task_slot == Some(slot.as_str()), "the kickstart file was found in {slot}");
    stage.strike([machine]).await
}

/// The job succeeded, power went on once, and never off.
async fn installed_without_us(
    stage: &Stage,
    job: &str,
    (machine, follow): (&Machine, &Follow),
    persona: &'static str,
) -> Result<()> {
    follow.completed().await?;
    let done = course(persona).check_done(stage, job, machine, follow).await?;
    proof::says(&done, "restarted the machine, and it stayed on")?;
    for milestone in ["task_read", "payload"] {
        ensure!(done.evidence.milestones.contains_key(milestone), "{:?}", done.evidence);
    }
    ensure!(!machine.mock().events().iter().any(|it| it.event == Event::PoweredOff), "cut off");
    proof::power(machine, 1, 0)
}

async fn unnoticed(place: Place) -> Result<()> {
    let shift = Shift::new(&place.directory, Moves::Time)?;
    let stage = stage(&place, Kickstart::Cd, |config| shift.on(config)).await?;
    let script = HostScript {
        restart: Restart::Unnoticed,
        rereads_media: true,
        // Long enough to be told that the clock goes on.
        install: Duration::from_secs(400),
        ..installer(Ending::Succeed)
    };
    let machine = stage.machine("xcc", script).await?;
    let (job, follow) = stage.job_of(Workflow::Esxi, &machine).await?;
    machine.wait_for(|event| matches!(event, Event::Read { part: Part::Payload, .. })).await?;
    // The installer works for longer than firmware takes to look at a disc twice.
    shift.to(75)?;
    installed_without_us(&stage, &job, (&machine, &follow), "xcc").await?;
    let reread = |event: &shoal_tests::Event| event.get("milestone") == Some("reopened");
    ensure!(stage.api.events(&job).await?.iter().any(reread), "it was seen some other way");
    stage.strike([machine]).await
}

async fn ends_off(place: Place) -> Result<()> {
    let stage = stage(&place, Kickstart::Cd, |config| config).await?;
    let machine = stage.machine("idrac9-6x", installer(Ending::Succeed)).await?;
    let (job, follow) = stage.job_with(&job_that_ends(&machine, "poweroff")?).await?;
    follow.completed().await?;
    let done = course("idrac9-6x").check_done(&stage, &job, &machine, &follow).await?;
    proof::says(&done, "switched the machine off")?;
    proof::power(&machine, 2, 0)?;
    stage.strike([machine]).await
}

/// Its kickstart file says reboot, so an end in darkness is none.
async fn goes_off(place: Place) -> Result<()> {
    let stage = stage(&place, Kickstart::Cd, |config| config).await?;
    let machine = stage.machine("idrac9-6x", installer(Ending::PowerOffAtEnd)).await?;
    let (job, follow) = stage.job_of(Workflow::Esxi, &machine).await?;
    follow.completed().await?;
    let failed = proof::failed(&stage.api, &job, "redfish.poll").await?;
    proof::says(&failed, "went off")?;
    machine.check_off_and_clean()?;
    proof::power(&machine, 1, 0)?;
    stage.strike([machine]).await
}

async fn never_restarts(place: Place, decision: &'static str) -> Result<()> {
    let persona = if decision == "failed" { "smc-x13" } else { "idrac9-6x" };
    let stage = stage(&place, Kickstart::Cd, early_deadline).await?;
    let machine = stage.machine(persona, installer(Ending::NeverRestart)).await?;
    let (job, follow) = stage.job_of(Workflow::Esxi, &machine).await?;
    for milestone in ["payload", "task_read"] {
        follow.wait_for(|event| event.get("milestone") == Some(milestone)).await?;
    }
    let waits = stage.api.job(&job).await?;
    let code = waits.whole.get("waiting_for_code").and_then(Value::as_str);
    ensure!(code == Some("installer_restart"), "it waits for {code:?}");

    let words = "the installer read everything, but no restart was seen";
    proof::held(&stage.api, &job, (&follow, 0), ("installer_unsure", words)).await?;
    proof::power(&machine, 1, 0)?;
    proof::decide(&stage.api, &job, decision).await?;
    follow.completed().await?;
    let ended = stage.api.job(&job).await?;
    ensure!(ended.ended_as(decision) && ended.warnings.is_empty(), "{}", ended.story());
    proof::says(&ended, "an operator decided so")?;
    machine.check_clean()?;
    // A machine that succeeded is left as it is; one that failed does not go on.
    proof::power(&machine, 1, usize::from(decision == "failed"))?;
    stage.strike([machine]).await
}

/// The slot says that the task medium is in, and it is not.
async fn no_kickstart(place: Place) -> Result<()> {
    let stage = stage(&place, Kickstart::Cd, early_deadline).await?;
    let machine = stage.machine("xcc", installer(Ending::Succeed)).await?;
    let lie = Rule::once(When::Intends(EffectKind::Insert), Action::PretendInsert);
    machine.mock().faults().add(lie);
    let (job, follow) = stage.job_of(Workflow::Esxi, &machine).await?;
    machine.wait_for(|event| matches!(event, Event::InstallerStopped { .. })).await?;
    let waits = stage.api.job(&job).await?;
    let code = waits.whole.get("waiting_for_code").and_then(Value::as_str);
    ensure!(code == Some("installer_reads"), "it waits for {code:?}");
    follow.completed().await?;
    let failed = proof::failed(&stage.api, &job, "redfish.poll").await?;
    proof::says(&failed, "did not read what it needs")?;
    ensure!(failed.warnings.is_empty(), "{}", failed.story());
    machine.check_off_and_clean()?;
    proof::power(&machine, 1, 1)?;
    stage.strike([machine]).await
}

async fn refused(place: Place, persona: &'static str, words: &'static str) -> Result<()> {
    let stage = stage(&place, Kickstart::Cd, |config| config).await?;
    let machine = stage.machine(persona, installer(Ending::Succeed)).await?;
    machine.switch_on().await?;
    let before = machine.mock().journal().effects().len();
    let (job, follow) = stage.job_of(Workflow::Esxi, &machine).await?;
    follow.completed().await?;
    let failed = proof::failed(&stage.api, &job, "redfish.plan").await?;
    proof::says(&failed, words)?;
    let effects = machine.mock().journal().effects();
    let sessions = [EffectKind::Login, EffectKind::Logout];
    let mut ours = effects.iter().skip(before);
    ensure!(ours.all(|effect| sessions.contains(&effect.kind())), "it was touched: {effects:?}");
    ensure!(machine.mock().state().on, "its power was cut");
    stage.strike([machine]).await
}
