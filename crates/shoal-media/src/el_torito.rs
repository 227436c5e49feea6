//! What firmware boots from a CD: the images an El Torito boot catalog lists. Read to know which
//! bytes prove that firmware chose the medium.

use crate::content::Content;
use crate::extent::Extent;
use crate::iso9660::{IsoError, SECTOR, read_descriptor};

/// The boot record's place is fixed (El Torito 1.0, section 2).
const BOOT_RECORD: u64 = 17;
const ENTRY: usize = 32;
/// Lengths in the catalog count sectors of a floppy disk.
const VIRTUAL_SECTOR: u64 = 512;
const EFI: u8 = 0xef;

/// The image for UEFI firmware; without one the image for any other. `None` where the medium is not
/// made to boot. The catalog can state a length of 32 MiB at most, and many state one sector: the
/// rest of the image has to be found out from the image.
pub(crate) fn boot_image(content: &Content) -> Result<Option<Extent>, IsoError> {
    let Some(record) = read_descriptor(content, BOOT_RECORD)? else { return Ok(None) };
    let is_el_torito = record.first() == Some(&0)
        && record.get(7..30).is_some_and(|id| id.starts_with(b"EL TORITO SPECIFICATION"));
    let Some(sector) = long(&record, 71).filter(|_| is_el_torito) else { return Ok(None) };
    let at = u64::from(sector) * SECTOR;
    let damaged = || IsoError::Damaged { structure: "boot catalog" };
    let place = Extent::new(at, SECTOR).filter(|place| place.end() <= content.len());
    let place = place.ok_or_else(damaged)?;
    let mut catalog = vec![0; usize::try_from(place.len()).unwrap_or(0)];
    content.read_exact_at(place.offset(), &mut catalog).map_err(IsoError::Read)?;
    let images = images(&catalog);
    let chosen = images.iter().find(|image| image.platform == EFI).or(images.first());
    let Some(chosen) = chosen else { return Ok(None) };
    let len = (u64::from(chosen.sectors) * VIRTUAL_SECTOR).max(SECTOR);
    Extent::new(u64::from(chosen.block) * SECTOR, len)
        .filter(|image| image.end() <= content.len())
        .map(Some)
        .ok_or_else(damaged)
}

struct Image {
    platform: u8,
    block: u32,
    sectors: u16,
}

fn images(catalog: &[u8]) -> Vec<Image> {
    let mut images = Vec::new();
    let mut platform = 0;
    for entry in catalog.chunks_exact(ENTRY) {
        match (entry.first(), entry.get(1)) {
            // The validation entry, and the headers of sections: what follows is for this platform.
            (Some(1 | 0x90 | 0x91), Some(named)) => platform = *named,
            (Some(0x88), _) => images.extend(image(platform, entry)),
            _ => {}
        }
    }
    images
}

fn image(platform: u8, entry: &[u8]) -> Option<Image> {
    let sectors = u16::from_le_bytes(entry.get(6..8)?.try_into().ok()?);
    Some(Image { platform, block: long(entry, 8)?, sectors })
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
