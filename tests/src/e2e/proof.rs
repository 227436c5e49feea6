//! What must be true of a job that ended, wherever it was interrupted.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use shoal_redfish_mock::EffectKind;
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

/// The job stops after the event `after` and waits for an operator for that reason, without a
/// deadline, and says so in these words.
pub(crate) async fn held(
    api: &Api,
    job: &str,
    (follow, after): (&Follow, i64),
    (reason, words): (&str, &str),
) -> Result<(Job, i64)> {
    let event = follow.wait_for(|event| event.id > after && event.enters("held")).await?;
    let job = api.job(job).await?;
    let says = |key: &str| job.whole.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    ensure!(job.held.as_deref() == Some(reason), "expected {reason}: {}", job.story());
    ensure!(job.status == "provisioning" && job.phase == "held", "{}", job.story());
    ensure!(job.outcome.is_none() && job.failed_step.is_none(), "{}", job.story());
    ensure!(says("waiting_for_code") == "decision", "it waits for {}", says("waiting_for_code"));
    let told = says("waiting_for");
    ensure!(told.contains(words) && told.contains("decide"), "it waits for {told:?}");
    ensure!(
        job.whole.get("deadline").is_none_or(serde_json::Value::is_null),
        "a deadline while held"
    );
    Ok((job, event.id))
}

/// An operator decides about a held job.
pub(crate) async fn decide(api: &Api, job: &str, decision: &str) -> Result<()> {
    api.tell(job, "decide", &json!({"decision": decision})).await?.wants(202)?;
    Ok(())
}

/// The machine's power was changed through its BMC exactly so often.
pub(crate) fn power(machine: &Machine, ons: usize, offs: usize) -> Result<()> {
    let effects = machine.mock().journal().effects();
    let kinds = [EffectKind::PowerOn, EffectKind::PowerOff, EffectKind::Restart];
    let [on, off, restarts] = kinds.map(|kind| machine.count(kind));
    ensure!((on, off, restarts) == (ons, offs, 0), "power went on and off otherwise: {effects:?}");
    Ok(())
}

/// What the job says of why it ended contains these words.
pub(crate) fn says(job: &Job, words: &str) -> Result<()> {
    let message = job.message.as_deref().unwrap_or_default();
    ensure!(message.contains(words), "{message:?} does not say {words:?}: {}", job.story());
    Ok(())
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
