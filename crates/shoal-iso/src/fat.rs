//! A USB stick with one FAT16 file system, for systems that look for a file on a stick and understand
//! no ISO 9660 there.
//!
//! The geometry is fixed, so that the bytes depend on label, time and files alone: 1 MiB up to the
//! partition as partitioning tools leave it, then boot sector, two tables, root directory, and 4,590
//! clusters of 2 KiB, just enough of them that every reader takes the file system for FAT16.
//! Some readers want a partition table and some know none, so the first sector is both: it has the
//! table, and it is the boot sector of the same file system counted from the start of the stick.

use crate::{Error, Extent, FileName, Image, RUN_OUT, SourceDateEpoch};

const SECTOR: u32 = 512;
const PARTITION: u16 = 2048;
const PARTITION_SECTORS: u16 = 18_432;
const RESERVED: u16 = 4;
const TABLE_SECTORS: u8 = 18;
const ROOT_ENTRIES: u16 = 512;
const CLUSTER_SECTORS: u8 = 4;
const CLUSTER: u32 = CLUSTER_SECTORS as u32 * SECTOR;
const TABLE: u32 = PARTITION as u32 + RESERVED as u32;
const ROOT: u32 = TABLE + 2 * TABLE_SECTORS as u32;
const DATA: u32 = ROOT + ROOT_ENTRIES as u32 * 32 / SECTOR;
/// Clusters before the first file: the distance a reader's read-ahead must not cross, as on a disc.
const GAP: u16 = 2048;
const TOTAL: u32 = (PARTITION as u32 + PARTITION_SECTORS as u32) * SECTOR;
const FIRST_CLUSTER: u16 = 2;
/// Behind the last cluster that may hold a file.
const END: u32 = TOTAL - RUN_OUT;
const LAST_OF_FILE: u16 = 0xffff;
const FIXED_DISK: u8 = 0xf8;
/// "FAT16" in a partition table.
const TYPE: u8 = 0x06;
const READ_ONLY_FILE: u8 = 0x21;
const LABEL: u8 = 0x08;
/// Cylinders, heads and sectors of an address beyond what they can say.
const BEYOND: [u8; 3] = [0xfe, 0xff, 0xff];

/// Makes a stick labelled `label` whose every date is `epoch`. Labels are 1 to 11 of `A-Z`, `0-9`
/// and `_`; names are short ones (`KS.CFG`), upper case, as the file system keeps them. The files
/// start 4 MiB behind the directories and lie one behind the other; together they take 4.6 MiB at
/// most. The stick has 10 MiB, all of it zero but for the directories and files.
///
/// # Errors
///
/// [`Error::ShortName`], [`Error::DuplicateName`], [`Error::TooLarge`].
pub fn stick(
    label: &str,
    epoch: SourceDateEpoch,
    files: &[(&str, Vec<u8>)],
) -> Result<Image, Error> {
    let label = padded(label).ok_or_else(|| Error::ShortName { name: label.to_owned() })?;
    let placed = place(files)?;
    let mut image = Image::zeroed(TOTAL.into(), at_cluster(FIRST_CLUSTER + GAP));
    let at = |sector: u32| u64::from(sector) * u64::from(SECTOR);
    image.write(0, &boot_sector(label, epoch, 0));
    image.write(at(PARTITION.into()), &boot_sector(label, epoch, PARTITION));
    let table = table(&placed);
    image.write(at(TABLE), &table);
    image.write(at(TABLE + u32::from(TABLE_SECTORS)), &table);
    image.write(at(ROOT), &root(label, epoch, &placed));
    for file in &placed {
        let offset = at_cluster(file.cluster);
        image.write(offset, file.bytes);
        let len = file.bytes.len() as u64;
        image.extents.push(Extent { name: FileName::new(file.name)?, offset, len });
    }
    Ok(image)
}

struct Placed<'a> {
    name: &'a str,
    entry: [u8; 11],
    cluster: u16,
    clusters: u16,
    bytes: &'a [u8],
}

fn place<'a>(files: &'a [(&'a str, Vec<u8>)]) -> Result<Vec<Placed<'a>>, Error> {
    let mut placed: Vec<Placed<'a>> = Vec::new();
    let mut cluster = FIRST_CLUSTER + GAP;
    for (name, bytes) in files {
        let entry = short(name).ok_or_else(|| Error::ShortName { name: (*name).to_owned() })?;
        if placed.iter().any(|earlier| earlier.entry == entry) {
            let (name, earlier) = ((*name).to_owned(), (*name).to_owned());
            return Err(Error::DuplicateName { name, earlier });
        }
        let len = (bytes.len() as u64).max(1);
        let needed = at_cluster(cluster) + len.next_multiple_of(CLUSTER.into());
        let clusters = u16::try_from(len.div_ceil(CLUSTER.into())).ok();
        let Some(clusters) = clusters.filter(|_| needed <= END.into()) else {
            return Err(Error::TooLarge { bytes: needed + u64::from(RUN_OUT), limit: TOTAL });
        };
        placed.push(Placed { name, entry, cluster, clusters, bytes });
        cluster += clusters;
    }
    Ok(placed)
}

fn at_cluster(cluster: u16) -> u64 {
    let data = u64::from(DATA) * u64::from(SECTOR);
    data + u64::from(cluster - FIRST_CLUSTER) * u64::from(CLUSTER)
}

/// The label in a field of eleven characters.
fn padded(label: &str) -> Option<[u8; 11]> {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let mut field = [b' '; 11];
    field.get_mut(..label.len())?.copy_from_slice(label.as_bytes());
    (!label.is_empty() && label.bytes().all(allowed)).then_some(field)
}

/// A short name as a directory holds it: eight characters and three, without the dot.
fn short(name: &str) -> Option<[u8; 11]> {
    let (stem, suffix) = name.split_once('.').unwrap_or((name, ""));
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = (1..=8).contains(&stem.len()) && suffix.len() <= 3;
    if !fits || !stem.bytes().chain(suffix.bytes()).all(allowed) {
        return None;
    }
    let mut field = [b' '; 11];
    field.get_mut(..stem.len())?.copy_from_slice(stem.as_bytes());
    field.get_mut(8..8 + suffix.len())?.copy_from_slice(suffix.as_bytes());
    Some(field)
}

/// The boot sector at `hidden` sectors from the start of the stick. The first one has the partition
/// table behind its code.
fn boot_sector(label: [u8; 11], epoch: SourceDateEpoch, hidden: u16) -> Vec<u8> {
    let before = PARTITION - hidden;
    let mut sector = vec![0xeb, 0x3c, 0x90];
    sector.extend(b"SHOAL   ");
    sector.extend([0, 2, CLUSTER_SECTORS]);
    sector.extend((before + RESERVED).to_le_bytes());
    sector.push(2);
    sector.extend(ROOT_ENTRIES.to_le_bytes());
    sector.extend((before + PARTITION_SECTORS).to_le_bytes());
    sector.push(FIXED_DISK);
    sector.extend([TABLE_SECTORS, 0]);
    // Sectors in a track and heads, as disks have had them since they stopped being true.
    sector.extend([63, 0, 255, 0]);
    sector.extend(u32::from(hidden).to_le_bytes());
    sector.extend([0; 4]);
    sector.extend([0x80, 0, 0x29]);
    let serial = epoch.seconds().to_le_bytes();
    sector.extend(serial.iter().take(4));
    sector.extend(label);
    sector.extend(b"FAT16   ");
    if hidden == 0 {
        sector.resize(446, 0);
        sector.push(0);
        sector.extend(BEYOND);
        sector.push(TYPE);
        sector.extend(BEYOND);
        sector.extend(u32::from(PARTITION).to_le_bytes());
        sector.extend(u32::from(PARTITION_SECTORS).to_le_bytes());
    }
    sector.resize(SECTOR as usize - 2, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

/// The chain of each file, behind the two entries every table begins with.
fn table(placed: &[Placed<'_>]) -> Vec<u8> {
    let mut entries = vec![0xff00 | u16::from(FIXED_DISK), LAST_OF_FILE];
    entries.resize(usize::from(FIRST_CLUSTER + GAP), 0);
    for file in placed {
        entries.extend((file.cluster + 1)..(file.cluster + file.clusters));
        // An empty file has no chain, although it keeps a cluster to itself here.
        entries.push(if file.bytes.is_empty() { 0 } else { LAST_OF_FILE });
    }
    entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

fn root(label: [u8; 11], epoch: SourceDateEpoch, placed: &[Placed<'_>]) -> Vec<u8> {
    let mut directory = entry(label, LABEL, epoch, (0, 0));
    for file in placed {
        let len = u32::try_from(file.bytes.len()).unwrap_or(u32::MAX);
        let cluster = if len == 0 { 0 } else { file.cluster };
        directory.extend(entry(file.entry, READ_ONLY_FILE, epoch, (cluster, len)));
    }
    directory
}

fn entry(
    name: [u8; 11],
    attributes: u8,
    epoch: SourceDateEpoch,
    (cluster, len): (u16, u32),
) -> Vec<u8> {
    let (date, time) = epoch.dos();
    let mut entry = name.to_vec();
    entry.extend([attributes, 0, 0]);
    entry.extend(time.to_le_bytes());
    entry.extend(date.to_le_bytes());
    entry.extend(date.to_le_bytes());
    entry.extend([0, 0]);
    entry.extend(time.to_le_bytes());
    entry.extend(date.to_le_bytes());
    entry.extend(cluster.to_le_bytes());
    entry.extend(len.to_le_bytes());
    entry
}
