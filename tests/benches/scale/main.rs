//! What one controller carries, measured from outside: a fleet installed through simulated BMCs with
//! and without dead ones among them, the memory of many servers, reads of jobs, and starts with a
//! long history or with jobs in flight. Run with `cargo xtask bench scale`.
#![expect(clippy::print_stdout, reason = "a bench prints its result")]

mod fleet;
mod history;
mod in_flight;
#[path = "../lean/mod.rs"]
#[expect(dead_code, reason = "the other benchmark posts")]
mod lean;
#[path = "../processor/mod.rs"]
mod processor;
mod reader;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shoal_tests::{Api, BootMedium, Config, Controller, Programs, install_crypto};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<()> {
    install_crypto();
    let programs = Programs::release()?;
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let is_wanted = |part: &str| wanted.as_deref().is_none_or(|word| word == part);
    let scratch = tempfile::tempdir()?;
    BootMedium::make(&scratch.path().join("static"))?;
    if is_wanted("history") {
        history::measure(&programs, scratch.path()).await?;
    }
    if is_wanted("in_flight") {
        in_flight::measure(&programs, scratch.path()).await?;
    }
    if is_wanted("fleet") {
        fleet::measure(&programs, scratch.path()).await?;
    }
    Ok(())
}

fn config(scratch: &Path, name: &str) -> Config {
    Config::new(scratch.join(name), scratch.join("static"))
}

/// A server with nobody at its BMC's address.
async fn enrol_absent(api: &Api, serial: &str) -> Result<()> {
    let record = json!({
        "bmc_address": format!("https://127.0.0.1:1/{serial}"),
        "credentials": {"user": "nobody", "password": "nothing"},
        "tls": {"policy": "pin", "sha256": "0".repeat(64)},
    });
    api.put_server(serial, &record).await?.wants(201)?;
    Ok(())
}

/// Does something for every number below `count`, eight at a time.
async fn each<F>(
    api: &Api,
    count: u32,
    call: impl Fn(Api, u32) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    const AT_ONCE: u32 = 8;
    let mut clients = JoinSet::new();
    for first in 0..AT_ONCE {
        let (api, call) = (api.clone(), call.clone());
        clients.spawn(async move {
            for number in (first..count).step_by(AT_ONCE as usize) {
                call(api.clone(), number).await?;
            }
            anyhow::Ok(())
        });
    }
    clients.join_all().await.into_iter().collect()
}

/// Resident memory of the controller, MiB.
fn memory(controller: &Controller) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", controller.ready().pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse::<u64>()? / 1024)
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    let done = work.await?;
    Ok((done, begun.elapsed()))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("{pointer} is missing"))
}
