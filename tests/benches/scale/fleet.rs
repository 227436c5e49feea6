//! A thousand installs over two hundred machines, once with all BMCs well and once with a tenth of
//! them dead: half refuse connections, half accept them and never say a word.

use std::{
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use shoal_redfish_mock::HostScript;
use shoal_tests::{Api, Controller, Follow, Machine, Programs, Rack, linux_job};
use tokio::{net::TcpListener, task::JoinSet, time::interval};

use crate::{config, enrol_absent, processor};

const MACHINES: u32 = 200;
const DEAD: u32 = 20;
/// Jobs that each machine runs, one after the other.
const ROUNDS: u32 = 5;
/// A quarter of the machines at a time: what an operator of this many would set, and few enough that
/// a place which a dead BMC holds is missed.
const WORKERS: usize = 48;
/// Between the first jobs of two machines, so that the load is even.
const APART: Duration = Duration::from_millis(400);

pub(crate) async fn measure(programs: &Programs, scratch: &Path) -> Result<()> {
    let well = run(programs, scratch, "well", false).await?;
    let ill = run(programs, scratch, "ill", true).await?;
    println!(
        "{:>8.2} x: P99 of the machines that are well, with {DEAD} of {MACHINES} BMCs dead \
         (target 1.10)",
        ill.as_secs_f64() / well.as_secs_f64()
    );
    Ok(())
}

/// Gives the P99 of the machines that are well in both runs.
async fn run(programs: &Programs, scratch: &Path, name: &str, with_dead: bool) -> Result<Duration> {
    let mut config = config(scratch, name)
        .budget("settle", 1)
        .budget("quiet", 2)
        .budget("look", 1)
        .budget("off_confirm", 2);
    config.workers = WORKERS;
    let mut controller = Controller::start(programs, config).await?;
    let api = controller.api()?;
    let rack =
        Rack::new(programs, scratch.join(format!("{name}-rack")), controller.ca()?).speed(30);
    // Connections to it are accepted by the kernel and never answered.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    if with_dead {
        for number in 0..DEAD {
            dead(&api, &silent, number).await?;
        }
    }
    let (begun, mut chains, mut apart) = (Instant::now(), JoinSet::new(), interval(APART));
    for number in DEAD..MACHINES {
        apart.tick().await;
        let machine = rack.add("idrac9-6x", &format!("SN-{number}"), host()).await?;
        chains.spawn(chain(api.clone(), machine));
    }
    let ended: Result<Vec<Vec<Duration>>> = chains.join_all().await.into_iter().collect();
    let mut took: Vec<Duration> = ended?.into_iter().flatten().collect();
    took.sort_unstable();
    let elapsed = begun.elapsed().as_secs_f64();
    let jobs = u32::try_from(took.len())?;
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().context("no job ended");
    let (median, p99) = (at(50)?, at(99)?);
    println!(
        "{jobs:>8} jobs on machines that are well, {name}: none failed; {:.0} a minute, P50 {:.1} s, \
         P99 {:.1} s, {:.3} s of the controller's processor time each",
        f64::from(jobs) * 60.0 / elapsed,
        median.as_secs_f64(),
        p99.as_secs_f64(),
        processor::used(controller.ready().pid)?.as_secs_f64() / f64::from(jobs)
    );
    // A stop would wait for the requests that silent BMCs hold.
    controller.kill().await?;
    Ok(p99)
}

/// A server whose BMC refuses connections, or never answers them; with a job on it.
async fn dead(api: &Api, silent: &TcpListener, number: u32) -> Result<()> {
    let serial = format!("DEAD-{number}");
    if number.is_multiple_of(2) {
        enrol_absent(api, &serial).await?;
    } else {
        let record = json!({
            "bmc_address": format!("https://{}", silent.local_addr()?),
            "credentials": {"user": "nobody", "password": "nothing"},
            "tls": {"policy": "pin", "sha256": "0".repeat(64)},
        });
        api.put_server(&serial, &record).await?.wants(201)?;
    }
    api.create_job(&linux_job(&serial)?).await?;
    Ok(())
}

/// One machine's jobs, one after the other; how long each took.
async fn chain(api: Api, machine: Machine) -> Result<Vec<Duration>> {
    api.enrol(&machine).await?;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let id = api.create_job(&linux_job(machine.serial())?).await?;
        Follow::start(&api, &id).completed().await?;
        took.push(begun.elapsed());
        let job = api.job(&id).await?;
        ensure!(job.succeeded() && job.warnings.is_empty(), "{}", job.story());
    }
    machine.shutdown().await;
    Ok(took)
}

fn host() -> HostScript {
    HostScript {
        post: Duration::from_secs(30),
        os_start: Duration::from_secs(15),
        step: Duration::from_secs(15),
        progress: vec![100],
        installed_start: Duration::from_secs(10),
        ..HostScript::default()
    }
}
