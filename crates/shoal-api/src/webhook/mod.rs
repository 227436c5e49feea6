//! Reports of the maintenance OS. The secret decides whose report it is and about which attempt;
//! what the body claims about that explains things to people and decides nothing.

mod doc;
mod fact;
mod sender;

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap};
use shoal_core::{Event, Ignored};
use shoal_store::ReportOutcome;
use shoal_telemetry::traces;
use shoal_webhook::{Answer, Effect, Name, PATH, REPORT_MAX, Report, TRACEPARENT_HEADER};
use tracing::{Instrument as _, Span, field::Empty};

use self::{
    fact::event,
    sender::{Sender, sender},
};
use crate::{
    api::{Arrived, ClientCertificate, Shared},
    body::{self, Bounds},
    error::{Code, Detail, Error},
    openapi::Routes,
    param::Named,
};

pub(crate) fn routes() -> Routes<Arc<Shared>> {
    Routes::new().add(doc::receive(), receive)
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Named(serial): Named,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let began = extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
    let shown = extensions.get::<ClientCertificate>().copied().unwrap_or_default();
    let sender = sender(&shared, &serial, &headers, shown)
        .await
        .map_err(|refusal| refusal.told(&shared, &extensions))?;
    let span = span(&sender, &headers);
    let request = (headers, body);
    let received = reported(&shared, &sender, request, began).instrument(span.clone()).await;
    let status = match &received {
        Ok(response) => response.status(),
        Err(error) => error.code.status(),
    };
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    received
}

/// The span of a report, in the trace of its job. What a machine says of traces is not believed.
fn span(sender: &Sender, headers: &HeaderMap) -> Span {
    let record = &sender.record;
    let span = tracing::info_span!(
        "webhook",
        "otel.name" = format!("POST {PATH}"),
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "http.request.method" = "POST",
        "http.route" = PATH,
        "http.response.status_code" = Empty,
        job_id = %record.job.id(),
        server_serial = record.job.serial().as_str(),
        trace_id = record.trace_id(),
        attempt = sender.attempt,
    );
    if let Some(ours) = &record.traceparent {
        let theirs = headers.get(TRACEPARENT_HEADER).and_then(|value| value.to_str().ok());
        traces::join_own(&span, ours, theirs);
    }
    span
}

async fn reported(
    shared: &Shared,
    sender: &Sender,
    (headers, body): (HeaderMap, Body),
    began: Instant,
) -> Result<Response, Error> {
    if let Err(wait) = shared.reports.check(&sender.record.job.id()) {
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
    let effect = effect(shared, sender, &report).await?;
    metrics::histogram!("webhook_processing_duration_seconds").record(began.elapsed());
    tell(sender, &report, &effect);
    answer(&report, &effect)
}

/// What an arrived report did.
enum Arrival {
    Recorded,
    Duplicate,
    Ignored(Ignored),
}

async fn effect(shared: &Shared, sender: &Sender, report: &Report) -> Result<Arrival, Error> {
    let job = sender.record.job.id();
    if sender.fleet && !sender.booted() {
        let event = Event::Unproven { attempt: sender.attempt };
        shared.store().record(job, event, shared.now(), None).await.map_err(Error::store)?;
        return Ok(Arrival::Ignored(Ignored::Unexpected));
    }
    let identity = report.identity(sender.attempt).to_string();
    let event = event(report, sender.attempt);
    let outcome = shared.store().report(job, sender.attempt, identity, event, shared.now());
    Ok(match outcome.await.map_err(Error::store)? {
        ReportOutcome::Recorded(_) => Arrival::Recorded,
        ReportOutcome::Duplicate => Arrival::Duplicate,
        ReportOutcome::Ignored(reason) => Arrival::Ignored(reason),
    })
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
        trace_id = sender.record.trace_id(),
        op = "webhook",
        status = report.status.word(),
        failed_step = report.status.step().filter(|_| report.status.is_terminal()).map(Name::as_str),
        fleet = sender.fleet,
        dedupe = matches!(arrival, Arrival::Duplicate | Arrival::Ignored(Ignored::Duplicate)),
        result,
        "webhook report"
    );
}

fn reject(reason: &'static str) {
    metrics::counter!("webhook_rejected_total", "reason" => reason).increment(1);
}
