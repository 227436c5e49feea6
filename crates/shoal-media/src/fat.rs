//! The least of FAT that finds one file: in the EFI image of an installer's disc, and on a task
//! medium for USB slots, bounded so that no image can make it read or loop for long.

use crate::content::Content;
use crate::extent::Extent;

const ENTRY: usize = 32;
/// Longest directory followed, in clusters, and longest file.
const MAX_DIRECTORY: usize = 64;
const MAX_CLUSTERS: u32 = 1 << 20;
const IS_DIRECTORY: u8 = 0x10;
/// Volume labels and the pieces of long names have this bit.
const IS_NO_FILE: u8 = 0x08;

/// Where the file `path` (short names, separated by `/`) of a FAT image lies, which may be
/// partitioned: its first run, which is all of it on a medium that was written once. `None` when
/// there is no such file or this is no FAT image. Blocks while it reads.
pub fn find_fat_file(content: &Content, path: &str) -> Option<Extent> {
    let whole = Extent::new(0, content.len())?;
    let volume = Volume::open(content, whole).or_else(|| {
        let mut partition = [0; 16];
        content.read_exact_at(446, &mut partition).ok()?;
        let at = u64::from(long(&partition, 8)?) * 512;
        Volume::open(content, Extent::between(at, content.len())?)
    })?;
    volume.find(path)
}

/// A FAT volume inside a content.
pub(crate) struct Volume<'a> {
    content: &'a Content,
    place: Extent,
    kind: Kind,
    fat_at: u64,
    root: Directory,
    data_at: u64,
    cluster_len: u64,
    clusters: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Fat12,
    Fat16,
    Fat32,
}

/// Where a directory's entries are.
#[derive(Clone, Copy)]
enum Directory {
    Fixed(Extent),
    Chain(u32),
}

/// One entry of a directory.
struct Entry {
    name: [u8; 11],
    attributes: u8,
    cluster: u32,
    len: u32,
}

impl<'a> Volume<'a> {
    /// The volume that fills `place` from its start; `None` when there is none.
    pub(crate) fn open(content: &'a Content, place: Extent) -> Option<Self> {
        let mut boot = [0; 512];
        content.read_exact_at(place.offset(), &mut boot).ok()?;
        let sector_len = u64::from(short(&boot, 11)?);
        let sectors_per_cluster = u64::from(*boot.get(13)?);
        let fats = u64::from(*boot.get(16)?);
        let plausible = matches!(sector_len, 512 | 1024 | 2048 | 4096)
            && sectors_per_cluster.is_power_of_two()
            && matches!(fats, 1 | 2);
        if !plausible {
            return None;
        }
        let either = |small: usize, large: usize| match short(&boot, small)? {
            0 => Some(u64::from(long(&boot, large)?)),
            some => Some(u64::from(some)),
        };
        let (total, fat_sectors) = (either(19, 32)?, either(22, 36)?);
        let root_len = u64::from(short(&boot, 17)?) * ENTRY as u64;
        let fat_start = u64::from(short(&boot, 14)?);
        let root_start = fat_start + fats * fat_sectors;
        let data_start = root_start + root_len.div_ceil(sector_len);
        let clusters = total.checked_sub(data_start)? / sectors_per_cluster;
        // The number of clusters alone decides (Microsoft's FAT specification, section 3.5).
        let kind = match clusters {
            0..4085 => Kind::Fat12,
            4085..65525 => Kind::Fat16,
            _ => Kind::Fat32,
        };
        let at = |sector: u64| place.offset() + sector * sector_len;
        let root = match kind {
            Kind::Fat32 => Directory::Chain(long(&boot, 44)?),
            Kind::Fat12 | Kind::Fat16 => Directory::Fixed(Extent::new(at(root_start), root_len)?),
        };
        Some(Self {
            content,
            place,
            kind,
            fat_at: at(fat_start),
            root,
            data_at: at(data_start),
            cluster_len: sectors_per_cluster * sector_len,
            clusters: u32::try_from(clusters).ok()?,
        })
    }

    /// The first run of the file `path`.
    pub(crate) fn find(&self, path: &str) -> Option<Extent> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let name = short_name(name)?;
        let found = self.list(self.directory(directory)?).into_iter().find(|it| it.name == name)?;
        self.run(&found)
    }

    /// The first run of the largest file in the directory `path`.
    pub(crate) fn largest_in(&self, path: &str) -> Option<Extent> {
        let entries = self.list(self.directory(path)?).into_iter();
        let files = entries.filter(|entry| entry.attributes & IS_DIRECTORY == 0);
        self.run(&files.max_by_key(|entry| entry.len)?)
    }

    fn directory(&self, path: &str) -> Option<Directory> {
        let mut at = self.root;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let name = short_name(name)?;
            let mut entries = self.list(at).into_iter();
            let found = entries.find(|it| it.name == name && it.attributes & IS_DIRECTORY != 0)?;
            at = Directory::Chain(found.cluster);
        }
        Some(at)
    }

    fn list(&self, directory: Directory) -> Vec<Entry> {
        let places = match directory {
            Directory::Fixed(place) => vec![place],
            Directory::Chain(first) => self.chain(first),
        };
        let mut entries = Vec::new();
        for place in places {
            let mut bytes = vec![0; usize::try_from(place.len()).unwrap_or(0)];
            if self.content.read_exact_at(place.offset(), &mut bytes).is_err() {
                break;
            }
            let used = bytes.chunks_exact(ENTRY).take_while(|entry| entry.first() != Some(&0));
            entries.extend(used.filter_map(Entry::parse));
        }
        entries
    }

    /// The clusters of a directory.
    fn chain(&self, first: u32) -> Vec<Extent> {
        let mut cluster = first;
        let mut places = Vec::new();
        while let Some(place) = self.cluster(cluster).filter(|_| places.len() < MAX_DIRECTORY) {
            places.push(place);
            let Some(next) = self.next(cluster) else { break };
            cluster = next;
        }
        places
    }

    /// The adjoining clusters at the start of a file.
    fn run(&self, entry: &Entry) -> Option<Extent> {
        let start = self.cluster(entry.cluster)?;
        let mut left = u64::from(entry.len).div_ceil(self.cluster_len).min(MAX_CLUSTERS.into());
        let mut cluster = entry.cluster;
        let mut len = 0;
        while left > 0 {
            len += self.cluster_len;
            left -= 1;
            if left > 0 && self.next(cluster) != cluster.checked_add(1) {
                break;
            }
            cluster += 1;
        }
        let run = Extent::new(start.offset(), len.min(entry.len.into()))?;
        (run.end() <= self.place.end()).then_some(run)
    }

    fn cluster(&self, number: u32) -> Option<Extent> {
        let index = number.checked_sub(2).filter(|index| *index < self.clusters)?;
        let at = self.data_at + u64::from(index) * self.cluster_len;
        Extent::new(at, self.cluster_len).filter(|place| place.end() <= self.place.end())
    }

    /// What the table says follows a cluster, end marks included.
    fn next(&self, cluster: u32) -> Option<u32> {
        let number = u64::from(cluster);
        let read = |offset: u64, len: usize| {
            let mut bytes = [0; 4];
            self.content.read_exact_at(self.fat_at + offset, bytes.get_mut(..len)?).ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        match self.kind {
            Kind::Fat12 => {
                let pair = read(number * 3 / 2, 2)?;
                Some(if number % 2 == 0 { pair & 0xfff } else { pair >> 4 })
            }
            Kind::Fat16 => read(number * 2, 2),
            Kind::Fat32 => Some(read(number * 4, 4)? & 0x0fff_ffff),
        }
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let attributes = *bytes.get(11)?;
        let deleted = bytes.first() == Some(&0xe5);
        if deleted || attributes & IS_NO_FILE != 0 {
            return None;
        }
        let high = u32::from(short(bytes, 20)?) << 16;
        Some(Self {
            name: bytes.get(..11)?.try_into().ok()?,
            attributes,
            cluster: high | u32::from(short(bytes, 26)?),
            len: long(bytes, 28)?,
        })
    }
}

/// A name as a directory holds it; `None` when it is no short name.
fn short_name(name: &str) -> Option<[u8; 11]> {
    let (stem, suffix) = name.split_once('.').unwrap_or((name, ""));
    let mut short = [b' '; 11];
    short.get_mut(..stem.len()).filter(|_| stem.len() <= 8)?.copy_from_slice(stem.as_bytes());
    short.get_mut(8..8 + suffix.len())?.copy_from_slice(suffix.as_bytes());
    short.make_ascii_uppercase();
    Some(short)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
