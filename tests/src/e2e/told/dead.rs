//! Collectors that refuse, that fail, and that never answer: they cost spans, which are counted, and
//! nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use shoal_redfish_mock::Ending;
use shoal_tests::{Collector, Mood, PATIENCE};

use super::trace::exporting;
use crate::{
    Group, PERSONAS,
    nobody::Nobody,
    proof,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

/// Between two looks at a counter.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest end: the controller waits three seconds for a collector, and for nothing else here. The
/// rest is what a busy machine may take to end a process.
const END: Duration = Duration::from_secs(30);

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, ..] = PERSONAS;
    let refused = "a collector that is not there costs its spans and nothing else";
    let fails = "a collector that fails costs its spans and nothing else";
    let silent = "a collector that never answers costs its spans and nothing else";
    [(refused, None), (fails, Some(Mood::Fails)), (silent, Some(Mood::Silent))]
        .into_iter()
        .map(|(name, mood)| {
            let run = move |place| dead(place, first, mood);
            Scenario::new(Group::Told, Some(first), name, run)
        })
        .collect()
}

async fn dead(place: Place, persona: &'static str, mood: Option<Mood>) -> Result<()> {
    let collector = match mood {
        Some(mood) => Some(Collector::start(mood).await?),
        None => None,
    };
    let nobody = Nobody::new()?;
    let endpoint = match &collector {
        Some(collector) => collector.endpoint(),
        None => format!("http://{}", nobody.address()),
    };
    let stage = exporting(&place, endpoint).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    let counted = tokio::time::timeout(PATIENCE, counted(&stage)).await;
    let counted = counted.context("lost spans are not counted")??;
    ensure!(counted > 0, "no span was lost");
    let ready = stage.api.text_at("/readyz").await?;
    ensure!(!ready.contains("\"ready\":false"), "a dead collector made it unready: {ready}");
    let begun = Instant::now();
    stage.strike([machine]).await?;
    let took = begun.elapsed();
    ensure!(took < END, "the end took {took:?}");
    Ok(())
}

async fn counted(stage: &Stage) -> Result<u64> {
    loop {
        let metrics = stage.api.metrics().await?;
        let lost = metrics.lines().find_map(|line| line.strip_prefix("otel_spans_dropped_total "));
        let lost = lost.context("there is no such counter")?.parse().context("read a counter")?;
        if lost > 0 {
            return Ok(lost);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
