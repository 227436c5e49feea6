//! What must be true of a job that ended, wherever it was interrupted.

use anyhow::{Context, Result, ensure};
use shoal_tests::{Api, Event, Follow, Job, Machine};

/// The job succeeded without a warning, its machine was installed once and is clean, and the
/// history is whole.
pub(crate) async fn installed(
    api: &Api,
    job: &str,
    machine: &Machine,
    follow: &Follow,
) -> Result<Job> {
    let job = succeeded(api, job, follow).await?;
    provisioned(machine, &job).await?;
    Ok(job)
}

/// The job succeeded without a warning, and its history is whole.
pub(crate) async fn succeeded(api: &Api, job: &str, follow: &Follow) -> Result<Job> {
    let job = api.job(job).await?;
    ensure!(job.succeeded() && job.warnings.is_empty(), "{}", job.story());
    history(api, &job.job_id, follow).await?;
    Ok(job)
}

/// The machine was installed once, runs what was installed, and is clean.
pub(crate) async fn provisioned(machine: &Machine, job: &Job) -> Result<()> {
    machine.check_provisioned().await.with_context(|| job.story())
}

/// The job ended failed at that step.
pub(crate) async fn failed(api: &Api, job: &str, step: &str) -> Result<Job> {
    let job = api.job(job).await?;
    ensure!(
        job.ended_as("failed") && job.failed_step.as_deref() == Some(step),
        "expected a failure at {step}: {}",
        job.story()
    );
    Ok(job)
}

/// The stream told every event once and in order, and each phase began where another ended.
pub(crate) async fn history(api: &Api, job: &str, follow: &Follow) -> Result<()> {
    let (told, kept) = (follow.seen(), api.events(job).await?);
    let until = |events: &[Event]| events.iter().position(|event| event.enters("complete"));
    let (told_end, kept_end) = (until(&told), until(&kept));
    ensure!(told_end.is_some() && kept_end.is_some(), "the history has no end");
    let both = told.iter().zip(&kept).take(told_end.unwrap_or_default() + 1);
    for (told, kept) in both {
        ensure!(told == kept, "the stream told {told:?}, the history keeps {kept:?}");
    }
    ensure!(told_end == kept_end, "the stream lost events: {told_end:?} of {kept_end:?}");
    ensure!(kept.is_sorted_by(|one, next| one.id < next.id), "the history is out of order");
    let mut position = "queued".to_owned();
    for event in kept.iter().filter(|event| event.kind == "phase") {
        ensure!(event.get("from") == Some(&position), "{event:?} does not follow {position}");
        event.get("to").context("a phase without a name")?.clone_into(&mut position);
    }
    ensure!(position == "complete", "the history ends in {position}");
    Ok(())
}
