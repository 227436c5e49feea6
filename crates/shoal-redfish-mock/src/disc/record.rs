//! Directory records and their system use areas, parsed from bytes alone so that the reader's
//! I/O and its understanding of the format stay apart.

use super::{SECTOR, SECTOR_SIZE};

/// Which names of a disc are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Upper-case names with a version.
    Plain,
    /// UCS-2 names of the supplementary tree.
    Joliet,
    /// Names in the system use area, which starts after `skip` bytes.
    RockRidge {
        /// Bytes to pass over in each system use area.
        skip: usize,
    },
}

/// A directory record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) is_directory: bool,
    /// Whether further records describe the rest of the file.
    pub(super) continues: bool,
    pub(super) name: Vec<u8>,
    pub(super) system_use: Vec<u8>,
}

impl Record {
    /// Parses one record that fills `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let flags = *bytes.get(25)?;
        let name_len = usize::from(*bytes.get(32)?);
        let name = bytes.get(33..33 + name_len)?.to_vec();
        // A name of even length is followed by a padding byte.
        let system_use_at = 33 + name_len + usize::from(name_len % 2 == 0);
        Some(Self {
            offset: u64::from(u32_le(bytes, 2)?) * SECTOR,
            len: u64::from(u32_le(bytes, 10)?),
            is_directory: flags & 2 != 0,
            continues: flags & 0x80 != 0,
            name,
            system_use: bytes.get(system_use_at..).unwrap_or_default().to_vec(),
        })
    }

    pub(super) fn is_self_or_parent(&self) -> bool {
        matches!(self.name.as_slice(), [0 | 1])
    }
}

/// Parses a directory; records never cross a sector boundary, and a zero length ends a sector.
pub(super) fn parse(content: &[u8]) -> Result<Vec<Record>, &'static str> {
    let mut records = Vec::new();
    for sector in content.chunks(SECTOR_SIZE) {
        let mut rest = sector;
        while let Some(&len) = rest.first() {
            if len == 0 {
                break;
            }
            let (own, further) = rest
                .split_at_checked(usize::from(len))
                .ok_or("a directory record crosses a sector")?;
            records.push(Record::parse(own).ok_or("a directory record is too short")?);
            rest = further;
        }
    }
    Ok(records)
}

/// What of a system use area matters here.
#[derive(Debug, Default)]
pub(super) struct Susp {
    /// Part of the alternate name.
    pub(super) name: Option<Vec<u8>>,
    /// Where the area continues: first byte and length.
    pub(super) continuation: Option<(u64, u64)>,
}

/// Parses one system use area.
pub(super) fn susp(area: &[u8]) -> Susp {
    let mut found = Susp::default();
    let mut rest = area;
    while let Some(&[a, b, len]) = rest.get(..3) {
        let Some((entry, further)) = rest.split_at_checked(usize::from(len)) else { break };
        if len < 4 {
            break;
        }
        match &[a, b] {
            b"NM" => {
                let part = entry.get(5..).unwrap_or_default();
                found.name.get_or_insert_default().extend_from_slice(part);
            }
            b"CE" => found.continuation = continuation(entry),
            b"ST" => break,
            _ => {}
        }
        rest = further;
    }
    found
}

fn continuation(entry: &[u8]) -> Option<(u64, u64)> {
    let block = u64::from(u32_le(entry, 4)?);
    let offset = u64::from(u32_le(entry, 12)?);
    let len = u64::from(u32_le(entry, 20)?);
    Some((block * SECTOR + offset, len))
}

/// The number of bytes to skip when the root's own record says that the disc uses the protocol.
pub(super) fn susp_skip(system_use: &[u8]) -> Option<usize> {
    match system_use {
        [b'S', b'P', 7, _, 0xBE, 0xEF, skip, ..] => Some(usize::from(*skip)),
        _ => None,
    }
}

/// A primary name without version and final dot.
pub(super) fn plain_name(name: &[u8]) -> String {
    let text = text(name);
    let stem = text.split(';').next().unwrap_or_default();
    stem.strip_suffix('.').unwrap_or(stem).to_owned()
}

/// A big-endian UCS-2 name without version.
pub(super) fn joliet_name(name: &[u8]) -> String {
    let units = name.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    let text: String =
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.split(';').next().unwrap_or_default().to_owned()
}

/// Text padded with spaces.
pub(super) fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim_end_matches([' ', '\0']).to_owned()
}

pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}
