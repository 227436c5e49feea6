//! A BMC that others wrote: sushy-emulator of the `OpenStack` project. It has no sessions, keeps virtual media under
//! the system only, downloads a medium whole at insertion, and takes seconds to change power. Behind
//! it is no host, so this scenario plays the maintenance OS, with the real dispatcher and reporter.

mod emulator;
mod maintenance;

use anyhow::{Result, ensure};
use shoal_tests::{Follow, linux_job};

use self::emulator::Emulator;
use crate::{
    Group, proof,
    stage::Stage,
    suite::{Place, Scenario},
};

pub(crate) use self::emulator::is_installed;

const SERIAL: &str = "SUSHY-1";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let name = "sushy-emulator: a Linux job inserts both media, boots, is reported and ejects";
    vec![Scenario::new(Group::Sushy, None, name, install)]
}

async fn install(place: Place) -> Result<()> {
    let stage =
        Stage::set_with(&place, |config| config.budget("quiet", 10).budget("look", 5)).await?;
    let emulator = Emulator::start(&place.directory.join("emulator")).await?;
    emulator.switch_on().await?;
    stage.api.put_server(SERIAL, &emulator.record()).await?.wants(201)?;
    let job = stage.api.create_job(&linux_job(SERIAL)?).await?;
    let follow = Follow::start(&stage.api, &job);

    follow.phase("await_report").await?;
    let seen = emulator.look().await?;
    ensure!(seen.power == "On", "the machine waits for a report while it is {}", seen.power);
    ensure!(seen.inserted == 2, "{} media are in", seen.inserted);
    ensure!(seen.boot_target == "Cd", "the machine boots from {}", seen.boot_target);
    let medium = emulator.downloaded("task.iso")?;
    ensure!(emulator.downloaded("boot.iso").is_ok(), "the boot medium was not downloaded");
    maintenance::report_success(&place, &medium, emulator::UUID).await?;

    follow.completed().await?;
    let ended = stage.api.job(&job).await?;
    ensure!(ended.succeeded() && ended.warnings.is_empty(), "{}", ended.story());
    ensure!(ended.attempt == 1, "{}", ended.story());
    proof::history(&stage.api, &job, &follow).await?;
    let seen = emulator.look().await?;
    ensure!(seen.inserted == 0, "{} media are left in", seen.inserted);
    ensure!(seen.power == "On", "the installed system is {}", seen.power);
    emulator.stop().await?;
    stage.strike([]).await
}
