//! The simulated machines of a demonstration, and one job on one of them.

use std::time::Instant;

use anyhow::{Result, bail};
use shoal_tests::{Api, Follow, Machine, Outcome, PATIENCE, Rack, linux_job};
use tokio::time::timeout;

use crate::{screen::Line, story::Story};

/// Kinds of BMC and the beginnings of their serial numbers.
const KINDS: [(&str, &str); 2] = [("idrac9-6x", "R750"), ("ilo5", "DL385")];

/// Makes `count` machines of alternating kinds; the first has the given story.
pub(crate) async fn build(rack: &Rack, count: u8, first: &Story) -> Result<Vec<(Machine, Story)>> {
    let mut fleet = Vec::new();
    for (number, (persona, prefix)) in (1..=count).zip(KINDS.into_iter().cycle()) {
        let story = if number == 1 { first.clone() } else { Story::Succeeds };
        let serial = format!("{prefix}-{number:03}");
        let machine = rack.add(persona, &serial, story.script()).await?;
        story.prepare(&machine);
        fleet.push((machine, story));
    }
    Ok(fleet)
}

/// Asks for a Linux job and shows it until it is complete.
pub(crate) async fn install(
    api: &Api,
    machine: &Machine,
    story: &Story,
    line: &Line,
) -> Result<Outcome> {
    let begun = Instant::now();
    let id = api.create_job(&linux_job(machine.serial())?).await?;
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
        outcome: job.outcome.unwrap_or_else(|| "none".to_owned()),
        failed_step: job.failed_step,
        duration: begun.elapsed(),
        expected,
    })
}
