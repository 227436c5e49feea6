//! The controller killed at every edge of a Linux job, and the answer lost to every write. There is
//! no recovery code to test: what is tested is that none is needed.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use shoal_redfish_mock::{Action, EffectKind, Ending, Fault, HostScript, Rule, When};
use shoal_tests::{Follow, Machine, PATIENCE};
use tokio::time::timeout;

use crate::{
    Group, PERSONAS, proof,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

/// The phases of a Linux job. A phase is entered the moment its beginning is committed.
const PHASES: [&str; 15] = [
    "discover",
    "build",
    "power_off",
    "clear_media",
    "insert_task",
    "insert_boot",
    "boot_once",
    "power_on",
    "await_boot",
    "await_report",
    "settle",
    "clean_power",
    "clean_media",
    "clean_override",
    "deliver",
];

/// A write to the BMC, counted among those of its kind in one job.
#[derive(Clone, Copy, Debug)]
struct Write {
    name: &'static str,
    kind: EffectKind,
    nth: u32,
}

const fn write(name: &'static str, kind: EffectKind, nth: u32) -> Write {
    Write { name, kind, nth }
}

/// Every write of a Linux job on a machine that was on and whose slots were empty.
const WRITES: [Write; 10] = [
    write("login", EffectKind::Login, 1),
    write("power off", EffectKind::PowerOff, 1),
    write("insert the task medium", EffectKind::Insert, 1),
    write("insert the boot medium", EffectKind::Insert, 2),
    write("boot once", EffectKind::BootOnce, 1),
    write("power on into the installer", EffectKind::PowerOn, 1),
    write("power off after the report", EffectKind::PowerOff, 2),
    write("eject the first medium", EffectKind::Eject, 1),
    write("eject the second medium", EffectKind::Eject, 2),
    write("power on into the installed system", EffectKind::PowerOn, 2),
];

/// Where the controller is killed.
#[derive(Clone, Copy, Debug)]
enum Edge {
    /// As soon as the phase was entered.
    Entering(&'static str),
    /// While the BMC holds a write that it has not carried out, and never will.
    Before(Write),
    /// While the BMC holds a write that it has carried out and not answered.
    After(Write),
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for persona in PERSONAS {
        scenarios.extend(PHASES.map(|phase| killed(persona, Edge::Entering(phase))));
        for write in WRITES {
            let edges = [Edge::Before(write), Edge::After(write)];
            scenarios.extend(edges.map(|edge| killed(persona, edge)));
            let name = format!("the answer to `{}` is lost", write.name);
            let run = move |place| lost_answer(place, persona, write);
            scenarios.push(Scenario::new(Group::Kill, Some(persona), name, run));
        }
    }
    scenarios
}

fn killed(persona: &'static str, edge: Edge) -> Scenario {
    let name = match edge {
        Edge::Entering(phase) => format!("killed on entering {phase}"),
        Edge::Before(write) => format!("killed before the BMC could `{}`", write.name),
        Edge::After(write) => format!("killed after the BMC did `{}`", write.name),
    };
    Scenario::new(Group::Kill, Some(persona), name, move |place| kill(place, persona, edge))
}

async fn kill(place: Place, persona: &'static str, edge: Edge) -> Result<()> {
    let mut stage = Stage::set(&place).await?;
    let mut script = host(Ending::Succeed);
    if matches!(edge, Edge::Entering("await_boot")) {
        // The phase exists only while the machine is known to be on and still tests itself.
        script.post = Duration::from_mins(2);
    }
    let machine = running_machine(&stage, persona, script).await?;
    let fault = edge.arm(&machine);
    let (job, follow) = stage.job(&machine).await?;
    edge.reached(fault.as_ref(), &follow).await?;
    stage.controller.kill().await?;
    match (&fault, edge) {
        (Some(fault), Edge::Before(_)) => ensure!(fault.drop_connection(), "nothing was held"),
        (Some(fault), _) => ensure!(fault.release(), "nothing was held"),
        (None, _) => {}
    }
    let before = follow.seen();
    stage.controller.restart().await?;
    follow.completed().await?;
    installed_once(&stage, &job, &machine, &follow).await?;
    let after = stage.api.events(&job).await?;
    ensure!(after.starts_with(&before), "events that were told are gone");
    let resumed = after.iter().any(|event| event.kind == "resumed");
    ensure!(resumed, "the job did not notice that the controller was away");
    stage.strike([machine]).await
}

async fn lost_answer(place: Place, persona: &'static str, write: Write) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = running_machine(&stage, persona, host(Ending::Succeed)).await?;
    let rule = Rule::nth(When::Intends(write.kind), write.nth, Action::CloseAfter);
    let fault = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    ensure!(fault.hits() == 1, "the job ended without a `{}`", write.name);
    installed_once(&stage, &job, &machine, &follow).await?;
    stage.strike([machine]).await
}

/// A machine that a job must switch off first.
async fn running_machine(stage: &Stage, persona: &str, script: HostScript) -> Result<Machine> {
    let machine = stage.machine(persona, script).await?;
    machine.switch_on().await?;
    Ok(machine)
}

/// Beyond an install that went well: power went on once by us, once into the installer and once
/// into the installed system.
async fn installed_once(
    stage: &Stage,
    job: &str,
    machine: &Machine,
    follow: &Follow,
) -> Result<()> {
    proof::installed(&stage.api, job, machine, follow).await?;
    // A killed controller cannot log out, and who loses the answer to a login never hears of it.
    machine.check_sessions(3)?;
    let on = machine.count(EffectKind::PowerOn);
    ensure!(on == 3, "power went on {on} times: {:?}", machine.mock().journal().effects());
    Ok(())
}

impl Edge {
    fn arm(self, machine: &Machine) -> Option<Fault> {
        let (write, action) = match self {
            Self::Entering(_) => return None,
            Self::Before(write) => (write, Action::HoldBefore),
            Self::After(write) => (write, Action::HoldAfter),
        };
        let rule = Rule::nth(When::Intends(write.kind), write.nth, action);
        Some(machine.mock().faults().add(rule))
    }

    /// Waits until the job stands at the edge.
    async fn reached(self, fault: Option<&Fault>, follow: &Follow) -> Result<()> {
        let (Some(fault), Self::Before(write) | Self::After(write)) = (fault, self) else {
            let Self::Entering(phase) = self else { bail!("no fault is armed") };
            return follow.phase(phase).await.map(drop);
        };
        tokio::select! {
            held = timeout(PATIENCE, fault.reached()) => {
                held.with_context(|| format!("`{}` never came", write.name))
            }
            ended = follow.completed() => {
                ended?;
                bail!("the job ended without a `{}`", write.name)
            }
        }
    }
}
