//! `[budgets.<workflow>]` of the file: the time budgets of one workflow, each key one field of
//! [`Budgets`]. The defaults are the core's, so that configuration and job agree.

use std::{collections::BTreeMap, time::Duration};

use shoal_core::{Budgets, Workflow};

use super::{Error, duration, reader::Reader};

/// Every workflow by the name it has in the file.
pub(super) const WORKFLOWS: [(&str, Workflow); 5] = [
    ("linux", Workflow::Linux),
    ("windows", Workflow::Windows),
    ("esxi", Workflow::Esxi),
    ("firmware", Workflow::Firmware),
    ("maintenance", Workflow::Maintenance),
];

/// One field of the budgets.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) of: fn(&mut Budgets) -> &mut Duration,
    pub(super) meaning: &'static str,
}

/// Every field, in the order of the reference.
pub(super) const FIELDS: [Field; 13] = [
    Field {
        name: "boot",
        of: |b| &mut b.boot,
        meaning: "From claimed to powered on, and again from there until the boot medium is read.",
    },
    Field {
        name: "poll",
        of: |b| &mut b.poll,
        meaning: "From the power-on intent until the BMC says what became of it.",
    },
    Field {
        name: "report",
        of: |b| &mut b.report,
        meaning: "From the observed boot until the machine must have reported.",
    },
    Field {
        name: "stuck",
        of: |b| &mut b.stuck,
        meaning: "Without progress for this long a job counts as stuck; must be below `report`.",
    },
    Field {
        name: "cleanup",
        of: |b| &mut b.cleanup,
        meaning: "From the outcome until cleanup gives up and says what it left.",
    },
    Field {
        name: "provisioning",
        of: |b| &mut b.provisioning,
        meaning: "All of provisioning; `JOB_STUCK_TIMEOUT` unless set, and never above it.",
    },
    Field {
        name: "settle",
        of: |b| &mut b.settle,
        meaning: "After a report, before power is cut.",
    },
    Field {
        name: "off_confirm",
        of: |b| &mut b.off_confirm,
        meaning: "How long Off must be seen before it is believed.",
    },
    Field {
        name: "stable_on",
        of: |b| &mut b.stable_on,
        meaning: "How long a restarted machine must stay on to count as installed (ESXi).",
    },
    Field {
        name: "quiet",
        of: |b| &mut b.quiet,
        meaning: "Quiet time before the BMC is asked how the machine is.",
    },
    Field { name: "look", of: |b| &mut b.look, meaning: "Between two looks at the BMC." },
    Field {
        name: "first_boot_grace",
        of: |b| &mut b.first_boot_grace,
        meaning: "After delivery no later job cuts power for this long.",
    },
    Field {
        name: "resume_grace",
        of: |b| &mut b.resume_grace,
        meaning: "After the controller was away no deadline fires for this long.",
    },
];

/// Whether that is the table of a workflow.
pub(super) fn is_table(path: &str) -> bool {
    WORKFLOWS.iter().any(|(name, _)| path.strip_prefix("budgets.") == Some(name))
}

/// Whether that is a field of a workflow's table.
pub(super) fn is_key(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(table, field)| {
        is_table(table) && FIELDS.iter().any(|known| known.name == field)
    })
}

/// Reads all budgets and checks each workflow's against each other.
pub(super) fn read(
    reader: &Reader,
    stuck_timeout: Duration,
) -> Result<BTreeMap<Workflow, Budgets>, Error> {
    let mut all = BTreeMap::new();
    for (name, workflow) in WORKFLOWS {
        let mut budgets = Budgets::for_workflow(workflow);
        budgets.provisioning = stuck_timeout;
        let key = |field: &str| format!("budgets.{name}.{field}");
        for field in FIELDS {
            let given = reader.optional(&key(field.name), duration::EXPECTED, duration::parse)?;
            if let Some(given) = given {
                *(field.of)(&mut budgets) = given;
            }
        }
        if budgets.provisioning > stuck_timeout {
            let reason = "it must not exceed JOB_STUCK_TIMEOUT";
            return Err(reader.contradiction(&key("provisioning"), reason));
        }
        if let Err(error) = budgets.check() {
            // The key to blame is one that somebody set; defaults agree with each other.
            let suspects = [key("report"), key("stuck"), key("provisioning")];
            let culprit = suspects.iter().find(|suspect| reader.is_given(suspect));
            let culprit = culprit.map_or("JOB_STUCK_TIMEOUT", String::as_str);
            return Err(reader.contradiction(culprit, &format!("budgets of {name}: {error}")));
        }
        all.insert(workflow, budgets);
    }
    Ok(all)
}
