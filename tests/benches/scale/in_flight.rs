//! A hundred installs under way among a thousand servers: the controller's memory, and how soon
//! every job is under way again after it was killed.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use shoal_redfish_mock::{Ending, HostScript, Step};
use shoal_tests::{Api, Controller, Follow, Machine, Programs, Rack, linux_job};
use tokio::task::JoinSet;

use crate::{config, each, enrol_absent, memory};

const SERVERS: u32 = 1_000;
const ACTIVE: u32 = 100;

pub(crate) async fn measure(programs: &Programs, scratch: &Path) -> Result<()> {
    let mut config = config(scratch, "in-flight").budget("settle", 1).budget("quiet", 2);
    config.workers = 32;
    let mut controller = Controller::start(programs, config).await?;
    println!("{:>8} MiB resident, nothing known", memory(&controller)?);
    let api = controller.api()?;
    each(&api, SERVERS - ACTIVE, async |api, number| {
        enrol_absent(&api, &format!("IDLE-{number}")).await
    })
    .await?;
    let rack = Rack::new(programs, scratch.join("in-flight-rack"), controller.ca()?).speed(60);
    let mut starting = JoinSet::new();
    for number in 0..ACTIVE {
        let script = HostScript::ending(Ending::HangAt(Step::Partition));
        let machine = rack.add("idrac9-6x", &format!("SN-{number}"), script).await?;
        starting.spawn(installing(api.clone(), machine));
    }
    let started: Result<Vec<(Machine, Follow)>> = starting.join_all().await.into_iter().collect();
    let started = started?;
    println!(
        "{:>8} MiB resident, {SERVERS} servers known and {ACTIVE} jobs active (target 128)",
        memory(&controller)?
    );
    controller.kill().await?;
    let begun = Instant::now();
    controller.restart().await?;
    for (_, follow) in &started {
        follow.wait_for(|event| event.kind == "resumed").await?;
    }
    let took: Duration = begun.elapsed();
    println!(
        "{:>8.2} s from start after a kill until all {ACTIVE} jobs go on (target 5)",
        took.as_secs_f64()
    );
    controller.stop().await?;
    for (machine, _) in started {
        machine.shutdown().await;
    }
    Ok(())
}

/// Brings a machine to where it stands still in its first step.
async fn installing(api: Api, machine: Machine) -> Result<(Machine, Follow)> {
    api.enrol(&machine).await?;
    let job = api.create_job(&linux_job(machine.serial())?).await?;
    let follow = Follow::start(&api, &job);
    follow.phase("await_report").await?;
    Ok((machine, follow))
}
