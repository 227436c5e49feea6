//! Reads the root directory of FAT12 and FAT16 images, as an installer does with a USB stick. Written
//! against the format alone and without regard to who wrote the image; every loop is bounded, because
//! an image is foreign input.

use bytes::Bytes;

use crate::medium::{MediumError, Window};

const ENTRY: usize = 32;
/// FAT16 ends here.
const MAX_CLUSTERS: u64 = 65_525;
/// Below this the table has twelve bits for a cluster.
const MIN_FAT16: u64 = 4_085;
const LONG_NAME: u8 = 0x0F;
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;

/// Why a stick could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FatError {
    #[error("the medium could not be read: {}", .0.chain())]
    Medium(#[from] MediumError),
    #[error("the medium is not a FAT12 or FAT16 image")]
    NotFat,
    #[error("the image is damaged: {0}")]
    Damaged(&'static str),
}

/// A file of the root directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FatFile {
    /// Its short name, such as `KS.CFG`.
    name: String,
    cluster: u64,
    len: u64,
}

/// An opened stick.
pub(crate) struct Fat {
    window: Window,
    label: String,
    files: Vec<FatFile>,
    table: Bytes,
    wide: bool,
    cluster_bytes: u64,
    data: u64,
}

impl Fat {
    /// Reads the boot sector, the table and the root directory.
    pub(crate) async fn open(window: Window) -> Result<Self, FatError> {
        let sector = match window.read(0, 512).await {
            Err(MediumError::BeyondEnd) => return Err(FatError::NotFat),
            other => other?,
        };
        let layout = Layout::of(&sector).ok_or(FatError::NotFat)?;
        let table = window.read(layout.table, layout.table_bytes).await?;
        let root = window.read(layout.root, layout.root_bytes).await?;
        let (label, files) = entries(&root);
        Ok(Self {
            window,
            label,
            files,
            table,
            wide: layout.clusters >= MIN_FAT16,
            cluster_bytes: layout.cluster_bytes,
            data: layout.root + layout.root_bytes,
        })
    }

    /// The volume label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// A file of the root directory; FAT does not tell cases apart.
    pub(crate) fn file(&self, name: &str) -> Option<&FatFile> {
        self.files.iter().find(|file| file.name.eq_ignore_ascii_case(name))
    }

    /// Reads a file of at most `limit` bytes along its chain of clusters.
    pub(crate) async fn read(&self, file: &FatFile, limit: u64) -> Result<Vec<u8>, FatError> {
        if file.len > limit {
            return Err(FatError::Damaged("a file is larger than it may be"));
        }
        let mut content = Vec::new();
        let mut cluster = file.cluster;
        // Each turn adds at least a byte, so a chain that runs in a circle ends too.
        while (content.len() as u64) < file.len {
            let index = cluster.checked_sub(2).ok_or(FatError::Damaged("a chain ends early"))?;
            let left = file.len - content.len() as u64;
            let at = self.data + index * self.cluster_bytes;
            content.extend_from_slice(&self.window.read(at, left.min(self.cluster_bytes)).await?);
            cluster = self.next(cluster).ok_or(FatError::Damaged("a cluster is outside"))?;
        }
        Ok(content)
    }

    fn next(&self, cluster: u64) -> Option<u64> {
        let index = usize::try_from(cluster).ok()?;
        if self.wide {
            return Some(u64::from(u16_le(&self.table, index * 2)?));
        }
        let pair = u16_le(&self.table, index + index / 2)?;
        Some(u64::from(if index.is_multiple_of(2) { pair & 0x0FFF } else { pair >> 4 }))
    }
}

/// Where the parts lie, in bytes.
struct Layout {
    table: u64,
    table_bytes: u64,
    root: u64,
    root_bytes: u64,
    cluster_bytes: u64,
    clusters: u64,
}

impl Layout {
    fn of(sector: &[u8]) -> Option<Self> {
        if sector.get(510..512)? != [0x55, 0xAA] {
            return None;
        }
        let word = |at| u16_le(sector, at).map(u64::from);
        let bytes_per_sector = word(11)?;
        let sectors_per_cluster = u64::from(*sector.get(13)?);
        let reserved = word(14)?;
        let tables = u64::from(*sector.get(16)?);
        let root_entries = word(17)?;
        let sectors_per_table = word(22)?;
        let small = word(19)?;
        let large = sector.get(32..36)?.try_into().map(u32::from_le_bytes).ok()?;
        let sectors = if small == 0 { u64::from(large) } else { small };
        let usable = [512, 1024, 2048, 4096].contains(&bytes_per_sector)
            && sectors_per_cluster.is_power_of_two()
            && (1..=2).contains(&tables)
            && reserved > 0
            && root_entries > 0
            && sectors_per_table > 0;
        if !usable {
            return None;
        }
        let root_bytes = (root_entries * ENTRY as u64).next_multiple_of(bytes_per_sector);
        let table = reserved * bytes_per_sector;
        let table_bytes = sectors_per_table * bytes_per_sector;
        let root = table + tables * table_bytes;
        let data = (sectors * bytes_per_sector).checked_sub(root + root_bytes)?;
        let cluster_bytes = sectors_per_cluster * bytes_per_sector;
        let clusters = data / cluster_bytes;
        (clusters < MAX_CLUSTERS).then_some(Self {
            table,
            table_bytes,
            root,
            root_bytes,
            cluster_bytes,
            clusters,
        })
    }
}

/// The label and the files of a root directory.
fn entries(root: &[u8]) -> (String, Vec<FatFile>) {
    let mut label = String::new();
    let mut files = Vec::new();
    for entry in root.chunks_exact(ENTRY) {
        let (Some(first), Some(attributes)) = (entry.first(), entry.get(11)) else { break };
        match (*first, *attributes) {
            (0, _) => break,
            (0xE5, _) | (_, LONG_NAME) => {}
            (_, attributes) if attributes & VOLUME != 0 => {
                label = padded(entry.get(..11).unwrap_or_default());
            }
            (_, attributes) if attributes & DIRECTORY != 0 => {}
            _ => files.extend(file(entry)),
        }
    }
    (label, files)
}

fn file(entry: &[u8]) -> Option<FatFile> {
    let (name, kind) = (padded(entry.get(..8)?), padded(entry.get(8..11)?));
    let name = if kind.is_empty() { name } else { format!("{name}.{kind}") };
    let len = entry.get(28..32)?.try_into().map(u32::from_le_bytes).ok()?;
    Some(FatFile { name, cluster: u64::from(u16_le(entry, 26)?), len: u64::from(len) })
}

fn padded(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(' ').to_owned()
}

fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().map(u16::from_le_bytes).ok()
}

#[cfg(test)]
mod tests;
