//! One job is one trace, although the controller is killed in the middle of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use shoal_redfish_mock::{Action, EffectKind, Ending, HostScript, Rule, When};
use shoal_tests::{Collector, Machine, Mood, Span};

use super::story::of_job;
use crate::{
    Group, PERSONAS,
    gate::Gate,
    proof, reports,
    stage::{Stage, host},
    suite::{Place, Scenario},
};

/// A trace of somebody else's, and a span in it.
const FOREIGN: [&str; 2] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];

/// What the span of a report is called.
const WEBHOOK: &str = "POST /api/v1/status-webhook/{server_serial}";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, ..] = PERSONAS;
    vec![Scenario::new(
        Group::Told,
        Some(first),
        "a job is one trace, whatever the controller goes through",
        move |place| one_trace(place, first),
    )]
}

/// A stage whose controller exports to that endpoint without waiting for more.
pub(super) async fn exporting(place: &Place, endpoint: String) -> Result<Stage> {
    Stage::set_with(place, |config| {
        config.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).set("OTEL_BSP_SCHEDULE_DELAY", "200")
    })
    .await
}

async fn one_trace(place: Place, persona: &'static str) -> Result<()> {
    let collector = Collector::start(Mood::Takes).await?;
    let gate = Gate::shut(&place)?;
    let mut stage = exporting(&place, collector.endpoint()).await?.behind(&gate);
    // A machine that tests itself for long is waited for when the controller is killed.
    let script = HostScript { post: Duration::from_mins(2), ..host(Ending::Succeed) };
    let machine = stage.machine(persona, script).await?;
    machine.switch_on().await?;
    let busy = Action::Status { code: 503, message_id: String::new(), retry_after: None };
    machine.mock().faults().add(Rule::once(When::Intends(EffectKind::Insert), busy));
    let (job, follow) = stage.job(&machine).await?;
    follow.phase("await_boot").await?;
    // What a killed process has not exported is lost, and that is all that may be lost.
    collector.wait_for(|spans| spans.iter().any(is_power_on)).await?;
    stage.controller.kill().await?;
    stage.controller.restart().await?;
    let token = reports::token(&machine).await?;
    stranger(&stage, &machine, &token).await?;
    gate.open()?;
    follow.completed().await?;
    let shown = proof::succeeded(&stage.api, &job, &follow).await?;
    let id = shown.whole.get("trace_id").and_then(Value::as_str).context("no trace id")?;
    let id = id.to_owned();
    collector.wait_for(|spans| spans.iter().any(|span| span.name == "job.run")).await?;
    let directory = stage.controller.directory().to_owned();
    stage.strike([machine]).await?;

    let spans = collector.told().spans;
    let (trace, others): (Vec<&Span>, Vec<&Span>) =
        spans.iter().partition(|span| span.trace_id == id);
    for span in &others {
        ensure!(span.get("job_id").is_empty(), "a span of the job is in another trace: {span:?}");
    }
    for line in of_job(&directory, &job)? {
        let same = line.get("trace_id").is_some_and(|it| *it == id.as_str());
        ensure!(same, "a line of the job has another trace: {}", Value::from(line));
    }
    in_its_shape(&Trace(trace))?;
    nothing_frequent(&spans)
}

fn is_power_on(span: &Span) -> bool {
    span.name == "redfish.reset" && span.get("op") == "power_on"
}

/// A report with a trace of somebody else's.
async fn stranger(stage: &Stage, machine: &Machine, token: &str) -> Result<()> {
    let path = format!("/api/v1/status-webhook/{}", machine.serial());
    let [trace, span] = FOREIGN;
    let request = stage.api.request(Method::POST, &path);
    let request = request.header("X-Webhook-Secret", token.trim());
    let request = request.header("traceparent", format!("00-{trace}-{span}-01"));
    let report = json!({"status": "progress", "step": "workflow.partition", "percent": 1});
    let answer = request.json(&report).send().await.context("post a report")?;
    ensure!(answer.status() == 200, "a report with a foreign trace: {}", answer.status());
    Ok(())
}

/// The spans of one trace.
struct Trace<'a>(Vec<&'a Span>);

impl<'a> Trace<'a> {
    fn all(&self, name: &str) -> Vec<&'a Span> {
        self.0.iter().copied().filter(|span| span.name == name).collect()
    }

    fn some(&self, name: &str) -> Result<Vec<&'a Span>> {
        let all = self.all(name);
        let names = || self.0.iter().map(|span| span.name.as_str()).collect::<Vec<_>>();
        ensure!(!all.is_empty(), "there is no {name} among {:?}", names());
        Ok(all)
    }

    fn one(&self, name: &str) -> Result<&'a Span> {
        let all = self.some(name)?;
        ensure!(all.len() == 1, "there are {} of {name}", all.len());
        all.first().copied().context("one of one")
    }

    /// Every span of that name hangs on one of those, and is of that kind.
    fn hangs(&self, name: &str, under: &[&Span], kind: &str) -> Result<()> {
        for span in self.some(name)? {
            let hangs = under.iter().any(|parent| parent.span_id == span.parent);
            ensure!(hangs, "{span:?} hangs on none of {under:?}");
            ensure!(span.kind == kind, "{span:?} is no {kind}");
        }
        Ok(())
    }
}

fn in_its_shape(trace: &Trace<'_>) -> Result<()> {
    let request = trace.one("POST /api/v1/jobs")?;
    ensure!(request.parent.is_empty() && request.kind == "server", "{request:?}");
    ensure!(request.get("http.response.status_code") == "202", "{request:?}");
    trace.hangs("job.create", &[request], "internal")?;
    let first = [trace.one("job.create")?];

    let lives = trace.some("job.attempt")?;
    trace.hangs("job.attempt", &first, "internal")?;
    let [before, after] = lives.as_slice() else {
        anyhow::bail!("two processes had the job, and {} say so", lives.len());
    };
    ensure!(before.links.is_empty(), "{before:?}");
    let link = (before.trace_id.clone(), before.span_id.clone());
    ensure!(after.links == [link.clone()], "{after:?} does not link to {before:?}");

    for step in ["redfish.discover", "iso.build", "redfish.mount.task", "redfish.mount.maintenance"]
    {
        trace.hangs(step, &[*before], "internal")?;
    }
    for step in ["cleanup.unmount", "cleanup.reset"] {
        trace.hangs(step, &[*after], "internal")?;
    }
    trace.hangs("medium.build", &trace.some("iso.build")?, "internal")?;
    let steps: Vec<&Span> =
        trace.0.iter().copied().filter(|span| !span.get("step").is_empty()).collect();
    for method in ["GET", "POST", "PATCH"] {
        trace.hangs(method, &steps, "client")?;
    }
    let changes = trace.some("POST")?;
    let mounted = changes.iter().any(|it| it.get("op") == "mount.task" && !it.failed);
    ensure!(mounted, "no request inserted the task medium: {changes:?}");
    let busy = changes.iter().find(|it| it.get("error.type") == "503");
    ensure!(busy.is_some_and(|it| it.failed), "the busy BMC is in no span: {changes:?}");
    let again = changes.iter().filter(|it| it.get("http.request.resend_count") == "1").count();
    ensure!(again == 1, "{again} requests were sent again");

    trace.hangs("media.open", &first, "server")?;
    trace.hangs(WEBHOOK, &first, "server")?;
    let reports = trace.some(WEBHOOK)?;
    let foreign = (FOREIGN[0].to_owned(), FOREIGN[1].to_owned());
    let linked = reports.iter().filter(|report| report.links == [foreign.clone()]).count();
    ensure!(linked == 1, "{linked} reports link to the trace that one of them came with");

    let run = trace.one("job.run")?;
    trace.hangs("job.run", &first, "internal")?;
    let second = (after.trace_id.clone(), after.span_id.clone());
    ensure!(run.links == [link, second], "{run:?} does not link to both processes");
    ensure!(run.get("outcome") == "succeeded" && !run.failed, "{run:?}");
    trace.hangs("wait", &[run], "internal")?;
    let waited = trace.some("wait")?;
    ensure!(waited.iter().any(|wait| wait.get("phase") == "await_report"), "{waited:?}");
    let longest = waited.iter().map(|wait| wait.nanos).max().unwrap_or_default();
    ensure!(run.nanos > longest && longest > 0, "the run is shorter than its waits");
    Ok(())
}

/// What is asked every second tells nothing, and no span has a whole address.
fn nothing_frequent(spans: &[Span]) -> Result<()> {
    for span in spans {
        let route = span.get("http.route");
        let frequent = ["/livez", "/readyz", "/metrics"].contains(&route);
        ensure!(!frequent && !route.starts_with("/media/"), "{span:?}");
        for name in ["url.full", "url.query"] {
            ensure!(!span.attributes.contains_key(name), "{span:?} has {name}");
        }
        let asked = span.attributes.values().any(|value| value.contains('?'));
        ensure!(!asked, "{span:?} has a query");
    }
    Ok(())
}
