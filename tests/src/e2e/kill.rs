//! The controller killed at every edge of a job, and the answer lost to every write. There is
//! no recovery code to test: what is tested is that none is needed.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use shoal_redfish_mock::{Action, EffectKind, Fault, HostScript, Rule, When};
use shoal_tests::{Follow, Machine, PATIENCE, Workflow};
use tokio::time::timeout;

use crate::{
    Group,
    course::{Course, Write},
    stage::Stage,
    suite::{Place, Scenario},
};

/// How a BMC answers that takes its time, in its own: each answer takes six seconds of ours.
const SLOWLY: Action = Action::Delay(Duration::from_mins(2));

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

impl Edge {
    /// Every edge of a course.
    fn all(course: Course) -> Vec<Self> {
        let entering = course.phases().into_iter().map(Self::Entering);
        let around = course.writes().into_iter().flat_map(|it| [Self::Before(it), Self::After(it)]);
        entering.chain(around).collect()
    }
}

/// Every edge of every workflow and every answer lost, the kinds of BMC by turns; all of it on every
/// kind if `full`.
pub(crate) fn scenarios(full: bool) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for workflow in Workflow::ALL {
        let mut courses = Course::all();
        courses.retain(|course| course.workflow == workflow);
        let turns = courses.len();
        for (turn, course) in courses.into_iter().enumerate() {
            let is_mine = |n: usize| full || n % turns == turn;
            let edges = Edge::all(course).into_iter().enumerate();
            scenarios.extend(edges.filter(|(n, _)| is_mine(*n)).map(|(_, it)| killed(course, it)));
            let writes = course.writes().into_iter().enumerate();
            scenarios.extend(writes.filter(|(n, _)| is_mine(*n)).map(|(_, it)| loses(course, it)));
        }
    }
    scenarios
}

fn killed(course: Course, edge: Edge) -> Scenario {
    let name = match edge {
        Edge::Entering(phase) => format!("killed on entering {phase}"),
        Edge::Before(write) => format!("killed before the BMC could `{}`", write.name),
        Edge::After(write) => format!("killed after the BMC did `{}`", write.name),
    };
    Scenario::of(Group::Kill, course, name, move |place| kill(place, course, edge))
}

fn loses(course: Course, write: Write) -> Scenario {
    let name = format!("the answer to `{}` is lost", write.name);
    Scenario::of(Group::Kill, course, name, move |place| lost_answer(place, course, write))
}

async fn kill(place: Place, course: Course, edge: Edge) -> Result<()> {
    let mut stage = Stage::of(&place, course).await?;
    let mut script = course.host();
    if matches!(edge, Edge::Entering("await_boot")) {
        // The phase exists only while the machine is known to be on and still tests itself.
        script.post = Duration::from_mins(2);
    }
    let machine = running_machine(&stage, course.persona, script).await?;
    let brake = edge.brake(course, &machine);
    let last = edge.hold_last(course, &machine);
    let fault = edge.arm(&machine);
    let (job, follow) = stage.job_of(course.workflow, &machine).await?;
    if let Some(eject) = brake {
        timeout(PATIENCE, eject.reached()).await.context("no medium was ejected")?;
        machine.mock().faults().add(Rule::always(When::request("*", "*"), SLOWLY));
        ensure!(eject.release(), "no eject was held");
    }
    edge.reached(fault.as_ref(), &follow).await?;
    stage.controller.kill().await?;
    if let Some(last) = &last {
        while last.drop_connection() {}
    }
    if fault.is_none() {
        machine.mock().faults().clear();
    }
    match (&fault, edge) {
        (Some(fault), Edge::Before(_)) => ensure!(fault.drop_connection(), "nothing was held"),
        (Some(fault), _) => ensure!(fault.release(), "nothing was held"),
        (None, _) => {}
    }
    let before = follow.seen();
    stage.controller.restart().await?;
    follow.completed().await?;
    done_once(course, &stage, &job, (&machine, &follow)).await?;
    let after = stage.api.events(&job).await?;
    ensure!(after.starts_with(&before), "events that were told are gone");
    let resumed = after.iter().any(|event| event.kind == "resumed");
    ensure!(resumed, "the job did not notice that the controller was away");
    stage.strike([machine]).await
}

async fn lost_answer(place: Place, course: Course, write: Write) -> Result<()> {
    let stage = Stage::of(&place, course).await?;
    let machine = running_machine(&stage, course.persona, course.host()).await?;
    let rule = Rule::nth(When::Intends(write.kind), write.nth, Action::CloseAfter);
    let fault = machine.mock().faults().add(rule);
    let (job, follow) = stage.job_of(course.workflow, &machine).await?;
    follow.completed().await?;
    ensure!(fault.hits() == 1, "the job ended without a `{}`", write.name);
    done_once(course, &stage, &job, (&machine, &follow)).await?;
    stage.strike([machine]).await
}

/// A machine that a job must switch off first.
async fn running_machine(stage: &Stage, persona: &str, script: HostScript) -> Result<Machine> {
    let machine = stage.machine(persona, script).await?;
    machine.switch_on().await?;
    Ok(machine)
}

/// Beyond a job that went well: power went on once by us, and then no oftener than it does when
/// nothing goes wrong.
async fn done_once(
    course: Course,
    stage: &Stage,
    job: &str,
    (machine, follow): (&Machine, &Follow),
) -> Result<()> {
    course.check_done(stage, job, machine, follow).await?;
    // A killed controller cannot log out, and who loses the answer to a login never hears of it.
    machine.check_sessions(3)?;
    let on = machine.count(EffectKind::PowerOn);
    let expected = course.power_ons() + 1;
    let effects = machine.mock().journal().effects();
    ensure!(on == expected, "power went on {on} times instead of {expected}: {effects:?}");
    Ok(())
}

impl Edge {
    /// The last phases of a cleanup are over in a moment, before anybody who saw one of them begin
    /// could kill: from this eject on the BMC takes its time. Not before that, or it would be too slow
    /// to show a restart.
    fn brake(self, course: Course, machine: &Machine) -> Option<Fault> {
        let ejects = course.writes().iter().filter(|it| it.kind == EffectKind::Eject).count();
        let (nth, held) = match self {
            Self::Entering("clean_media") => (1, Action::HoldBefore),
            Self::Entering("clean_override") => (u32::try_from(ejects).ok()?, Action::HoldAfter),
            Self::Entering(_) | Self::Before(_) | Self::After(_) => return None,
        };
        let rule = Rule::nth(When::Intends(EffectKind::Eject), nth, held);
        Some(machine.mock().faults().add(rule))
    }

    /// The job does not end before the kill, however late that comes: its last write waits.
    fn hold_last(self, course: Course, machine: &Machine) -> Option<Fault> {
        let Self::Entering(phase) = self else { return None };
        let last = course.writes().pop()?;
        let nth = match (phase, last.kind) {
            // The brake acts on one before it, which no other rule sees.
            ("clean_media", EffectKind::Eject) => last.nth - 1,
            // The brake acts on this one.
            ("clean_override", EffectKind::Eject) => return None,
            _ => last.nth,
        };
        let rule = Rule::nth(When::Intends(last.kind), nth, Action::HoldBefore);
        Some(machine.mock().faults().add(rule))
    }

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
