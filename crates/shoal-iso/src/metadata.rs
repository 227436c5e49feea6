//! Everything in front of the files' data, in its order on the medium: system area, descriptors,
//! path tables, primary directory and its continuation area, Joliet directory.
//!
//! It is made in two steps, because directories must be sized before files can be placed, and
//! files placed before directories can be written. The continuation area lies behind the directory
//! that refers to it: a reader that goes through a medium in one direction needs it so.

use crate::descriptor::{SYSTEM_AREA_SECTORS, Tree, Volume, path_tables, terminator};
use crate::directory::{Directory, Record, Span, Target};
use crate::rock_ridge::{RockRidge, SystemUse};
use crate::{FileName, SECTOR, SourceDateEpoch, VolumeId, identifier};

const PRIMARY_PATH_TABLE: u32 = SYSTEM_AREA_SECTORS + 3;
const JOLIET_PATH_TABLE: u32 = PRIMARY_PATH_TABLE + 2;
const PRIMARY_DIRECTORY: u32 = JOLIET_PATH_TABLE + 2;

/// The sized but not yet placed front of a medium.
#[derive(Debug)]
pub(crate) struct Metadata {
    epoch: SourceDateEpoch,
    primary: Directory,
    continuation: Vec<u8>,
    joliet: Directory,
}

impl Metadata {
    /// Sizes the front of a medium with these files.
    pub(crate) fn new(names: &[&FileName], epoch: SourceDateEpoch) -> Self {
        let mut rock_ridge = RockRidge::new(epoch.short());
        let primary = primary_directory(names, &mut rock_ridge);
        let continuation = rock_ridge.into_continuation();
        Self { epoch, primary, continuation, joliet: joliet_directory(names) }
    }

    /// Offset of its end on the medium, in bytes.
    pub(crate) fn end(&self) -> u64 {
        let variable = self.primary.len() + self.continuation.len() + self.joliet.len();
        u64::from(PRIMARY_DIRECTORY) * u64::from(SECTOR) + variable as u64
    }

    /// The bytes from the first descriptor to the end, for files placed at `files` (in the order of
    /// the names) on a medium of `sectors`.
    pub(crate) fn encode(&self, id: &VolumeId, files: &[Span], sectors: u32) -> Vec<u8> {
        let primary = span(PRIMARY_DIRECTORY, self.primary.len());
        let continuation = span(after(primary), self.continuation.len());
        let joliet = span(after(continuation), self.joliet.len());
        let volume = Volume { id, epoch: self.epoch, sectors };
        let date = self.epoch.short();
        [
            volume.descriptor(Tree::Primary, primary, PRIMARY_PATH_TABLE),
            volume.descriptor(Tree::Joliet, joliet, JOLIET_PATH_TABLE),
            terminator(),
            path_tables(primary),
            path_tables(joliet),
            self.primary.encode(primary, files, date, continuation.sector),
            self.continuation.clone(),
            self.joliet.encode(joliet, files, date, 0),
        ]
        .concat()
    }
}

fn primary_directory(names: &[&FileName], rock_ridge: &mut RockRidge) -> Directory {
    let mut records = vec![
        Record { identifier: vec![0], system_use: rock_ridge.root(), target: Target::Root },
        Record { identifier: vec![1], system_use: rock_ridge.parent(), target: Target::Root },
    ];
    let mut files: Vec<_> = identifier::primary(names).into_iter().zip(names).enumerate().collect();
    files.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
    records.extend(files.into_iter().map(|(index, (primary, name))| {
        let identifier = primary.to_bytes();
        let room = Record::room_for_system_use(identifier.len());
        let system_use = rock_ridge.file(name.as_str(), room);
        Record { identifier, system_use, target: Target::File(index) }
    }));
    Directory { records }
}

fn joliet_directory(names: &[&FileName]) -> Directory {
    let record =
        |identifier, target| Record { identifier, system_use: SystemUse::default(), target };
    let mut records = vec![record(vec![0], Target::Root), record(vec![1], Target::Root)];
    let mut files: Vec<_> = names.iter().enumerate().collect();
    files.sort_by_cached_key(|(_, name)| identifier::joliet_order(name));
    records.extend(
        files
            .into_iter()
            .map(|(index, name)| record(identifier::joliet(name), Target::File(index))),
    );
    Directory { records }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "encoding follows placing, which refuses media of 4 GiB and more"
)]
fn span(sector: u32, len: usize) -> Span {
    Span { sector, len: len as u32 }
}

/// The sector behind a span of whole sectors.
fn after(span: Span) -> u32 {
    span.sector + span.len / SECTOR
}
