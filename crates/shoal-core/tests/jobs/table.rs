//! The table of every place a job can stand and every kind of event.

use shoal_core::{Applied, Job, Phase};

use crate::{samples, stands};

#[test]
fn every_event_has_its_answer_in_every_phase() {
    let stands = stands::all();
    let blocks = samples::of(&stands[0].1).len();
    let mut table = String::new();
    for block in 0..blocks {
        for (number, (stand, run)) in stands.iter().enumerate() {
            let sample = &samples::of(run)[block];
            if number == 0 {
                table.extend([sample.name, "\n"]);
            }
            let result = match run.job.apply(&sample.event, sample.at) {
                Applied::Changed { job, .. } => difference(&run.job, &job),
                Applied::Ignored(reason) => format!("ignored: {}", reason.as_str()),
            };
            table.extend([format!("    {stand:<34} {result}\n")]);
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

/// What changed, in the words of the product.
fn difference(before: &Job, after: &Job) -> String {
    let mut parts = Vec::new();
    if before.phase().name() == after.phase().name() {
        parts.push(if before == after { "nothing changes" } else { "stays" }.to_owned());
    } else {
        parts.push(format!("-> {}", after.phase().name()));
    }
    if let Phase::Held { reason, .. } = after.phase()
        && before.phase().name() != "held"
    {
        parts.push(reason.as_str().to_owned());
    }
    if before.status() != after.status() {
        parts.push(format!("status {}", after.status().as_str()));
    }
    if let (None, Some(outcome)) = (before.outcome(), after.outcome()) {
        let step = outcome.failed_step.map_or("", |step| step.as_str());
        parts.push(format!("{} {step}", outcome.kind.as_str()).trim().to_owned());
    }
    for warning in after.warnings().iter().filter(|it| !before.warnings().contains(it)) {
        parts.push(format!("warning {}", warning.as_str()));
    }
    if before.attempt() != after.attempt() {
        parts.push(format!("attempt {}", after.attempt()));
    }
    if before.tries() < after.tries() {
        parts.push("will try again".to_owned());
    }
    if before.progressed_at() != after.progressed_at() {
        parts.push("progress".to_owned());
    }
    if !before.is_stopping() && after.is_stopping() && after.outcome().is_none() {
        parts.push("will end once the machine's state is known".to_owned());
    }
    parts.join(", ")
}
