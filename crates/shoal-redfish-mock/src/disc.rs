//! Reads ISO 9660 discs with Rock Ridge or Joliet names, written against the standards alone and
//! without regard to who wrote the disc, so that what the simulated host can read, others can.
//! Every loop is bounded: a disc is foreign input.

mod record;

use bytes::Bytes;
use record::{Naming, Record, u32_le};

use crate::medium::{MediumError, Window};

pub(crate) const SECTOR: u64 = 2048;
const SECTOR_SIZE: usize = 2048;
/// Where the descriptors begin, and how far they are looked for; real discs have three to five.
const DESCRIPTORS: std::ops::Range<u64> = 16 * SECTOR..32 * SECTOR;
const MAX_DIRECTORY_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 4096;
const MAX_DEPTH: usize = 8;
/// The platform of boot images for EFI.
const EFI: u8 = 0xEF;
const READ_BYTES: u64 = 256 * 1024;

/// Why a disc could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscError {
    #[error("the medium could not be read: {}", .0.chain())]
    Medium(#[from] MediumError),
    #[error("the medium is not an ISO 9660 disc")]
    NotADisc,
    #[error("the disc is damaged: {0}")]
    Damaged(&'static str),
}

/// A file on a disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiscFile {
    /// Path from the root, `/`-separated.
    pub(crate) path: String,
    /// First byte.
    pub(crate) offset: u64,
    /// Length in bytes.
    pub(crate) len: u64,
}

/// A disc whose descriptors have been read.
pub(crate) struct Disc {
    window: Window,
    label: String,
    /// The root of the tree that every disc has.
    primary: Record,
    /// The root of the tree with the best names.
    root: Record,
    naming: Naming,
    boot_catalogue: Option<u32>,
}

impl Disc {
    /// Reads the descriptors and decides which of the disc's trees to use.
    pub(crate) async fn open(window: Window) -> Result<Self, DiscError> {
        let mut primary = None;
        let mut joliet = None;
        let mut boot_catalogue = None;
        let area = descriptor_area(&window).await?;
        for at in (0..area.len()).step_by(SECTOR_SIZE) {
            let sector = area.slice(at..area.len().min(at + SECTOR_SIZE));
            if sector.get(1..6) != Some(b"CD001") {
                break;
            }
            match sector.first() {
                Some(0) if sector.get(7..30) == Some(b"EL TORITO SPECIFICATION") => {
                    boot_catalogue = u32_le(&sector, 71);
                }
                Some(1) if primary.is_none() => primary = Some(sector),
                Some(2) if is_joliet(&sector) => joliet = Some(sector),
                Some(255) => break,
                _ => {}
            }
        }
        let primary = primary.ok_or(DiscError::NotADisc)?;
        let label = record::text(primary.get(40..72).unwrap_or_default());
        let (root, naming) = choose_tree(&window, &primary, joliet.as_ref()).await?;
        Ok(Self { primary: root_of(&primary)?, window, label, root, naming, boot_catalogue })
    }

    /// The volume label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The window the disc lies in.
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Every file of the disc, in directory order.
    pub(crate) async fn files(&self) -> Result<Vec<DiscFile>, DiscError> {
        self.walk(&self.root, self.naming).await
    }

    /// Every file by the plain name that each disc has, such as `KS.CFG`; simple readers know no other.
    pub(crate) async fn plain_files(&self) -> Result<Vec<DiscFile>, DiscError> {
        self.walk(&self.primary, Naming::Plain).await
    }

    async fn walk(&self, root: &Record, naming: Naming) -> Result<Vec<DiscFile>, DiscError> {
        let mut files = Vec::new();
        let mut pending = vec![(String::new(), root.clone(), 0)];
        while let Some((prefix, directory, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                return Err(DiscError::Damaged("directories are nested too deeply"));
            }
            for (name, entry) in self.entries(&directory, naming).await? {
                let path = format!("{prefix}{name}");
                if entry.is_directory {
                    pending.push((format!("{path}/"), entry, depth + 1));
                } else {
                    files.push(DiscFile { path, offset: entry.offset, len: entry.len });
                }
                if files.len() + pending.len() > MAX_FILES {
                    return Err(DiscError::Damaged("there are too many files"));
                }
            }
        }
        Ok(files)
    }

    /// Reads a file of at most `limit` bytes.
    pub(crate) async fn read(&self, file: &DiscFile, limit: u64) -> Result<Vec<u8>, DiscError> {
        if file.len > limit {
            return Err(DiscError::Damaged("a file is larger than it may be"));
        }
        let mut content = Vec::new();
        while (content.len() as u64) < file.len {
            let done = content.len() as u64;
            let piece =
                self.window.read(file.offset + done, READ_BYTES.min(file.len - done)).await?;
            content.extend_from_slice(&piece);
        }
        Ok(content)
    }

    /// The stretch that an El Torito catalogue names: that for EFI where there is one, else that of
    /// the default entry.
    pub(crate) async fn boot_image(&self) -> Result<Option<(u64, u64)>, DiscError> {
        let Some(catalogue) = self.boot_catalogue else { return Ok(None) };
        let sector = self.window.read(u64::from(catalogue) * SECTOR, SECTOR).await?;
        // The validation entry comes first.
        if sector.first() != Some(&1) {
            return Ok(None);
        }
        let mut platform = sector.get(1).copied();
        let mut chosen = None;
        for entry in sector.chunks_exact(32).skip(1) {
            match entry.first() {
                // A section of entries for another platform begins.
                Some(0x90 | 0x91) => platform = entry.get(1).copied(),
                Some(0x88) if platform == Some(EFI) => {
                    chosen = Some(entry);
                    break;
                }
                Some(0x88) => chosen = chosen.or(Some(entry)),
                _ => {}
            }
        }
        let count = chosen.and_then(|entry| entry.get(6..8)?.try_into().ok());
        let start = chosen.and_then(|entry| u32_le(entry, 8));
        let (Some(count), Some(start)) = (count.map(u16::from_le_bytes), start) else {
            return Ok(None);
        };
        let offset = u64::from(start) * SECTOR;
        let room = self.window.len().saturating_sub(offset);
        Ok(Some((offset, (u64::from(count.max(4)) * 512).min(room))))
    }

    async fn entries(
        &self,
        directory: &Record,
        naming: Naming,
    ) -> Result<Vec<(String, Record)>, DiscError> {
        let content = read_directory(&self.window, directory).await?;
        let mut entries = Vec::new();
        for entry in record::parse(&content).map_err(DiscError::Damaged)? {
            if entry.is_self_or_parent() {
                continue;
            }
            if entry.continues {
                return Err(DiscError::Damaged("a file has several extents"));
            }
            let name = self.name(&entry, naming).await?;
            if name.is_empty() || name == ".." || name == "." || name.contains(['/', '\0']) {
                return Err(DiscError::Damaged("a name is not usable"));
            }
            entries.push((name, entry));
        }
        Ok(entries)
    }

    async fn name(&self, entry: &Record, naming: Naming) -> Result<String, DiscError> {
        match naming {
            Naming::Plain => Ok(record::plain_name(&entry.name)),
            Naming::Joliet => Ok(record::joliet_name(&entry.name)),
            Naming::RockRidge { skip } => {
                let alternate = rock_ridge_name(&self.window, &entry.system_use, skip).await?;
                Ok(alternate.unwrap_or_else(|| record::plain_name(&entry.name)))
            }
        }
    }
}

/// The part of the disc in which the descriptors lie, in one read.
async fn descriptor_area(window: &Window) -> Result<Bytes, DiscError> {
    let end = DESCRIPTORS.end.min(window.len());
    let len = end.checked_sub(DESCRIPTORS.start).ok_or(DiscError::NotADisc)?;
    Ok(window.read(DESCRIPTORS.start, len).await?)
}

fn is_joliet(descriptor: &[u8]) -> bool {
    matches!(descriptor.get(88..91), Some(b"%/@" | b"%/C" | b"%/E"))
}

fn root_of(descriptor: &[u8]) -> Result<Record, DiscError> {
    Record::parse(descriptor.get(156..190).unwrap_or_default())
        .ok_or(DiscError::Damaged("there is no root directory"))
}

/// Rock Ridge when the disc has it, else Joliet, else plain names.
async fn choose_tree(
    window: &Window,
    primary: &Bytes,
    joliet: Option<&Bytes>,
) -> Result<(Record, Naming), DiscError> {
    let root = root_of(primary)?;
    let content = read_directory(window, &root).await?;
    let records = record::parse(&content).map_err(DiscError::Damaged)?;
    if let Some(skip) = records.first().and_then(|own| record::susp_skip(&own.system_use)) {
        return Ok((root, Naming::RockRidge { skip }));
    }
    match joliet {
        Some(descriptor) => Ok((root_of(descriptor)?, Naming::Joliet)),
        None => Ok((root, Naming::Plain)),
    }
}

async fn read_directory(window: &Window, directory: &Record) -> Result<Bytes, DiscError> {
    if directory.len > MAX_DIRECTORY_BYTES {
        return Err(DiscError::Damaged("a directory is too large"));
    }
    Ok(window.read(directory.offset, directory.len).await?)
}

/// The alternate name, followed through continuation areas.
async fn rock_ridge_name(
    window: &Window,
    system_use: &[u8],
    skip: usize,
) -> Result<Option<String>, DiscError> {
    const MAX_AREAS: usize = 8;
    let mut name: Option<Vec<u8>> = None;
    let mut area = Bytes::copy_from_slice(system_use.get(skip..).unwrap_or_default());
    for _ in 0..MAX_AREAS {
        let found = record::susp(&area);
        if let Some(part) = found.name {
            name.get_or_insert_default().extend(part);
        }
        let Some((offset, len)) = found.continuation else { break };
        if len > SECTOR {
            return Err(DiscError::Damaged("a continuation area is too large"));
        }
        area = window.read(offset, len).await?;
    }
    Ok(name.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests;
