//! Work that goes on all the time: on each machine one job after another, of every workflow and of
//! several kinds of BMC.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::json;
use shoal_redfish_mock::{Ending, HostScript, Restart, Step};
use shoal_tests::{Api, Follow, Machine, Workflow};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::stage::{Stage, host};

/// After a job that was refused, which happens on purpose.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest end of what is under way.
const END: Duration = Duration::from_mins(5);

const COURSES: [(&str, Workflow); 4] = [
    ("idrac9-6x", Workflow::Linux),
    ("ilo5", Workflow::Windows),
    ("idrac10", Workflow::Esxi),
    ("smc-x13", Workflow::Firmware),
];

/// Jobs that follow each other until told to stop.
#[derive(Debug)]
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
    ended: Arc<AtomicU32>,
}

impl Load {
    /// Jobs that succeed, of every workflow.
    pub(crate) async fn begin(stage: &Stage) -> Result<Self> {
        let mut load = Self::none();
        for (number, (persona, workflow)) in COURSES.into_iter().enumerate() {
            let script = HostScript { restart: Restart::Warm, ..host(Ending::Succeed) };
            let machine = stage.machine(persona, &format!("LOAD{number}"), script).await?;
            load.put(stage, machine, workflow);
        }
        Ok(load)
    }

    /// One job that fails, so that there is a failure to show.
    pub(crate) async fn one_failure(stage: &Stage) -> Result<()> {
        let script = host(Ending::FailAt(Step::Firmware));
        let machine = stage.machine("smc-x13", "FAILED0", script).await?;
        let job = stage.api.create_job(&Workflow::Firmware.job(machine.serial())?).await?;
        Follow::start(&stage.api, &job).completed().await?;
        machine.shutdown().await;
        Ok(())
    }

    /// Linux jobs that fail in their image step, on so many machines.
    pub(crate) async fn failing(stage: &Stage, machines: u32) -> Result<Self> {
        let mut load = Self::none();
        for number in 0..machines {
            let script = host(Ending::FailAt(Step::ImageLinux));
            let machine = stage.machine("ilo6", &format!("FAIL{number}"), script).await?;
            load.put(stage, machine, Workflow::Linux);
        }
        Ok(load)
    }

    fn none() -> Self {
        Self { stop: watch::Sender::new(false), running: JoinSet::new(), ended: Arc::default() }
    }

    fn put(&mut self, stage: &Stage, machine: Machine, workflow: Workflow) {
        let (api, stop, ended) = (stage.api.clone(), self.stop.subscribe(), self.ended.clone());
        self.running.spawn(async move {
            work(&api, &machine, workflow, stop, &ended).await;
            machine.shutdown().await;
        });
    }

    /// How many jobs ended.
    pub(crate) fn ended(&self) -> u32 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Lets what is under way end, and begins nothing more.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.stop.send_replace(true);
        let all = async { while self.running.join_next().await.is_some() {} };
        timeout(END, all).await.context("jobs of the load did not end")
    }
}

async fn work(
    api: &Api,
    machine: &Machine,
    workflow: Workflow,
    mut stop: watch::Receiver<bool>,
    ended: &AtomicU32,
) {
    while !*stop.borrow() {
        match one(api, machine, workflow, &mut stop).await {
            Ok(()) => {
                ended.fetch_add(1, Ordering::Relaxed);
            }
            // Causes that are made on purpose refuse jobs; the load goes on after them.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn one(
    api: &Api,
    machine: &Machine,
    workflow: Workflow,
    stop: &mut watch::Receiver<bool>,
) -> Result<()> {
    let job = api.create_job(&workflow.job(machine.serial())?).await?;
    let follow = Follow::start(api, &job);
    tokio::select! {
        ended = follow.completed() => ended,
        () = told(stop) => {
            // A job that is over needs no cancelling.
            let _ = api.tell(&job, "cancel", &json!({})).await;
            follow.completed().await
        }
    }
}

/// Waits until told to stop; whoever would tell is gone when the load is.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
