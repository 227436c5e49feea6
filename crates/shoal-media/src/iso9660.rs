//! The least of ISO 9660 that finds one file: enough to read a boot medium's manifest or an
//! installer's boot configuration out of an operator's ISO, bounded so that no image can make it
//! read or loop for long.

use std::io;

use crate::content::Content;
use crate::extent::Extent;

pub(crate) const SECTOR: u64 = 2048;
const SECTOR_LEN: usize = 2048;
/// Volume descriptors start behind sixteen system sectors and are a handful.
const FIRST_DESCRIPTOR: u64 = 16;
const MAX_DESCRIPTORS: u64 = 16;
/// A root directory of 512 sectors holds some ten thousand names.
const MAX_DIRECTORY_LEN: u32 = 1024 * 1024;

/// Why an image could not be searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsoError {
    /// The image cannot be read where its own structures point.
    #[error("read ISO 9660 structures")]
    Read(#[source] io::Error),
    /// A structure contradicts itself or the size of the image.
    #[error("understand ISO 9660 {structure}")]
    Damaged {
        /// Which one.
        structure: &'static str,
    },
}

/// Where the file `path` lies, its names separated by `/`: under Rock Ridge, Joliet or plain names,
/// the last in either case. `None` when there is no such file or the content is no ISO 9660 image;
/// an empty file has no place and counts as damage. Blocks while it reads a few sectors, 1 MiB of
/// each directory at most.
pub fn find_file(content: &Content, path: &str) -> Result<Option<Extent>, IsoError> {
    for sector in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + MAX_DESCRIPTORS {
        let Some(descriptor) = read_descriptor(content, sector)? else { return Ok(None) };
        let naming = match descriptor.first() {
            Some(1) => Naming::Primary,
            Some(2) if is_joliet(&descriptor) => Naming::Joliet,
            Some(255) => return Ok(None),
            _ => continue,
        };
        let root = descriptor.get(156..190).and_then(Record::parse);
        let root = root.ok_or(IsoError::Damaged { structure: "root directory record" })?;
        if let Some(found) = walk(content, root.place(), path, naming)? {
            return found.extent(content).map(Some);
        }
    }
    Ok(None)
}

/// The sectors a machine reads to learn what the disc is; `None` when it is no ISO 9660 image.
pub(crate) fn descriptors(content: &Content) -> Result<Option<Extent>, IsoError> {
    let mut end = FIRST_DESCRIPTOR;
    while end < FIRST_DESCRIPTOR + MAX_DESCRIPTORS {
        let Some(descriptor) = read_descriptor(content, end)? else { break };
        end += 1;
        if descriptor.first() == Some(&255) {
            break;
        }
    }
    Ok(Extent::between(FIRST_DESCRIPTOR * SECTOR, end * SECTOR))
}

#[derive(Clone, Copy)]
enum Naming {
    Primary,
    Joliet,
}

/// One directory record.
struct Record<'a> {
    block: u32,
    len: u32,
    flags: u8,
    identifier: &'a [u8],
    system_use: &'a [u8],
}

/// Where a record's bytes are said to be.
#[derive(Clone, Copy)]
struct Place {
    block: u32,
    len: u32,
}

impl Place {
    fn extent(self, content: &Content) -> Result<Extent, IsoError> {
        Extent::new(u64::from(self.block) * SECTOR, u64::from(self.len))
            .filter(|extent| extent.end() <= content.len())
            .ok_or(IsoError::Damaged { structure: "directory record" })
    }
}

/// What kind of record is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    File,
    Directory,
}

impl<'a> Record<'a> {
    const IS_DIRECTORY: u8 = 0x02;
    const CONTINUES: u8 = 0x80;

    /// Parses a record whose first byte, its length, equals `bytes.len()`.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let identifier_len = usize::from(*bytes.get(32)?);
        // The identifier is padded to an even offset; what follows belongs to extensions.
        let system_use_at = (33 + identifier_len).next_multiple_of(2);
        Some(Self {
            block: little_endian(bytes.get(2..6)?)?,
            len: little_endian(bytes.get(10..14)?)?,
            flags: *bytes.get(25)?,
            identifier: bytes.get(33..33 + identifier_len)?,
            system_use: bytes.get(system_use_at..).unwrap_or_default(),
        })
    }

    fn has_name(&self, name: &str, naming: Naming) -> bool {
        match naming {
            Naming::Primary => {
                rock_ridge_name(self.system_use) == Some(name.as_bytes())
                    || without_version(self.identifier).eq_ignore_ascii_case(name.as_bytes())
            }
            Naming::Joliet => {
                let pairs = self.identifier.chunks_exact(2);
                let units =
                    pairs.filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
                let text: String = char::decode_utf16(units).map_while(Result::ok).collect();
                without_version(text.as_bytes()) == name.as_bytes()
            }
        }
    }

    fn place(&self) -> Place {
        Place { block: self.block, len: self.len }
    }
}

fn walk(
    content: &Content,
    root: Place,
    path: &str,
    naming: Naming,
) -> Result<Option<Place>, IsoError> {
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut directory = root;
    for name in directories.split('/').filter(|name| !name.is_empty()) {
        let found = search(content, directory, Named { name, naming, wanted: Wanted::Directory })?;
        let Some(found) = found else { return Ok(None) };
        directory = found;
    }
    search(content, directory, Named { name, naming, wanted: Wanted::File })
}

/// What a record must be to be the one.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    naming: Naming,
    wanted: Wanted,
}

fn search(
    content: &Content,
    directory: Place,
    named: Named<'_>,
) -> Result<Option<Place>, IsoError> {
    if directory.len > MAX_DIRECTORY_LEN {
        return Err(IsoError::Damaged { structure: "directory length" });
    }
    let place = directory.extent(content)?;
    let mut bytes = vec![0; usize::try_from(place.len()).unwrap_or(0)];
    content.read_exact_at(place.offset(), &mut bytes).map_err(IsoError::Read)?;
    // Records never cross a sector; a zero length says that the sector holds no more.
    let mut sectors = bytes.chunks(SECTOR_LEN);
    Ok(sectors.find_map(|sector| search_sector(sector, named)))
}

fn search_sector(mut sector: &[u8], named: Named<'_>) -> Option<Place> {
    while let Some(len) = sector.first().map(|len| usize::from(*len)).filter(|len| *len > 0) {
        let (bytes, rest) = sector.split_at_checked(len)?;
        let record = Record::parse(bytes)?;
        let is_directory = record.flags & Record::IS_DIRECTORY != 0;
        // A file in several extents would need them all; nothing looked for here is that long.
        let fits = is_directory == (named.wanted == Wanted::Directory)
            && record.flags & Record::CONTINUES == 0;
        if fits && record.has_name(named.name, named.naming) {
            return Some(record.place());
        }
        sector = rest;
    }
    None
}

/// `None` behind the end of the image or where no descriptor is.
pub(crate) fn read_descriptor(
    content: &Content,
    sector: u64,
) -> Result<Option<[u8; SECTOR_LEN]>, IsoError> {
    let at = sector * SECTOR;
    if at + SECTOR > content.len() {
        return Ok(None);
    }
    let mut descriptor = [0; SECTOR_LEN];
    content.read_exact_at(at, &mut descriptor).map_err(IsoError::Read)?;
    Ok((descriptor.get(1..6) == Some(b"CD001")).then_some(descriptor))
}

fn is_joliet(descriptor: &[u8]) -> bool {
    matches!(descriptor.get(88..91), Some(b"%/@" | b"%/C" | b"%/E"))
}

/// The `NM` entry of SUSP's system use area. A name long enough to be continued elsewhere is not one
/// this crate looks for.
fn rock_ridge_name(mut system_use: &[u8]) -> Option<&[u8]> {
    loop {
        let (head, _) = system_use.split_first_chunk::<4>()?;
        let len = usize::from(head[2]).max(4);
        let (entry, rest) = system_use.split_at_checked(len)?;
        if head.starts_with(b"NM") {
            return entry.get(5..);
        }
        system_use = rest;
    }
}

fn without_version(identifier: &[u8]) -> &[u8] {
    identifier.split(|byte| *byte == b';').next().unwrap_or_default()
}

fn little_endian(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}
