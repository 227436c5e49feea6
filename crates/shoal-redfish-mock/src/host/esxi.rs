//! An ESXi installer: what its loader reads from the installer's disc, where the installer looks for
//! its kickstart file, and how it ends. It reports nothing to anybody.

mod config;
mod kickstart;

use config::{BootConfig, KickstartAt};
use kickstart::{AtEnd, Kickstart};

use super::{Mishap, Run, firmware, manifest::Extent};
use crate::{
    Ending, Step,
    board::HostPhase,
    disc::{Disc, DiscError, DiscFile},
    fat::{Fat, FatError},
    medium::Window,
    timeline::{Event, Part},
};

/// Where `BOOT.CFG` lies: firmware of today starts the loader in the EFI directory.
const CONFIGS: [&str; 2] = ["EFI/BOOT/BOOT.CFG", "BOOT.CFG"];
const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
const MAX_CONFIG: u64 = 256 << 10;
const MAX_KICKSTART: u64 = 1 << 20;

/// A disc that is an ESXi installer.
pub(super) struct Installer {
    /// The loader's own file, for discs whose catalogue names no image.
    pub(super) loader: Option<Extent>,
    config: BootConfig,
    config_bytes: u64,
    files: Vec<DiscFile>,
}

/// An installer in memory.
pub(super) struct Loaded {
    slot: String,
    disc: Disc,
    kickstart: KickstartAt,
    modules: Vec<DiscFile>,
}

/// What an installer found for itself.
struct Found {
    slot: String,
    label: String,
    text: Vec<u8>,
}

/// Looks whether a disc is an ESXi installer.
pub(super) async fn recognise(disc: &Disc) -> Result<Option<Installer>, DiscError> {
    let files = disc.plain_files().await?;
    let Some(file) = CONFIGS.iter().find_map(|path| find(&files, path)) else { return Ok(None) };
    if file.len > MAX_CONFIG {
        return Ok(None);
    }
    let Some(config) = BootConfig::parse(&disc.read(file, MAX_CONFIG).await?) else {
        return Ok(None);
    };
    let loader = find(&files, LOADER).map(|file| Extent { offset: file.offset, len: file.len });
    Ok(Some(Installer { loader, config_bytes: file.len, config, files }))
}

/// Loads kernel and modules, as the loader does.
pub(super) async fn load(
    run: &Run,
    slot: &str,
    disc: Disc,
    installer: Installer,
) -> Result<Loaded, DiscError> {
    let Installer { config, config_bytes, files, .. } = installer;
    run.read(slot, Part::BootConfig, config_bytes);
    let named = |path: &str| {
        let missing = DiscError::Damaged("BOOT.CFG names a file that is not there");
        find(&files, path).cloned().ok_or(missing)
    };
    let kernel = named(&config.kernel)?;
    let modules = config.modules.iter().map(|path| named(path)).collect::<Result<Vec<_>, _>>()?;
    disc.window().read_through(kernel.offset, kernel.len).await?;
    run.read(slot, Part::Kernel, kernel.len);
    read_all(run, slot, &disc, (Part::Modules, &modules)).await?;
    Ok(Loaded { slot: slot.to_owned(), disc, kickstart: config.kickstart, modules })
}

/// Runs the installer to its end.
pub(super) async fn run(run: &mut Run, loaded: Loaded) {
    run.pass(run.script.os_start).await;
    run.enter(HostPhase::Installer, Event::InstallerUp);
    let kickstart = match find_kickstart(run, &loaded).await {
        Ok(found) => {
            run.note(Event::KickstartFound { slot: found.slot.clone(), label: found.label });
            run.read(&found.slot, Part::Kickstart, found.text.len() as u64);
            Kickstart::parse(&found.text)
        }
        Err(why) => Err(why),
    };
    let kickstart = match kickstart {
        Ok(kickstart) => kickstart,
        Err(why) => return stopped(run, &why),
    };
    // What was on the disk is gone from here on.
    run.alter(Event::StepStarted(Step::Installer), |board| board.installed = false);
    let payload = (Part::Payload, loaded.modules.as_slice());
    if let Err(error) = read_all(run, &loaded.slot, &loaded.disc, payload).await {
        firmware::read_failed(run, &loaded.slot, &error);
        return stopped(run, "the installer's own disc cannot be read");
    }
    match run.mishap(Step::Installer, run.script.install / 2).await {
        Mishap::None => {}
        Mishap::Over => return,
        Mishap::Failed => return stopped(run, "the installation failed"),
    }
    run.pass(run.script.install).await;
    run.alter(Event::InstallerDone, |board| board.installed = true);
    match (&run.script.ending, kickstart.at_end) {
        (Ending::NeverRestart, _) | (_, AtEnd::Wait) => {}
        (Ending::PowerOffAtEnd, _) | (_, AtEnd::PowerOff) => {
            run.lose_power(Event::SwitchedItselfOff, None);
        }
        (_, AtEnd::Restart) => run.restarts = true,
    }
}

fn stopped(run: &Run, why: &str) {
    run.enter(HostPhase::Hung, Event::InstallerStopped { why: why.to_owned() });
}

async fn read_all(
    run: &Run,
    slot: &str,
    disc: &Disc,
    (part, files): (Part, &[DiscFile]),
) -> Result<(), DiscError> {
    for file in files {
        disc.window().read_through(file.offset, file.len).await?;
    }
    run.read(slot, part, files.iter().map(|file| file.len).sum());
    Ok(())
}

/// Looks for the kickstart file where the boot options say, on other media before the installer's own.
async fn find_kickstart(run: &Run, loaded: &Loaded) -> Result<Found, String> {
    let mut media: Vec<_> = firmware::media(run);
    media.sort_by_key(|(slot, _)| run.bmc.slot_id(*slot) == loaded.slot);
    for (slot, medium) in media {
        let Some(facts) = run.bmc.persona.slots.get(slot) else { continue };
        let window = Window::whole(medium);
        let found = match &loaded.kickstart {
            KickstartAt::Cdrom(path) if facts.is_optical() => on_disc(window, path).await,
            KickstartAt::Usb(path) if facts.is_stick() => on_stick(window, path).await,
            _ => Ok(None),
        };
        match found {
            Ok(Some((label, text))) => return Ok(Found { slot: facts.id.clone(), label, text }),
            Ok(None) => {}
            Err(error) => firmware::read_failed(run, &facts.id, &error),
        }
    }
    Err(match &loaded.kickstart {
        KickstartAt::Cdrom(path) => format!("cdrom:/{path} is on no disc"),
        KickstartAt::Usb(path) => format!("{path} is on no USB stick"),
        KickstartAt::Nowhere => "the boot options name no kickstart file on a medium".to_owned(),
    })
}

/// The label and the file, when this is a disc that has it under exactly that plain name.
async fn on_disc(window: Window, path: &str) -> Result<Option<(String, Vec<u8>)>, DiscError> {
    let disc = match Disc::open(window).await {
        Err(DiscError::NotADisc) => return Ok(None),
        other => other?,
    };
    let files = disc.plain_files().await?;
    let Some(file) = files.iter().find(|file| file.path == path) else { return Ok(None) };
    Ok(Some((disc.label().to_owned(), disc.read(file, MAX_KICKSTART).await?)))
}

async fn on_stick(window: Window, path: &str) -> Result<Option<(String, Vec<u8>)>, DiscError> {
    let told = |error| match error {
        FatError::Medium(error) => DiscError::Medium(error),
        FatError::NotFat => DiscError::NotADisc,
        FatError::Damaged(what) => DiscError::Damaged(what),
    };
    let fat = match Fat::open(window).await {
        Err(FatError::NotFat) => return Ok(None),
        other => other.map_err(told)?,
    };
    let Some(file) = fat.file(path) else { return Ok(None) };
    let text = fat.read(file, MAX_KICKSTART).await.map_err(told)?;
    Ok(Some((fat.label().to_owned(), text)))
}

fn find<'a>(files: &'a [DiscFile], path: &str) -> Option<&'a DiscFile> {
    files.iter().find(|file| file.path.eq_ignore_ascii_case(path))
}
