//! How many whole lives one core drives: all clients run on one thread, the machines on others, and
//! what counts is the processor time of that one thread, so that a busy host changes little.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::{
    images::Images,
    machine::{Machine, images, life},
};

const MACHINES: usize = 32;
const LONG: Duration = Duration::from_secs(15);

pub(crate) fn measure() -> Result<()> {
    let others = tokio::runtime::Runtime::new()?;
    let (images, machines) = others.block_on(async {
        let mut machines = Vec::new();
        for number in 0..MACHINES {
            let persona = if number % 2 == 0 { "ilo5" } else { "idrac9-6x" };
            machines.push(Machine::start(persona, &format!("MANY{number}")).await?);
        }
        anyhow::Ok((Arc::new(images().await), machines))
    })?;
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let totals = Arc::new(Totals::default());
    let (started, before) = (Instant::now(), processor_time()?);
    here.block_on(async {
        let mut loops = JoinSet::new();
        for machine in machines {
            loops.spawn(repeat(machine, Arc::clone(&images), Arc::clone(&totals), started));
        }
        while let Some(ended) = loops.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    })?;
    let (took, used) =
        (started.elapsed().as_secs_f64(), processor_time()?.saturating_sub(before).as_secs_f64());
    let lives = as_float(totals.lives.load(Ordering::Relaxed));
    let requests = as_float(totals.requests.load(Ordering::Relaxed));
    println!("{MACHINES} machines at once, clients on one thread, for {took:.1} s:");
    println!("  {:.0} whole lives per minute of that thread's processor time", lives / used * 60.0);
    println!(
        "  {:.0} whole lives per minute as it was, sharing the host with the machines",
        lives / took * 60.0
    );
    println!("  {:.2} ms of processor time per request", used * 1000.0 / requests);
    Ok(())
}

#[derive(Default)]
struct Totals {
    lives: AtomicU64,
    requests: AtomicU64,
}

async fn repeat(
    machine: Machine,
    images: Arc<Images>,
    totals: Arc<Totals>,
    started: Instant,
) -> Result<()> {
    while started.elapsed() < LONG {
        let sent = life(machine.endpoint(&machine.mock.url())?, &images).await?;
        totals.lives.fetch_add(1, Ordering::Relaxed);
        totals.requests.fetch_add(sent, Ordering::Relaxed);
    }
    Ok(())
}

/// What this thread has used of a processor.
fn processor_time() -> Result<Duration> {
    let line = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = line.split(' ').next().context("the kernel tells no processor time")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

#[expect(clippy::cast_precision_loss, reason = "some thousand")]
fn as_float(count: u64) -> f64 {
    count as f64
}
