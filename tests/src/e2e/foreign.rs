//! The simulated BMC in the hands of programs that are not ours: clients drive it as they drive
//! real ones, and the validators of the DMTF and of `OpenStack` judge what it answers. It was made
//! beside our client; what only the two of them agree about is found here.

mod bmc;
mod clients;
mod known;
mod tool;
mod validators;

use std::path::PathBuf;

use shoal_tests::python_tools;

use crate::suite::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = validators::scenarios();
    scenarios.extend(clients::scenarios());
    scenarios
}

/// Whether everything the scenarios start and read is there.
pub(crate) fn is_installed() -> bool {
    let program = |name: &str| tool::program(name).is_ok();
    let file = |found: anyhow::Result<PathBuf>| found.is_ok_and(|path| path.exists());
    python_tools().is_some()
        && clients::PROGRAMS.into_iter().chain(validators::PROGRAMS).all(program)
        && file(validators::schemas())
        && file(validators::profile())
}
