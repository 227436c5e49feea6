//! What firmware does between POST and an operating system: uses up the override, looks at the
//! media as they are now, and reads what it boots.

use std::sync::Arc;

use super::{
    Run,
    manifest::{Extent, Manifest},
};
use crate::{
    board::HostPhase,
    disc::{Disc, DiscError},
    medium::{Medium, Window},
    timeline::{BootFrom, Event, Part},
};

/// A disc that the host booted from.
pub(super) struct Installer {
    pub(super) slot: String,
    pub(super) disc: Disc,
    pub(super) reserved: Option<Extent>,
}

/// What came of a boot.
pub(super) enum Booted {
    Installer(Installer),
    Disk,
    /// Also when an installer's disc could not be read to the end; the host then hangs.
    Nothing,
}

/// A bootable disc and what of it is to be read.
struct Candidate {
    installer: Installer,
    parts: Vec<(Part, Extent)>,
}

const MANIFEST: &str = "shoal.json";
const MAX_MANIFEST: u64 = 1 << 20;

/// Decides where to boot from and reads the boot image.
pub(super) async fn boot(run: &mut Run) -> Booted {
    let Some((target, consumed)) = begin(run) else { return Booted::Nothing };
    if consumed {
        run.note(Event::OverrideConsumed);
    }
    if let Some(candidate) = find_bootable(run, target.as_deref()).await {
        note_boot(run, BootFrom::BootMedium, HostPhase::Booting);
        return load(run, candidate).await;
    }
    if run.bmc.board().installed {
        note_boot(run, BootFrom::Disk, HostPhase::Booting);
        return Booted::Disk;
    }
    note_boot(run, BootFrom::Nothing, HostPhase::NoBootDevice);
    Booted::Nothing
}

/// Uses up the override, unless this run was cut off: an override must not be lost to a host that
/// never came so far.
fn begin(run: &Run) -> Option<(Option<String>, bool)> {
    let mut board = run.bmc.board();
    (board.run == run.number).then(|| {
        board.phase = HostPhase::Booting;
        board.consume_override()
    })
}

fn note_boot(run: &Run, from: BootFrom, phase: HostPhase) {
    let at = run.bmc.clock.resume(run.at);
    run.alter(Event::Booted(from), |board| {
        board.phase = phase;
        board.booted(from, at);
    });
}

/// The media in slots, in the order in which the persona lists the slots.
pub(super) fn media(run: &Run) -> Vec<(usize, Arc<Medium>)> {
    let board = run.bmc.board();
    let sockets = board.sockets.iter().enumerate();
    sockets.filter_map(|(slot, socket)| Some((slot, Arc::clone(socket.medium.as_ref()?)))).collect()
}

/// The first bootable disc in a slot that the override's target means.
async fn find_bootable(run: &Run, target: Option<&str>) -> Option<Candidate> {
    let persona = &run.bmc.persona;
    let meant = |slot: usize| {
        let Some(facts) = persona.slots.get(slot) else { return false };
        match target {
            Some("Cd" | "UsbCd" | "RemoteDrive") => {
                let pinned = &persona.boot.slots;
                facts.is_optical() && (pinned.is_empty() || pinned.contains(&facts.id))
            }
            Some("Usb" | "Floppy") => facts.media_types.iter().any(|kind| kind == "USBStick"),
            _ => false,
        }
    };
    for (slot, medium) in media(run) {
        if !meant(slot) {
            continue;
        }
        let id = run.bmc.slot_id(slot);
        match inspect(run, &id, medium).await {
            Ok(Some(candidate)) => return Some(candidate),
            // A disc without boot information, such as a task medium, is passed over.
            Ok(None) | Err(DiscError::NotADisc) => {}
            Err(error) => read_failed(run, &id, &error),
        }
    }
    None
}

async fn inspect(
    run: &Run,
    slot: &str,
    medium: Arc<Medium>,
) -> Result<Option<Candidate>, DiscError> {
    let disc = Disc::open(Window::whole(medium)).await?;
    run.note(Event::Read {
        slot: slot.to_owned(),
        part: Part::Descriptors,
        bytes: 16 * crate::disc::SECTOR,
    });
    let files = disc.files().await?;
    let manifest = files.iter().find(|file| file.path.eq_ignore_ascii_case(MANIFEST));
    let (parts, reserved) = if let Some(file) = manifest {
        let text = disc.read(file, MAX_MANIFEST).await?;
        let manifest =
            Manifest::parse(&text).ok_or(DiscError::Damaged("shoal.json is not a manifest"))?;
        run.note(Event::Read { slot: slot.to_owned(), part: Part::Manifest, bytes: file.len });
        let extents = manifest.milestones.into_iter();
        (extents.map(|m| (Part::Extent(m.name), m.extent)).collect(), manifest.reserved)
    } else if let Some((offset, len)) = disc.boot_image().await? {
        (vec![(Part::BootImage, Extent { offset, len })], None)
    } else {
        return Ok(None);
    };
    let installer = Installer { slot: slot.to_owned(), disc, reserved };
    Ok(Some(Candidate { installer, parts }))
}

/// Reads the named extents in order, as firmware and then a kernel do.
async fn load(run: &Run, candidate: Candidate) -> Booted {
    let Candidate { installer, parts } = candidate;
    for (part, extent) in parts {
        let read = installer.disc.window().read_through(extent.offset, extent.len).await;
        if let Err(error) = read {
            read_failed(run, &installer.slot, &error.into());
            run.enter(HostPhase::Hung, Event::Hung);
            return Booted::Nothing;
        }
        run.note(Event::Read { slot: installer.slot.clone(), part, bytes: extent.len });
    }
    Booted::Installer(installer)
}

pub(super) fn read_failed(run: &Run, slot: &str, error: &DiscError) {
    run.note(Event::ReadFailed { slot: slot.to_owned(), why: error.to_string() });
}
