//! How little a BMC is asked once its kind is known: a second job on the machine, counted by the BMC.

use anyhow::{Context, Result, ensure};
use shoal_redfish_mock::{Effect, Ending, Entry};

use crate::{
    Group, PERSONAS,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

/// Requests from a job's login until its power-on, looks while waiting apart: the twelve that the client
/// needs for a plan it has, and a read of the manager, since its firmware may be another one now.
const BUDGET: usize = 13;

/// What BMCs of some kinds cost beyond that.
const BEYOND: [(&str, usize); 4] = [
    // What an override may be stands in a resource of its own.
    ("idrac10", 1),
    // What an insertion takes stands in a resource of its own.
    ("smc-x13", 1),
    // An override resource of its own, and no expanded collection.
    ("ami-megarac", 2),
    // The boot order is imported: a read before, the import and its check.
    ("idrac9-scp", 3),
];

pub(crate) fn scenarios() -> Vec<Scenario> {
    let thrifty = |persona| {
        let budget = BUDGET + beyond(persona);
        let name = format!("a second job needs at most {budget} requests to power on");
        Scenario::new(Group::Mock, Some(persona), name, move |place| second(place, persona, budget))
    };
    PERSONAS.into_iter().map(thrifty).collect()
}

fn beyond(persona: &str) -> usize {
    BEYOND.iter().find(|(name, _)| *name == persona).map_or(0, |(_, more)| *more)
}

async fn second(place: Place, persona: &'static str, budget: usize) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let mut counted = Vec::new();
    for _ in 0..2 {
        let before = machine.mock().journal().requests();
        let (_, follow) = stage.job(&machine).await?;
        follow.completed().await?;
        let entries = machine.mock().journal().entries();
        let job: Vec<&Entry> = entries.iter().filter(|entry| entry.seq > before).collect();
        let on = job.iter().position(|entry| entry.effects.contains(&Effect::PowerOn));
        let on = on.context("the machine was not switched on")?;
        counted.push(job.iter().take(on + 1).map(|entry| told(entry)).collect::<Vec<_>>());
    }
    let [first, second] = counted.as_slice() else { anyhow::bail!("two jobs are not two") };
    let (cold, warm) = (without_waiting(first), without_waiting(second));
    ensure!(warm.len() <= budget, "{} requests after {}: {warm:#?}", warm.len(), cold.len());
    stage.strike([machine]).await
}

fn told(entry: &Entry) -> String {
    format!("{} {}", entry.method, entry.path)
}

/// Leaves out what a job's end left to do, and looks while waiting: reads of a task, of a system that
/// was just told to change its power, and of what was read just before.
fn without_waiting(requests: &[String]) -> Vec<&str> {
    let mut counted = Vec::new();
    let (mut switched, mut former) = (None, "");
    for request in requests {
        let (method, path) = request.split_once(' ').unwrap_or_default();
        let is_task = path.contains("/TaskService/Tasks/");
        if method == "GET" && (switched == Some(path) || is_task || former == request) {
            continue;
        }
        former = request;
        switched = path.strip_suffix("/Actions/ComputerSystem.Reset");
        if method != "DELETE" {
            counted.push(request.as_str());
        }
    }
    counted
}
