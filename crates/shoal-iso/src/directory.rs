//! Directory records and how they are packed into sectors: the same for the primary and the Joliet
//! tree, which differ in identifiers and in what they say in the system use field.

use crate::encode::{both_u16, both_u32, fill_to_multiple, within_sector};
use crate::rock_ridge::SystemUse;

/// Bytes of a record before its identifier (ECMA-119, 9.1).
const FIXED_LEN: usize = 33;

/// Longest record that readers are sure to take: an even number that fits one byte.
const MAX_RECORD: usize = 254;

/// Where something lies: first sector and length in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) sector: u32,
    pub(crate) len: u32,
}

/// What a record points to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// The root directory, for the records of itself and of its parent.
    Root,
    /// A file, by its place in the list of files.
    File(usize),
}

/// A record but for its place, which is known only when all directories have been sized.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) identifier: Vec<u8>,
    pub(crate) system_use: SystemUse,
    pub(crate) target: Target,
}

impl Record {
    /// Bytes left for the system use field behind an identifier of this length.
    pub(crate) fn room_for_system_use(identifier_len: usize) -> usize {
        MAX_RECORD - identifier_end(identifier_len)
    }

    fn len(&self) -> usize {
        (identifier_end(self.identifier.len()) + self.system_use.len()).next_multiple_of(2)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "names are bounded so that no record or identifier exceeds 254 bytes"
    )]
    fn encode(&self, span: Span, date: [u8; 7], continuation_sector: u32) -> Vec<u8> {
        let directory_flag = match self.target {
            Target::Root => 2,
            Target::File(_) => 0,
        };
        let mut record = Vec::with_capacity(self.len());
        record.extend([self.len() as u8, 0]);
        both_u32(&mut record, span.sector);
        both_u32(&mut record, span.len);
        record.extend(date);
        record.extend([directory_flag, 0, 0]);
        both_u16(&mut record, 1);
        record.push(self.identifier.len() as u8);
        record.extend(&self.identifier);
        record.resize(identifier_end(self.identifier.len()), 0);
        record.extend(self.system_use.encode(continuation_sector));
        fill_to_multiple(&mut record, 2);
        record
    }
}

/// The records of one tree's root directory, in the order of the directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) records: Vec<Record>,
}

impl Directory {
    /// Its size in bytes, whole sectors.
    pub(crate) fn len(&self) -> usize {
        let used = self.records.iter().fold(0, |used, record| {
            let len = record.len();
            within_sector(used, len) + len
        });
        used.next_multiple_of(crate::SECTOR as usize)
    }

    /// The directory as recorded at `root`, with its files where `files` says.
    #[expect(
        clippy::indexing_slicing,
        reason = "records point into the list of files which they were made from"
    )]
    pub(crate) fn encode(
        &self,
        root: Span,
        files: &[Span],
        date: [u8; 7],
        continuation_sector: u32,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        for record in &self.records {
            let span = match record.target {
                Target::Root => root,
                Target::File(index) => files[index],
            };
            let bytes = record.encode(span, date, continuation_sector);
            out.resize(within_sector(out.len(), bytes.len()), 0);
            out.extend(bytes);
        }
        fill_to_multiple(&mut out, crate::SECTOR as usize);
        out
    }
}

/// The 34-byte record of the root directory inside a volume descriptor (ECMA-119, 8.4.18).
pub(crate) fn root_record(root: Span, date: [u8; 7]) -> Vec<u8> {
    let system_use = SystemUse::default();
    Record { identifier: vec![0], system_use, target: Target::Root }.encode(root, date, 0)
}

/// Identifiers of even length are followed by one byte of padding (ECMA-119, 9.1.12).
fn identifier_end(identifier_len: usize) -> usize {
    (FIXED_LEN + identifier_len).next_multiple_of(2)
}
