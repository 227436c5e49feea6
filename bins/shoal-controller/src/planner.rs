//! What a request amounts to: its workflow, budgets and boot medium, decided once at POST.

use shoal_api::{JobRequest, Planned, Planner, Warning};
use shoal_core::{InstallerEnd, Plan, Workflow};
use shoal_recipe::{Code, Problem};

use crate::{boot_medium::BootMedia, settings::InForce};

/// The configuration's say in a plan.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Has the budgets of every workflow.
    pub(crate) in_force: InForce,
    /// What jobs boot unless they name something else.
    pub(crate) boot: BootMedia,
}

impl Planner for Rules {
    fn plan(&self, request: &JobRequest) -> Result<Planned, Vec<Problem>> {
        let recipe = &request.recipe.recipe;
        let workflow = recipe.workflow();
        let mut warnings: Vec<Warning> = request.recipe.lints.iter().map(Warning::from).collect();
        let boot_url = self.boot_url(request, workflow)?;
        if let Some(url) = &boot_url {
            shoal_redfish::MediaUrl::parse(url).map_err(|error| vec![unusable(&error)])?;
        }
        let boot_evidence = boot_url.is_none() && self.boot.gives_evidence(workflow);
        if !boot_evidence {
            warnings.push(no_evidence(workflow));
        }
        if workflow == Workflow::Esxi && boot_url.is_some() {
            warnings.push(unchecked_installer());
        }
        let mut plan = Plan::for_workflow(workflow, recipe.task_target.as_str());
        plan.on_failure = request.on_failure;
        plan.boot_evidence = boot_evidence;
        if let Some(kickstart) = &recipe.ks_cfg {
            plan.installer_end = installer_end(kickstart.reveal());
        }
        if let Some(budgets) = self.in_force.now().jobs.budgets.get(&workflow) {
            plan.budgets = budgets.clone();
        }
        Ok(Planned { plan, boot_url, warnings })
    }
}

impl Rules {
    /// The outside address of the boot medium; none for our own.
    fn boot_url(
        &self,
        request: &JobRequest,
        workflow: Workflow,
    ) -> Result<Option<String>, Vec<Problem>> {
        if let Some(url) = &request.maintenance_iso_url {
            return Ok(Some(url.as_str().to_owned()));
        }
        if let Some(url) = self.boot.outside(workflow) {
            return Ok(Some(url.to_owned()));
        }
        if self.boot.own(workflow).is_some() {
            return Ok(None);
        }
        if workflow == Workflow::Esxi {
            return Err(vec![Problem {
                path: "/recipe/task_target".to_owned(),
                code: Code::UnsupportedValue,
                message: "no ESXi installer is configured; set ESXI_INSTALLER_URL, or name one in \
                          maintenance_iso_url"
                    .to_owned(),
            }]);
        }
        Err(vec![Problem {
            path: "/maintenance_iso_url".to_owned(),
            code: Code::MissingField,
            message: "no boot medium is configured; set MAINTENANCE_ISO_URL or name one here"
                .to_owned(),
        }])
    }
}

/// What it means for a job that nobody sees its boot medium being read.
fn no_evidence(workflow: Workflow) -> Warning {
    let ends = if workflow == Workflow::Esxi {
        "; an ESXi installation shows by its reads that it is done, so this job will be held for a \
         decision at its deadline"
    } else {
        ""
    };
    Warning {
        code: "no_boot_evidence".to_owned(),
        path: "/maintenance_iso_url".to_owned(),
        message: format!(
            "reads of this boot medium prove nothing: the boot is believed when the machine is on, \
             and a lost power-on is resolved only at its deadline{ends}"
        ),
    }
}

/// Nobody looked into the installer's boot configuration.
fn unchecked_installer() -> Warning {
    Warning {
        code: "unchecked_installer".to_owned(),
        path: "/maintenance_iso_url".to_owned(),
        message: "this installer is not served from here and was not checked: its boot.cfg must \
                  carry ks=cdrom:/KS.CFG, or ks=usb for a BMC with one CD and one USB slot"
            .to_owned(),
    }
}

fn unusable(error: &shoal_redfish::MediaUrlError) -> Problem {
    Problem {
        path: "/maintenance_iso_url".to_owned(),
        code: Code::BadUrl,
        message: format!("BMCs cannot take this address of a boot medium: {error}"),
    }
}

/// A kickstart file ends an installation with one of these commands on a line of its own.
fn installer_end(kickstart: &str) -> InstallerEnd {
    let ends_off = kickstart
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .any(|word| matches!(word, "poweroff" | "shutdown" | "halt"));
    if ends_off { InstallerEnd::PowerOff } else { InstallerEnd::Restart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_command_of_a_kickstart_file_says_how_it_ends() {
        assert_eq!(installer_end("install --firstdisk\nreboot\n"), InstallerEnd::Restart);
        assert_eq!(installer_end("install\n  poweroff  # done\n"), InstallerEnd::PowerOff);
        assert_eq!(installer_end("# poweroff later\nreboot"), InstallerEnd::Restart);
    }
}
