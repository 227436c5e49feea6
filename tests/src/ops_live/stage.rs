//! The controller whose alerts are proven: its disks are file systems of its own, and its patience is
//! short.

use std::{path::Path, time::Duration};

use anyhow::Result;
use shoal_redfish_mock::{Ending, HostScript};
use shoal_tests::{
    Api, BootMedium, Config, Controller, EsxiInstaller, Kickstart, Machine, OwnMount, Programs,
    Rack, Ready,
};

/// Room enough for no alert to mind.
pub(crate) const ENOUGH: &str = "8g";

#[derive(Debug)]
pub(crate) struct Stage {
    controller: Controller,
    pub(crate) api: Api,
    rack: Rack,
    /// Where task media are.
    pub(crate) tasks: OwnMount,
    /// Where the job database is.
    pub(crate) database: OwnMount,
    /// Where the registry is.
    pub(crate) registry: OwnMount,
}

impl Stage {
    pub(crate) async fn set(programs: &Programs, directory: &Path) -> Result<Self> {
        let images = directory.join("static");
        BootMedium::make(&images)?;
        EsxiInstaller::make(&images, Kickstart::Cd)?;
        let tasks = OwnMount::at(directory.join("tasks"))?;
        let database = OwnMount::at(directory.join("db"))?;
        let registry = OwnMount::at(directory.join("oci"))?;
        let file = database.directory().join("provisioner.db").display().to_string();
        let config = Config::new(directory.join("controller"), &images)
            .set("TASK_ISO_DIR", tasks.directory().display().to_string())
            .set("DB_PATH", file)
            .set("REGISTRY_STORAGE", registry.directory().display().to_string())
            .set("REGISTRY_AUTH_MODE", "none")
            .set("REGISTRY_HEADROOM", "1MiB")
            .set("REGISTRY_GC_INTERVAL", "5s")
            .set("ESXI_INSTALLER_URL", Kickstart::Cd.file_name())
            .budget("settle", 1)
            .budget("quiet", 2)
            .budget("look", 1)
            .budget("off_confirm", 2)
            .budget("stable_on", 3)
            .budget("stuck", 20)
            .budget("first_boot_grace", 0)
            .budget("report", 150)
            .budget("provisioning", 600);
        let config = registry.empty(database.empty(tasks.empty(config, ENOUGH), ENOUGH), ENOUGH);
        let controller = Controller::start(programs, config).await?;
        let api = controller.api()?;
        let rack = Rack::new(programs, directory.join("rack"), controller.ca()?);
        Ok(Self { controller, api, rack, tasks, database, registry })
    }

    pub(crate) fn ready(&self) -> &Ready {
        self.controller.ready()
    }

    pub(crate) fn controller(&self) -> &Controller {
        &self.controller
    }

    pub(crate) fn pid(&self) -> u32 {
        self.ready().pid
    }

    /// A machine the controller knows.
    pub(crate) async fn machine(
        &self,
        persona: &str,
        serial: &str,
        script: HostScript,
    ) -> Result<Machine> {
        let machine = self.rack.add(persona, serial, script).await?;
        self.api.enrol(&machine).await?;
        Ok(machine)
    }

    pub(crate) async fn strike(self) -> Result<()> {
        self.controller.stop().await
    }
}

/// A host that takes a few seconds of our time and ends like that.
pub(crate) fn host(ending: Ending) -> HostScript {
    HostScript {
        ending,
        post: Duration::from_secs(20),
        os_start: Duration::from_secs(10),
        step: Duration::from_secs(10),
        progress: vec![50, 100],
        installed_start: Duration::from_secs(10),
        // Its BMC must be asked meanwhile, or nobody learns that it restarts.
        install: Duration::from_mins(2),
        ..HostScript::default()
    }
}
