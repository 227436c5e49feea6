//! Volume descriptors and path tables: the fixed front of a medium, by which firmware, operating
//! systems and `blkid` recognise it.

use crate::directory::{Span, root_record};
use crate::encode::{both_u16, both_u32, fill_to_multiple};
use crate::epoch::UNSPECIFIED;
use crate::{SourceDateEpoch, VolumeId};

/// Sectors at the front that belong to whoever makes a disc bootable; zero here (ECMA-119, 6.2.1).
pub(crate) const SYSTEM_AREA_SECTORS: u32 = 16;

/// The logical block size, which is the sector size here (ECMA-119, 6.2.2).
const BLOCK_SIZE: u16 = 2048;

/// Bytes of a path table that knows the root directory only.
const PATH_TABLE_LEN: u32 = 10;

const SYSTEM_IDENTIFIER: &str = "LINUX";
const PUBLISHER: &str = "SHOAL";
const APPLICATION: &str = "SHOAL-ISO";

/// Which of the two trees a descriptor belongs to, and so how it writes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    Primary,
    Joliet,
}

impl Tree {
    /// Appends `text` in a field of `width` bytes, cut or filled with spaces. In Joliet an odd
    /// last byte is zero.
    fn text(self, out: &mut Vec<u8>, text: &str, width: usize) {
        let end = out.len() + width;
        let characters = text.chars().chain(std::iter::repeat(' '));
        match self {
            Self::Primary => out.extend(characters.take(width).map(|c| c as u8)),
            Self::Joliet => {
                let units = characters.take(width / 2).map(|c| c as u16);
                out.extend(units.flat_map(u16::to_be_bytes));
            }
        }
        out.resize(end, 0);
    }

    /// Descriptor type (ECMA-119, 8.1.1) and escape sequence: UCS-2 level 3 for Joliet.
    fn type_and_escape(self) -> (u8, &'static [u8]) {
        match self {
            Self::Primary => (1, b""),
            Self::Joliet => (2, b"%/E"),
        }
    }
}

/// What both descriptors of a volume say alike.
#[derive(Debug)]
pub(crate) struct Volume<'a> {
    pub(crate) id: &'a VolumeId,
    pub(crate) epoch: SourceDateEpoch,
    /// Size of the whole medium, in sectors.
    pub(crate) sectors: u32,
}

impl Volume<'_> {
    /// The descriptor of a tree whose little-endian path table is in sector `path_table` and the
    /// big-endian one in the next (ECMA-119, 8.4 and 8.5).
    pub(crate) fn descriptor(&self, tree: Tree, root: Span, path_table: u32) -> Vec<u8> {
        let (kind, escape) = tree.type_and_escape();
        let mut out = start(kind);
        out.push(0);
        tree.text(&mut out, SYSTEM_IDENTIFIER, 32);
        tree.text(&mut out, self.id.as_str(), 32);
        out.resize(80, 0);
        both_u32(&mut out, self.sectors);
        out.extend(escape);
        out.resize(120, 0);
        both_u16(&mut out, 1);
        both_u16(&mut out, 1);
        both_u16(&mut out, BLOCK_SIZE);
        both_u32(&mut out, PATH_TABLE_LEN);
        out.extend(path_table.to_le_bytes());
        out.extend([0; 4]);
        out.extend((path_table + 1).to_be_bytes());
        out.extend([0; 4]);
        out.extend(root_record(root, self.epoch.short()));
        tree.text(&mut out, "", 128);
        tree.text(&mut out, PUBLISHER, 128);
        tree.text(&mut out, PUBLISHER, 128);
        tree.text(&mut out, APPLICATION, 128);
        for _ in 0..3 {
            tree.text(&mut out, "", 37);
        }
        let date = self.epoch.long();
        out.extend(&date);
        out.extend(&date);
        // A medium that expired the moment it was made would be a strange one: left open.
        out.extend(UNSPECIFIED);
        out.extend(&date);
        out.push(1);
        end_sector(out)
    }
}

/// The descriptor that ends the list (ECMA-119, 8.3).
pub(crate) fn terminator() -> Vec<u8> {
    end_sector(start(255))
}

/// The two path tables of a tree, a sector each: little endian, then big endian (ECMA-119, 9.4).
pub(crate) fn path_tables(root: Span) -> Vec<u8> {
    let mut little = vec![1, 0];
    little.extend(root.sector.to_le_bytes());
    little.extend(1_u16.to_le_bytes());
    little.extend([0, 0]);

    let mut big = vec![1, 0];
    big.extend(root.sector.to_be_bytes());
    big.extend(1_u16.to_be_bytes());
    big.extend([0, 0]);
    [end_sector(little), end_sector(big)].concat()
}

fn start(kind: u8) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(b"CD001\x01");
    out
}

fn end_sector(mut out: Vec<u8>) -> Vec<u8> {
    fill_to_multiple(&mut out, crate::SECTOR as usize);
    out
}
