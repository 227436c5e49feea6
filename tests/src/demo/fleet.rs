//! The simulated machines of a demonstration, and one job on one of them.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use shoal_tests::{Api, Follow, Machine, Outcome, PATIENCE, Rack, Workflow};
use tokio::time::timeout;

use crate::{screen::Line, story::Story};

/// A kind of machine, how its serial numbers begin, and what is installed on it.
struct Kind {
    persona: &'static str,
    prefix: &'static str,
    workflow: Workflow,
}

/// Four vendors: two CD slots; one CD and one USB slot; media by PATCH only; boot from a USB CD.
const KINDS: [Kind; 4] = [
    Kind { persona: "ilo5", prefix: "DL385", workflow: Workflow::Linux },
    Kind { persona: "xcc", prefix: "SR650", workflow: Workflow::Windows },
    Kind { persona: "idrac9-6x", prefix: "R750", workflow: Workflow::Esxi },
    Kind { persona: "smc-x13", prefix: "X13SEM", workflow: Workflow::Firmware },
];

/// A machine, what it is to be installed with, and how that is to end.
pub(crate) struct Part {
    pub(crate) machine: Machine,
    pub(crate) workflow: Workflow,
    pub(crate) story: Story,
}

/// Makes `count` machines, the kinds by turns; the first one on which the given story can happen has
/// it.
pub(crate) async fn build(rack: &Rack, count: u8, wanted: &Story) -> Result<Vec<Part>> {
    let mut fleet = Vec::new();
    let mut wanted = Some(wanted.clone());
    for (number, kind) in (1..=count).zip(KINDS.iter().cycle()) {
        let workflow = kind.workflow;
        let story = wanted.take_if(|story| story.fits(workflow)).unwrap_or(Story::Succeeds);
        let serial = format!("{}-{number:03}", kind.prefix);
        let machine = rack.add(kind.persona, &serial, story.script()).await?;
        story.prepare(&machine);
        fleet.push(Part { machine, workflow, story });
    }
    match wanted {
        None => Ok(fleet),
        Some(story) => {
            let step = story.failed_step().context("no machine is left for the story")?;
            bail!("{step} does not happen on the first {count} machines; try --jobs 4")
        }
    }
}

/// Asks for the job and shows it until it is complete.
pub(crate) async fn install(api: &Api, part: &Part, line: &Line) -> Result<Outcome> {
    let Part { machine, workflow, story } = part;
    let begun = Instant::now();
    let id = api.create_job(&workflow.job(machine.serial())?).await?;
    let follow = Follow::start(api, &id);
    let mut events = follow.watch();
    let mut shown = 0;
    loop {
        let seen = events.borrow_and_update().clone();
        for event in seen.iter().skip(shown) {
            line.show(event);
        }
        shown = seen.len();
        if seen.iter().any(|event| event.enters("complete")) {
            break;
        }
        match timeout(PATIENCE, events.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                bail!("job {id} cannot be followed: {}", follow.gave_up().unwrap_or_default())
            }
            Err(_) => bail!("nothing happens in job {id}: {}", api.job(&id).await?.story()),
        }
    }
    let job = api.job(&id).await?;
    let expected = story.is_told_by(&job);
    line.finish(&job);
    Ok(Outcome {
        job: id,
        server: machine.serial().to_owned(),
        persona: machine.persona().to_owned(),
        workflow: workflow.name(),
        outcome: job.outcome.unwrap_or_else(|| "none".to_owned()),
        failed_step: job.failed_step,
        duration: begun.elapsed(),
        expected,
    })
}
