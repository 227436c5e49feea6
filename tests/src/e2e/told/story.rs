//! The lines of one job, from its request to its end, read as whoever is called at night reads them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{Ending, Step};
use shoal_tests::Machine;

use crate::{
    Group, PERSONAS,
    lines::{self, Line},
    nobody::Nobody,
    proof, reports,
    stage::{Stage, asked, host},
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, ..] = PERSONAS;
    vec![
        Scenario::new(
            Group::Told,
            Some(first),
            "every phase of a job is a line of its log, with the fields to find it by",
            move |place| told(place, first),
        ),
        Scenario::new(
            Group::Told,
            Some(first),
            "what goes wrong is one line, which says where and whether it is tried again",
            move |place| told_of_trouble(place, first),
        ),
    ]
}

/// Fields and the text each must hold; an empty one must only be there.
type Wanted<'a> = &'a [(&'a str, &'a str)];

/// What the worker of a job that goes well must say, in this order.
const COURSE: &[Wanted<'_>] = &[
    &[("message", "the BMC was read"), ("op", "discover"), ("vendor", "dell"), ("profile", "")],
    &done("redfish.discover", "read_bmc"),
    &[
        ("message", "task medium built"),
        ("step", "iso.build"),
        ("path", "task.iso"),
        ("size", ""),
        ("sha256", ""),
        ("duration_ms", ""),
    ],
    &done("iso.build", "build_medium"),
    &done("redfish.reset", "ensure_off"),
    &done("redfish.mount.maintenance", "ensure_ejected"),
    &request("mount.task"),
    &done("redfish.mount.task", "ensure_task_inserted"),
    &request("mount.maintenance"),
    &done("redfish.mount.maintenance", "ensure_boot_inserted"),
    &request("boot-override"),
    &done("redfish.boot-override", "ensure_boot_once"),
    &request("reset"),
    &done("redfish.reset", "power_on"),
    &[("message", "both media are ejected"), ("step", "cleanup.unmount"), ("slots", "")],
    &done("cleanup.unmount", "ensure_ejected"),
    &[("message", "the power is as the cleanup wants it"), ("reset", "on")],
    &[("message", "job event"), ("status", "complete"), ("outcome", "succeeded")],
    &done("cleanup.reset", "power_on"),
];

/// What others say of the job while its worker works: whoever takes its requests, and the machine's.
const BESIDE: &[Wanted<'_>] = &[
    &[
        ("message", "recipe validated"),
        ("step", "validation.schema"),
        ("schema_id", "urn:shoal:schema:recipe.v1"),
        ("task_target", "install-linux.target"),
        ("sha256", ""),
    ],
    &[("message", "webhook report"), ("status", "success"), ("dedupe", "false"), ("attempt", "1")],
    &[("message", "job event"), ("event", "media_read"), ("phase", "")],
];

const fn done(step: &'static str, op: &'static str) -> [(&'static str, &'static str); 6] {
    [
        ("message", "command done"),
        ("step", step),
        ("op", op),
        ("code", "done"),
        ("duration_ms", ""),
        ("worker_id", "/"),
    ]
}

const fn request(op: &'static str) -> [(&'static str, &'static str); 5] {
    [("message", "request to a BMC"), ("op", op), ("code", "20"), ("duration_ms", ""), ("bmc", "")]
}

async fn told(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    machine.switch_on().await?;
    let (job, follow) = stage.job(&machine).await?;
    follow.completed().await?;
    let shown = proof::installed(&stage.api, &job, &machine, &follow).await?;
    let trace = shown.whole.get("trace_id").and_then(Value::as_str).context("no trace id")?;
    let (trace, instance) = (trace.to_owned(), stage.controller.ready().instance.clone());
    let directory = stage.controller.directory().to_owned();
    stage.strike([machine]).await?;

    let lines = of_job(&directory, &job)?;
    for line in &lines {
        let shown = Value::from(line.clone());
        let is = |name: &str, wanted: &str| line.get(name).is_some_and(|value| value == wanted);
        ensure!(is("server_serial", "SN0001"), "no server: {shown}");
        ensure!(is("trace_id", &trace), "the trace is not {trace}: {shown}");
        let worker = line.get("worker_id").and_then(Value::as_str);
        let ours = worker.is_none_or(|worker| worker.starts_with(&format!("{instance}/")));
        ensure!(ours, "whose worker is that: {shown}");
        ensure!(!is("level", "error") && !is("level", "warn"), "nothing went wrong: {shown}");
    }
    let mut rest = lines.iter();
    for wanted in COURSE {
        ensure!(rest.any(|line| has(line, wanted)), "no line, or none in order, has {wanted:?}");
    }
    for wanted in BESIDE {
        ensure!(lines.iter().any(|line| has(line, wanted)), "no line has {wanted:?}");
    }
    Ok(())
}

async fn told_of_trouble(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set_with(&place, |config| config.set("REDFISH_RETRIES", "0")).await?;
    let failing = host(Ending::FailAt(Step::Partition));
    let machine = stage.stranger(persona, "SN0001", failing).await?;
    let bad = json!({"server_serial": machine.serial(), "recipe": {"task_target": "x"}});
    stage.api.post("/jobs", &bad).await?.wants(400)?;
    let silent = unreachable(&stage, &machine).await?;
    stage.api.put_server(machine.serial(), &machine.record()).await?.wants(200)?;
    let (job, follow) = stage.job(&machine).await?;
    let token = reports::token(&machine).await?;
    follow.completed().await?;
    proof::failed(&stage.api, &job, "workflow.partition").await?;
    let again =
        json!({"status": "failed", "failed_step": "workflow.partition", "delivery_id": "again"});
    for _ in 0..2 {
        stage.api.report(machine.serial(), &token, &again).await?.wants(200)?;
    }
    let directory = stage.controller.directory().to_owned();
    stage.strike([machine]).await?;

    let refused: Wanted<'_> = &[
        ("message", "request for a job refused"),
        ("step", "validation.schema"),
        ("code", "validation_error"),
        ("schema_id", "urn:shoal:schema:recipe.v1"),
        ("reason", ""),
        ("retried", "false"),
    ];
    let all = lines::read(&directory)?;
    ensure!(count(&all, refused) == 1, "the refused request is not in one line");
    let tried = [
        ("message", "command refused"),
        ("step", "redfish.discover"),
        ("code", "refused"),
        ("class", "transient"),
        ("retried", "true"),
        ("error", ""),
        ("duration_ms", ""),
    ];
    let lines = of_job(&directory, &silent)?;
    let (tried, told) = (count(&lines, &tried), count(&lines, &[("level", "warn")]));
    ensure!(tried > 0, "no line says that the BMC is asked again");
    ensure!(told == tried, "an error is told more than once: {tried} errors, {told} lines");
    reported(&of_job(&directory, &job)?)
}

/// A job whose BMC is not there, ended once that was seen.
async fn unreachable(stage: &Stage, machine: &Machine) -> Result<String> {
    let nobody = Nobody::new()?;
    let mut record = machine.record();
    let place = record.get_mut("bmc_address").context("a server without an address")?;
    *place = json!(format!("https://{}", nobody.address()));
    stage.api.put_server(machine.serial(), &record).await?.wants(201)?;
    let (job, follow) = stage.job(machine).await?;
    let failed = |job: &Value| job.get("fault").is_some_and(|fault| !fault.is_null());
    asked(&stage.api, &format!("/jobs/{job}"), failed).await?;
    stage.api.cancel(&job).await?;
    follow.completed().await?;
    Ok(job)
}

/// The lines of a job that failed, and whose failure was reported three times, twice in one go.
fn reported(lines: &[Line]) -> Result<()> {
    let report = |dedupe| {
        let wanted = [
            ("message", "webhook report"),
            ("status", "failed"),
            ("failed_step", "workflow.partition"),
            ("dedupe", dedupe),
        ];
        count(lines, &wanted)
    };
    ensure!(report("false") == 2, "{} reports are new", report("false"));
    ensure!(report("true") == 1, "{} reports are repetitions", report("true"));
    let off = count(lines, &[("step", "cleanup.reset"), ("reset", "off")]);
    ensure!(off == 1, "the machine was left off, and {off} lines say so");
    Ok(())
}

fn count(lines: &[Line], wanted: Wanted<'_>) -> usize {
    lines.iter().filter(|line| has(line, wanted)).count()
}

/// The lines that name a job.
pub(super) fn of_job(directory: &std::path::Path, job: &str) -> Result<Vec<Line>> {
    let mut lines = lines::read(directory)?;
    lines.retain(|line| line.get("job_id").is_some_and(|id| id == job));
    ensure!(!lines.is_empty(), "no line names the job");
    Ok(lines)
}

fn has(line: &Line, wanted: Wanted<'_>) -> bool {
    wanted.iter().all(|(name, text)| match line.get(*name) {
        Some(Value::String(value)) => value.contains(text),
        Some(value) => value.to_string().contains(text),
        None => false,
    })
}
