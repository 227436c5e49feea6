//! What the API costs beside the store it writes to, measured from outside: durable `POST /jobs` with
//! bearer tokens and eight clients against the store's own single-row commits, and reports from a
//! maintenance OS at a steady rate. Run with `cargo xtask bench api`.
#![expect(clippy::print_stdout, reason = "a bench prints its result")]

#[path = "lean/mod.rs"]
#[expect(dead_code, reason = "the other benchmark reads")]
mod lean;
#[path = "processor/mod.rs"]
mod processor;

use std::{
    path::Path,
    process::id,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::json;
use shoal_core::Time;
use shoal_redfish_mock::{Ending, Event, HostScript, Step};
use shoal_store::{AuditEntry, Options, Sealing, Store};
use shoal_tests::{
    Api, BootMedium, Config, Controller, Follow, Machine, Programs, Rack, Ready, install_crypto,
    linux_job,
};
use tokio::{runtime, task::JoinSet};

use crate::lean::Client;

const CLIENTS: u32 = 8;
/// Jobs per client; each needs a server of its own, since a server has one unfinished job.
const JOBS: u32 = 600;
const ROWS_MEASURED: Duration = Duration::from_secs(3);
const REPORTS_PER_SECOND: u32 = 200;
const REPORTS: u32 = 1_000;
/// Machines that report by turns; each may say this many things at once and then one a second.
const MACHINES: u32 = 60;

#[tokio::main]
async fn main() -> Result<()> {
    install_crypto();
    let programs = Programs::release()?;
    let scratch = tempfile::tempdir()?;
    BootMedium::make(&scratch.path().join("static"))?;
    let commits = single_rows(&scratch.path().join("rows")).await?;
    println!("{commits:>8.0} acknowledged single-row commits/s, {CLIENTS} writers");
    let Posted { rate, controller, client } = post_jobs(&programs, scratch.path()).await?;
    println!(
        "{rate:>8.0} durable POST /jobs per second, {CLIENTS} clients: {:.2} of the commits \
         (target 0.20 and 500/s)",
        rate / commits
    );
    let per_thousand = |used: Duration| used.as_secs_f64() * 1e6 / f64::from(CLIENTS * JOBS);
    println!(
        "{:>8.0} ms of the controller's processor time for 1,000 jobs, {:.0} ms of the clients'",
        per_thousand(controller),
        per_thousand(client)
    );
    let p95 = report_latency(&programs, scratch.path()).await?;
    println!(
        "{:>8.1} ms P95 from sending a report to its answer after commit, {REPORTS_PER_SECOND}/s \
         (target 50 ms)",
        p95.as_secs_f64() * 1e3
    );
    Ok(())
}

/// What the store can do with its smallest write, an entry of the audit log, as many at a time.
async fn single_rows(directory: &Path) -> Result<f64> {
    std::fs::create_dir_all(directory)?;
    let store = Store::open(Options {
        path: directory.join("rows.db"),
        instance: "bench".to_owned(),
        sealing: Sealing::generate()?,
    })?;
    let (begun, mut writers) = (Instant::now(), JoinSet::new());
    for _ in 0..CLIENTS {
        let store = store.clone();
        writers.spawn(async move {
            let mut commits = 0_u32;
            while begun.elapsed() < ROWS_MEASURED {
                let [action, target, detail] = ["row.add", "row", ""].map(str::to_owned);
                let entry = AuditEntry { actor: "bench".into(), action, target, detail, ok: true };
                store.audit(entry, Time::from_millis(0)).await?;
                commits += 1;
            }
            anyhow::Ok(commits)
        });
    }
    let commits = writers.join_all().await.into_iter().sum::<Result<u32>>()?;
    let rate = f64::from(commits) / begun.elapsed().as_secs_f64();
    store.close().await?;
    Ok(rate)
}

/// What posting jobs came to.
struct Posted {
    /// Jobs per second.
    rate: f64,
    /// Processor time of the controller.
    controller: Duration,
    /// Processor time of this process.
    client: Duration,
}

/// Jobs are accepted and stay queued: without workers nothing else writes.
async fn post_jobs(programs: &Programs, scratch: &Path) -> Result<Posted> {
    let mut config = Config::new(scratch.join("jobs"), scratch.join("static"));
    config.workers = 0;
    let controller = Controller::start(programs, config).await?;
    let api = controller.api()?;
    every_client(&api, async |api, serial| {
        let record = json!({
            "bmc_address": format!("https://127.0.0.1:1/{serial}"),
            "credentials": {"user": "nobody", "password": "nothing"},
            "tls": {"policy": "pin", "sha256": "0".repeat(64)},
        });
        api.put_server(&serial, &record).await?.wants(201)?;
        Ok(())
    })
    .await?;
    let ready = controller.ready().clone();
    // All clients on one thread: work that several hand to each other would be paid for by the
    // controller, which shares the processors with them.
    let posting = tokio::task::spawn_blocking(move || {
        runtime::Builder::new_current_thread().enable_all().build()?.block_on(post_all(&ready))
    });
    let posted = posting.await??;
    controller.stop().await?;
    Ok(posted)
}

async fn post_all(ready: &Ready) -> Result<Posted> {
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let lean = Client::connect(ready).await?;
        let request = |job| anyhow::Ok(linux_job(&serial(client, job))?.to_string());
        let bodies: Vec<String> = (0..JOBS).map(request).collect::<Result<_>>()?;
        let requests: Vec<Vec<u8>> =
            bodies.iter().map(|body| lean.post("/api/v1/jobs", body)).collect();
        clients.push((lean, requests));
    }
    let used = || anyhow::Ok((processor::used(ready.pid)?, processor::used(id())?));
    let before = used()?;
    let (begun, mut posting) = (Instant::now(), JoinSet::new());
    for (mut client, requests) in clients {
        posting.spawn(async move {
            for request in &requests {
                client.exchange(request, 202).await?;
            }
            anyhow::Ok(())
        });
    }
    posting.join_all().await.into_iter().collect::<Result<()>>()?;
    let rate = f64::from(CLIENTS * JOBS) / begun.elapsed().as_secs_f64();
    let after = used()?;
    Ok(Posted {
        rate,
        controller: after.0.saturating_sub(before.0),
        client: after.1.saturating_sub(before.1),
    })
}

fn serial(client: u32, job: u32) -> String {
    format!("SN-{client}-{job}")
}

/// Does something once for every server, all clients at a time.
async fn every_client<F>(
    api: &Api,
    call: impl Fn(Api, String) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (api, call) = (api.clone(), call.clone());
        clients.spawn(async move {
            for job in 0..JOBS {
                call(api.clone(), serial(client, job)).await?;
            }
            anyhow::Ok(())
        });
    }
    clients.join_all().await.into_iter().collect()
}

/// Progress of a rack of machines, each report with more bytes than the last, so that each is a
/// commit. One machine alone would be told to wait.
async fn report_latency(programs: &Programs, scratch: &Path) -> Result<Duration> {
    let config = Config::new(scratch.join("reports"), scratch.join("static"));
    let controller = Controller::start(programs, config).await?;
    let api = controller.api()?;
    let rack = Rack::new(programs, scratch.join("rack"), controller.ca()?);
    let mut starting = JoinSet::new();
    for number in 0..MACHINES {
        let machine = rack.add("idrac9-6x", &format!("SN-{number}"), waiting_host()).await?;
        starting.spawn(reporting(api.clone(), machine));
    }
    let ready: Result<Vec<(Machine, String)>> = starting.join_all().await.into_iter().collect();
    let machines = ready?;

    let mut tick = tokio::time::interval(Duration::from_secs(1) / REPORTS_PER_SECOND);
    let mut reports = JoinSet::new();
    for (bytes, (machine, token)) in (1..=REPORTS).zip(machines.iter().cycle()) {
        tick.tick().await;
        let (api, serial, token) = (api.clone(), machine.serial().to_owned(), token.clone());
        reports.spawn(async move {
            let report =
                json!({"status": "progress", "step": "workflow.partition", "bytes": bytes});
            let sent = Instant::now();
            api.report(&serial, &token, &report).await?.wants(200)?;
            anyhow::Ok(sent.elapsed())
        });
    }
    let taken: Result<Vec<Duration>> = reports.join_all().await.into_iter().collect();
    let mut taken = taken?;
    taken.sort_unstable();
    let p95 = taken.get(taken.len() * 95 / 100).copied().context("nothing was reported")?;
    controller.stop().await?;
    for (machine, _) in machines {
        machine.shutdown().await;
    }
    Ok(p95)
}

/// A host that stands still once it runs its first step.
fn waiting_host() -> HostScript {
    HostScript::ending(Ending::HangAt(Step::Partition))
}

/// Brings a machine to where it would report, and takes the token from its medium.
async fn reporting(api: Api, machine: Machine) -> Result<(Machine, String)> {
    api.enrol(&machine).await?;
    let job = api.create_job(&linux_job(machine.serial())?).await?;
    let follow = Follow::start(&api, &job);
    follow.phase("await_report").await?;
    machine.wait_for(|event| *event == Event::StepStarted(Step::Partition)).await?;
    let token = machine.maintenance_root().await?.join("run/provision/webhook-token");
    let token = std::fs::read_to_string(token).context("read the job's token")?;
    Ok((machine, token))
}
