//! What nearly every scenario needs: a controller, a way to ask it, and a rack of machines whose
//! time runs fast.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shoal_redfish_mock::{Ending, Fault, HostScript, Persona};
use shoal_tests::{Api, Config, Controller, Follow, Machine, PATIENCE, Rack, Workflow};

use crate::{course::Course, gate::Gate, suite::Place};

/// Between two questions about the same thing.
const PAUSE: Duration = Duration::from_millis(100);

/// A controller with a rack.
pub(crate) struct Stage {
    pub(crate) controller: Controller,
    pub(crate) api: Api,
    rack: Rack,
}

impl Stage {
    /// Starts a controller that looks often and settles soon.
    pub(crate) async fn set(place: &Place) -> Result<Self> {
        Self::set_with(place, |config| config).await
    }

    /// A stage on which that course can be run.
    pub(crate) async fn of(place: &Place, course: Course) -> Result<Self> {
        Self::set_with(place, |config| match course.kickstart() {
            Some(kickstart) => {
                // A machine that is off for a while is restarting.
                let config = config.budget("stable_on", 3).budget("off_confirm", 60);
                config.set("ESXI_INSTALLER_URL", kickstart.file_name())
            }
            None => config,
        })
        .await
    }

    pub(crate) async fn set_with(
        place: &Place,
        change: impl FnOnce(Config) -> Config,
    ) -> Result<Self> {
        let config = Config::new(place.directory.join("controller"), &place.static_dir)
            .budget("settle", 1)
            .budget("quiet", 2)
            .budget("look", 1)
            .budget("off_confirm", 2);
        let controller = Controller::start(&place.programs, change(config)).await?;
        let api = controller.api()?;
        let rack = Rack::new(&place.programs, place.directory.join("rack"), controller.ca()?);
        Ok(Self { controller, api, rack })
    }

    /// Machines from now on live so many times as fast as we do, instead of twenty times.
    pub(crate) fn speed(mut self, factor: u32) -> Self {
        self.rack = self.rack.speed(factor);
        self
    }

    /// Machines from now on report success when the gate is open.
    pub(crate) fn behind(mut self, gate: &Gate) -> Self {
        self.rack = self.rack.reporter(gate.reporter());
        self
    }

    /// A machine nobody told the controller about.
    pub(crate) async fn stranger(
        &self,
        persona: &str,
        serial: &str,
        script: HostScript,
    ) -> Result<Machine> {
        self.rack.add(persona, serial, script).await
    }

    /// A machine the controller knows.
    pub(crate) async fn machine(&self, persona: &str, script: HostScript) -> Result<Machine> {
        let machine = self.stranger(persona, "SN0001", script).await?;
        self.api.enrol(&machine).await?;
        Ok(machine)
    }

    /// A machine of no built-in kind, which the controller knows.
    pub(crate) async fn machine_like(
        &self,
        persona: Persona,
        script: HostScript,
    ) -> Result<Machine> {
        let machine = self.rack.add_like(persona, "SN0001", script).await?;
        self.api.enrol(&machine).await?;
        Ok(machine)
    }

    /// Asks for a Linux job on the machine, and follows it.
    pub(crate) async fn job(&self, machine: &Machine) -> Result<(String, Follow)> {
        self.job_of(Workflow::Linux, machine).await
    }

    /// Asks for a job of a workflow on the machine, and follows it.
    pub(crate) async fn job_of(
        &self,
        workflow: Workflow,
        machine: &Machine,
    ) -> Result<(String, Follow)> {
        self.job_with(&workflow.job(machine.serial())?).await
    }

    /// Asks for exactly this, and follows it.
    pub(crate) async fn job_with(&self, request: &Value) -> Result<(String, Follow)> {
        let job = self.api.create_job(request).await?;
        let follow = Follow::start(&self.api, &job);
        Ok((job, follow))
    }

    /// Ends everything in order; that the controller can is part of every scenario.
    pub(crate) async fn strike(self, machines: impl IntoIterator<Item = Machine>) -> Result<()> {
        self.controller.stop().await?;
        for machine in machines {
            machine.shutdown().await;
        }
        Ok(())
    }
}

/// Waits until a request is held.
pub(crate) async fn reached(fault: &Fault) -> Result<()> {
    let held = tokio::time::timeout(PATIENCE, fault.reached()).await;
    held.context("the request that was to be held never came")
}

/// Asks for a path until the answer is the wanted one: for what nothing tells by itself.
pub(crate) async fn asked(api: &Api, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let search = async {
        loop {
            last = api.get(path).await?.wants(200)?;
            if wanted(&last) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, search).await;
    found.with_context(|| format!("{path} never answered what it should; at last {last}"))??;
    Ok(last)
}

/// A host that takes about four seconds of our time and ends like that.
pub(crate) fn host(ending: Ending) -> HostScript {
    HostScript {
        ending,
        post: Duration::from_secs(20),
        os_start: Duration::from_secs(10),
        step: Duration::from_secs(10),
        progress: vec![50, 100],
        installed_start: Duration::from_secs(10),
        install: Duration::from_secs(20),
        ..HostScript::default()
    }
}
