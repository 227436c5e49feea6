//! What firmware does between POST and an operating system: uses up the override, looks at the
//! media as they are now, and reads what it boots.

use std::sync::Arc;

use super::{
    Run, esxi,
    manifest::{Extent, Manifest},
};
use crate::{
    board::{HostPhase, VIRTUAL_CD},
    disc::{Disc, DiscError},
    medium::{Medium, Window},
    timeline::{BootFrom, Event, Part},
};

/// A maintenance OS, or a disc of which nothing is known but that it boots.
pub(super) struct Maintenance {
    pub(super) slot: String,
    pub(super) disc: Disc,
    pub(super) reserved: Option<Extent>,
}

/// What came of a boot.
pub(super) enum Booted {
    Maintenance(Maintenance),
    Esxi(esxi::Loaded),
    Disk,
    /// Also when a disc could not be read to the end; the host then hangs.
    Nothing,
}

/// A bootable disc and what of it firmware reads.
struct Candidate {
    kind: Kind,
    slot: String,
    disc: Disc,
    parts: Vec<(Part, Extent)>,
}

enum Kind {
    Maintenance { reserved: Option<Extent> },
    Esxi(esxi::Installer),
}

const MANIFEST: &str = "shoal.json";
const MAX_MANIFEST: u64 = 1 << 20;
const DESCRIPTOR_BYTES: u64 = 16 * crate::disc::SECTOR;

/// Decides where to boot from and reads the boot image.
pub(super) async fn boot(run: &mut Run) -> Booted {
    if run.script.rereads_media {
        reread(run).await;
    }
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
        board.consume_override(run.script.keeps_override)
    })
}

/// Looks at the beginning of every medium, as firmware that lists its drives does.
async fn reread(run: &Run) {
    for (slot, medium) in media(run) {
        let id = run.bmc.slot_id(slot);
        match Disc::open(Window::whole(medium)).await {
            Ok(_) => run.read(&id, Part::Descriptors, DESCRIPTOR_BYTES),
            Err(DiscError::NotADisc) => {}
            Err(error) => read_failed(run, &id, &error),
        }
    }
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
            Some(target)
                if target == VIRTUAL_CD
                    || persona.boot.cd_targets.iter().any(|known| known == target) =>
            {
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
    run.read(slot, Part::Descriptors, DESCRIPTOR_BYTES);
    let files = disc.files().await?;
    let manifest = files.iter().find(|file| file.path.eq_ignore_ascii_case(MANIFEST));
    let slot = slot.to_owned();
    if let Some(file) = manifest {
        let text = disc.read(file, MAX_MANIFEST).await?;
        let manifest =
            Manifest::parse(&text).ok_or(DiscError::Damaged("shoal.json is not a manifest"))?;
        run.read(&slot, Part::Manifest, file.len);
        let extents = manifest.milestones.into_iter();
        let parts = extents.map(|m| (Part::Extent(m.name), m.extent)).collect();
        let kind = Kind::Maintenance { reserved: manifest.reserved };
        return Ok(Some(Candidate { kind, slot, disc, parts }));
    }
    let image = disc.boot_image().await?.map(|(offset, len)| Extent { offset, len });
    let installer = esxi::recognise(&disc).await?;
    let loader = installer.as_ref().and_then(|installer| installer.loader);
    let Some(image) = image.or(loader) else { return Ok(None) };
    let kind = installer.map_or(Kind::Maintenance { reserved: None }, Kind::Esxi);
    Ok(Some(Candidate { kind, slot, disc, parts: vec![(Part::BootImage, image)] }))
}

/// Reads the named extents in order, as firmware and then a kernel do.
async fn load(run: &Run, candidate: Candidate) -> Booted {
    let Candidate { kind, slot, disc, parts } = candidate;
    for (part, extent) in parts {
        let read = disc.window().read_through(extent.offset, extent.len).await;
        if let Err(error) = read {
            return hang(run, &slot, &error.into());
        }
        run.read(&slot, part, extent.len);
    }
    match kind {
        Kind::Maintenance { reserved } => Booted::Maintenance(Maintenance { slot, disc, reserved }),
        Kind::Esxi(installer) => match esxi::load(run, &slot, disc, installer).await {
            Ok(loaded) => Booted::Esxi(loaded),
            Err(error) => hang(run, &slot, &error),
        },
    }
}

fn hang(run: &Run, slot: &str, error: &DiscError) -> Booted {
    read_failed(run, slot, error);
    run.enter(HostPhase::Hung, Event::Hung);
    Booted::Nothing
}

pub(super) fn read_failed(run: &Run, slot: &str, error: &DiscError) {
    run.note(Event::ReadFailed { slot: slot.to_owned(), why: error.to_string() });
}
