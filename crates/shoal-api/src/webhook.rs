//! Reports of the maintenance OS. The secret decides whose report it is and about which attempt;
//! what the body claims about that explains things to people and decides nothing.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, HeaderValue};
use ring::digest;
use shoal_core::{Activity, Event, Ignored, JobId, Report as CoreReport, ServerSerial, StepKey};
use shoal_store::{KeyPurpose, Record, ReportOutcome, token};
use shoal_webhook::{
    Answer, Effect, Name, REPORT_MAX, Report, SECRET_HEADER, Status, step_for_unit,
};

use crate::{
    api::{Arrived, Shared},
    auth,
    body::{self, Bounds},
    error::{Code, Detail, Error},
    param::Named,
};

pub(crate) async fn receive(
    State(shared): State<Arc<Shared>>,
    Named(serial): Named,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let began = extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
    let sender = sender(&shared, &serial, &headers)
        .await
        .map_err(|refusal| refusal.told(&shared, &extensions))?;
    let job = sender.record.job.id();
    if let Err(wait) = shared.reports.check(&job) {
        reject("rate_limited");
        return Err(Error::rate_limited(wait));
    }
    let bounds = Bounds { most: REPORT_MAX, within: shared.api.limits.body };
    let body = body::json(&headers, body, bounds).await.inspect_err(|_| reject("invalid"))?;
    let report = Report::parse(&body).map_err(|invalid| {
        reject("invalid");
        let detail = Detail::new(invalid.path, invalid.code.as_str(), invalid.message);
        Error::invalid(vec![detail])
    })?;
    let effect = effect(&shared, &sender, &report).await?;
    metrics::histogram!("webhook_processing_duration_seconds").record(began.elapsed());
    tell(&sender, &report, &effect);
    answer(&report, &effect)
}

/// Who reports: the attempt which the secret stands for.
struct Sender {
    record: Record,
    attempt: u32,
    /// The fleet secret is on every machine, so it needs something that only this one can have done.
    fleet: bool,
}

/// Why a sender is not believed.
enum Refusal {
    Missing,
    /// The server has a job, and the secret is neither its token nor the fleet's.
    Wrong,
    /// The secret is wrong, and the server has no job either.
    WrongWithoutJob,
    /// The secret is right, and the job is none we know.
    NoJob,
    Store(shoal_store::Error),
}

impl Refusal {
    /// Counted first, so that a rate limit never hides what an alert is waiting for.
    fn told(self, shared: &Shared, extensions: &Extensions) -> Error {
        let missing = "send the job's token in X-Webhook-Secret";
        let wrong = "the token is wrong or belongs to another job";
        let no_job = "this server has no job such a report could belong to";
        let error = match self {
            Self::Store(error) => return Error::store(error),
            Self::Missing => {
                count_auth_failure("missing");
                Error::new(Code::TokenMissing, missing)
            }
            Self::Wrong => {
                count_auth_failure("mismatch");
                Error::new(Code::TokenWrong, wrong)
            }
            Self::WrongWithoutJob => {
                count_auth_failure("mismatch");
                Error::new(Code::NoReportedJob, no_job)
            }
            Self::NoJob => {
                reject("no_job");
                Error::new(Code::NoReportedJob, no_job)
            }
        };
        match shared.strangers.check(&auth::network(auth::client(extensions))) {
            Ok(()) => error,
            Err(wait) => Error::rate_limited(wait),
        }
    }
}

impl From<shoal_store::Error> for Refusal {
    fn from(error: shoal_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Finds the job and attempt which the secret proves.
async fn sender(shared: &Shared, serial: &str, headers: &HeaderMap) -> Result<Sender, Refusal> {
    let secret = headers.get(SECRET_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
    if secret.is_empty() {
        return Err(Refusal::Missing);
    }
    let serial: Option<ServerSerial> = serial.parse().ok();
    let store = shared.store();
    let keys = store.keys(KeyPurpose::WebhookToken).await?.at(shared.now());
    let proved = std::str::from_utf8(secret)
        .ok()
        .and_then(|text| token::verify(&keys, KeyPurpose::WebhookToken, text));
    if let Some((job, attempt)) = proved {
        return of_token(shared, serial.as_ref(), job, attempt).await;
    }
    let fleet = shared.api.fleet_secret && is_fleet_secret(shared, secret).await?;
    let active = match &serial {
        Some(serial) => store.active_on(serial).await?,
        None => None,
    };
    match (fleet, active) {
        (true, Some(record)) => Ok(Sender { attempt: record.job.attempt(), record, fleet }),
        (true, None) => Err(Refusal::NoJob),
        (false, Some(_)) => Err(Refusal::Wrong),
        (false, None) => Err(Refusal::WrongWithoutJob),
    }
}

async fn of_token(
    shared: &Shared,
    serial: Option<&ServerSerial>,
    job: JobId,
    attempt: u32,
) -> Result<Sender, Refusal> {
    let record = shared.store().job(job).await?.ok_or(Refusal::NoJob)?;
    if serial != Some(record.job.serial()) {
        return Err(Refusal::Wrong);
    }
    Ok(Sender { record, attempt, fleet: false })
}

/// Whether this is a secret of the fleet. Digests are compared: where they differ tells nobody
/// anything about the secret.
async fn is_fleet_secret(shared: &Shared, secret: &[u8]) -> Result<bool, Refusal> {
    let accepted = shared.store().keys(KeyPurpose::FleetWebhook).await?.at(shared.now());
    let given = digest::digest(&digest::SHA256, secret);
    Ok(accepted.iter().any(|key| key.secret.expose().as_slice() == given.as_ref()))
}

/// What an arrived report did.
enum Arrival {
    Recorded,
    Duplicate,
    Ignored(Ignored),
}

async fn effect(shared: &Shared, sender: &Sender, report: &Report) -> Result<Arrival, Error> {
    if sender.fleet && !booted(&sender.record) {
        return Ok(Arrival::Ignored(Ignored::Unexpected));
    }
    let job = sender.record.job.id();
    let identity = report.identity(sender.attempt).to_string();
    let event = event(report, sender.attempt);
    let outcome = shared.store().report(job, sender.attempt, identity, event, shared.now());
    Ok(match outcome.await.map_err(Error::store)? {
        ReportOutcome::Recorded(_) => Arrival::Recorded,
        ReportOutcome::Duplicate => Arrival::Duplicate,
        ReportOutcome::Ignored(reason) => Arrival::Ignored(reason),
    })
}

/// Whether reads of our media prove that the machine booted them in this attempt.
fn booted(record: &Record) -> bool {
    let job = &record.job;
    job.has_boot_evidence() && job.evidence().milestones.keys().any(|seen| seen.proves_boot())
}

fn event(report: &Report, attempt: u32) -> Event {
    match &report.status {
        Status::Success => Event::Reported { attempt, report: CoreReport::Success },
        Status::Failed { failed_step, unit } => {
            let (step, unit) = blamed(failed_step, unit.as_ref());
            let message = report.message.as_ref().map(|message| message.as_str().to_owned());
            Event::Reported { attempt, report: CoreReport::Failed { step, unit, message } }
        }
        Status::Progress { step, percent, bytes } => {
            let activity = Activity {
                step: step.as_ref().map(|step| step.as_str().to_owned()),
                percent: percent.map(shoal_webhook::Percent::value),
                bytes: *bytes,
            };
            Event::Progressed { attempt, activity }
        }
    }
}

/// The step of the taxonomy, and the unit as it was sent.
///
/// A machine can only fail at what a machine does; a unit that is no step of ours is the
/// dispatcher's affair, which started it.
fn blamed(failed_step: &Name, unit: Option<&Name>) -> (StepKey, Option<String>) {
    let named: Option<StepKey> = failed_step.as_str().parse().ok();
    let named = named.filter(|step| step.as_str().starts_with("workflow."));
    let by_unit = |name: &Name| step_for_unit(name.as_str())?.parse().ok();
    let step = named.or_else(|| by_unit(failed_step)).or_else(|| unit.and_then(by_unit));
    let unit = unit.or_else(|| named.is_none().then_some(failed_step));
    (step.unwrap_or(StepKey::WorkflowDispatcher), unit.map(|unit| unit.as_str().to_owned()))
}

fn answer(report: &Report, arrival: &Arrival) -> Result<Response, Error> {
    let arrived = |effect, message: &str| {
        let status = report.status.word();
        metrics::counter!("webhook_received_total", "status" => status).increment(1);
        Ok(Json(Answer::new(effect, message)).into_response())
    };
    match arrival {
        Arrival::Recorded => arrived(Effect::Recorded, "recorded"),
        // Progress that says nothing new is a repetition too.
        Arrival::Duplicate | Arrival::Ignored(Ignored::Duplicate) => {
            metrics::counter!("webhook_deduplicated_total").increment(1);
            arrived(Effect::Duplicate, "the same report has arrived before")
        }
        Arrival::Ignored(Ignored::Unexpected) => {
            reject("unexpected");
            let message = "nothing shows that this server was asked to boot for this job yet";
            Err(Error::new(Code::Unexpected, message))
        }
        Arrival::Ignored(Ignored::FinishedAttempt) => {
            reject("finished_attempt");
            arrived(Effect::Ignored, "the report is of an attempt that is over")
        }
        Arrival::Ignored(Ignored::LateReport) => {
            reject("late_report");
            arrived(Effect::Ignored, "the job has its outcome already, and the first one counts")
        }
        Arrival::Ignored(Ignored::Stale | Ignored::Closed | Ignored::NotNow) => {
            reject("other");
            arrived(Effect::Ignored, "the report changes nothing any more")
        }
    }
}

fn tell(sender: &Sender, report: &Report, arrival: &Arrival) {
    let result = match arrival {
        Arrival::Recorded => Effect::Recorded.as_str(),
        Arrival::Duplicate => Effect::Duplicate.as_str(),
        Arrival::Ignored(reason) => reason.as_str(),
    };
    tracing::info!(
        job_id = %sender.record.job.id(),
        server_serial = sender.record.job.serial().as_str(),
        attempt = sender.attempt,
        status = report.status.word(),
        failed_step = report.status.step().filter(|_| report.status.is_terminal()).map(Name::as_str),
        fleet_secret = sender.fleet,
        result,
        "webhook report"
    );
}

fn count_auth_failure(reason: &'static str) {
    metrics::counter!("webhook_auth_failures_total", "reason" => reason).increment(1);
}

fn reject(reason: &'static str) {
    metrics::counter!("webhook_rejected_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_failed_step_is_the_one_named_else_that_of_its_unit_else_the_dispatchers() {
        let seen = |step: &str, unit: Option<&str>| {
            let (step, unit) = blamed(&name(step), unit.map(name).as_ref());
            (step.as_str(), unit)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(seen("workflow.partition", None), ("workflow.partition", None));
        assert_eq!(
            seen("workflow.partition", Some("partition.service")),
            ("workflow.partition", some("partition.service"))
        );
        assert_eq!(
            seen("image-linux.service", None),
            ("workflow.image-linux", some("image-linux.service"))
        );
        assert_eq!(seen("mine.service", None), ("workflow.dispatcher", some("mine.service")));
        assert_eq!(
            seen("redfish.reset", Some("firmware.service")),
            ("workflow.firmware", some("firmware.service"))
        );
    }
}
