//! Clients that others wrote, and that were tried on many real BMCs: sushy, with which `OpenStack`
//! Ironic provisions, and the command line tools of the DMTF. Each boots a machine from virtual
//! media and cleans up; what that did is read from the machine itself.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use shoal_redfish_mock::{BootFrom, Clock, EffectKind, Event, Mock};
use shoal_tests::{BootMedium, PATIENCE};

use super::{
    bmc::{self, PASSWORD, USER},
    tool,
};
use crate::{
    BY_IMPORT, Group, PERSONAS,
    outside::Outside,
    suite::{Place, Scenario},
};

pub(super) const PROGRAMS: [&str; 4] =
    ["python", "rf_virtual_media.py", "rf_boot_override.py", "rf_power_reset.py"];
/// So many times as fast as ours, the time of the machines runs.
const SPEED: u32 = 20;
const PROVISION: &str = include_str!("provision.py");
/// Kinds of BMC that sushy cannot drive as it is told to here: it takes the first slot for discs,
/// which is not always one that boots, and has an image over plain HTTP, which not all take.
const BEYOND_SUSHY: [&str; 4] = [BY_IMPORT, "ami-megarac", "idrac10", "openbmc"];
/// Kinds of BMC that the tools of the DMTF cannot drive: an empty text as image is a slot in use to
/// them, and to have accepted a reset without a task to ask is to have failed it.
const BEYOND_TACKLEBOX: [&str; 8] =
    [BY_IMPORT, "ilo5", "ilo6", "openbmc", "ami-megarac", "smc-x12", "smc-x13", "idrac10"];

pub(super) fn scenarios() -> Vec<Scenario> {
    let by_sushy = PERSONAS.into_iter().filter(|persona| !BEYOND_SUSHY.contains(persona));
    let by_sushy = by_sushy.map(|persona| {
        let name = "sushy boots the machine from virtual media and cleans up";
        Scenario::new(Group::Foreign, Some(persona), name, move |place| sushy(place, persona))
    });
    let by_tacklebox = PERSONAS.into_iter().filter(|persona| !BEYOND_TACKLEBOX.contains(persona));
    let by_tacklebox = by_tacklebox.map(|persona| {
        let name = "the tools of the DMTF boot the machine from virtual media and clean up";
        Scenario::new(Group::Foreign, Some(persona), name, move |place| tacklebox(place, persona))
    });
    by_sushy.chain(by_tacklebox).collect()
}

async fn sushy(place: Place, persona: &'static str) -> Result<()> {
    let subject = Subject::start(&place, persona).await?;
    let script = subject.directory.join("provision.py");
    fs::write(&script, PROVISION).context("write what sushy is to do")?;
    let script = script.display().to_string();
    let url = subject.mock.url();
    let part = |part| [script.as_str(), part, &url, USER, PASSWORD];
    let start = [part("start").as_slice(), &[&subject.image.url]].concat();
    tool::succeed("python", &start, &subject.directory).await?;
    subject.booted().await?;
    tool::succeed("python", &part("end"), &subject.directory).await?;
    subject.cleaned_up().await
}

async fn tacklebox(place: Place, persona: &'static str) -> Result<()> {
    let subject = Subject::start(&place, persona).await?;
    let image = subject.image.url.as_str();
    subject.run("rf_virtual_media.py", &["insert", "--image", image]).await?;
    // An insertion that was merely accepted is still under way.
    subject.wait_for(|event| matches!(event, Event::MediumOpened { .. })).await?;
    let slots = subject.mock.state().slots;
    let filled = slots.into_iter().find(|slot| slot.image.is_some());
    let slot = filled.context("no slot holds an image")?.id;
    let told = subject.run("rf_virtual_media.py", &["info"]).await?;
    ensure!(told.contains(&slot), "the tool does not list slot {slot}:\n{told}");
    subject.run("rf_boot_override.py", &["--target", "Cd", "--mode", "UEFI"]).await?;
    subject.run("rf_power_reset.py", &["--type", "On"]).await?;
    subject.booted().await?;
    subject.run("rf_power_reset.py", &["--type", "ForceOff"]).await?;
    subject.run("rf_virtual_media.py", &["eject", "--id", &slot]).await?;
    subject.run("rf_boot_override.py", &["--target", "None"]).await?;
    subject.cleaned_up().await
}

/// A machine in the hands of a client, and the image it is to boot.
struct Subject {
    mock: Mock,
    image: Outside,
    directory: PathBuf,
}

impl Subject {
    async fn start(place: &Place, persona: &str) -> Result<Self> {
        let directory = place.directory.join("client");
        fs::create_dir_all(&directory).context("make the client's directory")?;
        let image = Outside::serve(&place.static_dir.join(BootMedium::NAME)).await?;
        let mock =
            bmc::start(persona, &place.directory.join("machine"), Clock::scaled(SPEED)).await?;
        Ok(Self { mock, image, directory })
    }

    /// Runs one of the tools that take their target and credentials as options.
    async fn run(&self, tool: &str, words: &[&str]) -> Result<String> {
        let url = self.mock.url();
        let service = ["-u", USER, "-p", PASSWORD, "-r", &url];
        tool::succeed(tool, &[&service, words].concat(), &self.directory).await
    }

    async fn wait_for(&self, wanted: impl Fn(&Event) -> bool) -> Result<()> {
        let seen = self.mock.wait_for(PATIENCE, |moment| wanted(&moment.event)).await;
        seen.map(drop).context("it did not happen at the machine")
    }

    /// The machine has booted once, and from the image.
    async fn booted(&self) -> Result<()> {
        self.wait_for(|event| matches!(event, Event::Booted(_))).await?;
        let boots = self.mock.boots();
        let from: Vec<_> = boots.iter().map(|boot| boot.from).collect();
        ensure!(from == [BootFrom::BootMedium], "it booted from {from:?}");
        Ok(())
    }

    /// One of each was done, nothing is left, and nobody is logged in.
    async fn cleaned_up(self) -> Result<()> {
        let journal = self.mock.journal();
        let once =
            [EffectKind::Insert, EffectKind::BootOnce, EffectKind::PowerOn, EffectKind::Eject];
        for kind in once {
            let count = journal.count(kind);
            ensure!(count == 1, "{kind:?} happened {count} times: {:?}", journal.effects());
        }
        let state = self.mock.state();
        ensure!(!state.on, "the machine is still on");
        ensure!(state.slots.iter().all(|slot| slot.image.is_none()), "an image is left in");
        ensure!(state.boot.enabled == "Disabled", "the override is left: {:?}", state.boot);
        ensure!(state.sessions == 0, "{} sessions are left open", state.sessions);
        self.mock.shutdown().await;
        Ok(())
    }
}
