//! Where things lie: extents, gap, end, sparse files, limits, and the bytes themselves.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use shoal_iso::{
    Builder, Content, DATA_GAP, Error, FileName, Image, MAX_BYTES, RUN_OUT, SECTOR,
    SourceDateEpoch, VolumeId,
};

use crate::oracle::run;
use crate::sample::{Disc, EPOCH, build, odd_files, task_files};

#[test]
fn reported_extents_hold_the_content_and_nothing_else_does() {
    let files = task_files();
    let image = build(&files);
    let mut rest = image.bytes().to_vec();
    for extent in image.extents() {
        let start = usize::try_from(extent.offset).unwrap();
        let end = start + usize::try_from(extent.len).unwrap();
        assert_eq!(&image.bytes()[start..end], files[extent.name.as_str()]);
        assert_eq!(extent.offset % u64::from(SECTOR), 0);
        rest[start..end].fill(0);
    }
    let data_start = usize::try_from(image.data_start()).unwrap();
    assert!(rest[data_start..].iter().all(|&byte| byte == 0));
    assert!(rest[..32_768].iter().all(|&byte| byte == 0));
}

#[test]
fn other_readers_see_the_reported_extents() {
    let disc = Disc::of(&task_files());
    let listing = run("isoinfo", &["-i", "task.iso", "-R", "-l"], disc.dir());
    for extent in disc.image.extents() {
        let line = listing.lines().find(|line| line.trim_end().ends_with(extent.name.as_str()));
        let sector = format!("[{:>7}", extent.offset / u64::from(SECTOR));
        assert!(line.is_some_and(|line| line.contains(&sector)), "{sector} in {listing}");
    }
}

#[test]
fn read_ahead_from_the_directories_cannot_reach_a_file() {
    for files in [task_files(), odd_files(), many_files(500)] {
        let image = build(&files);
        let metadata_end = last_byte_below(&image, image.data_start()) + 1;
        assert!(image.data_start() - metadata_end >= u64::from(DATA_GAP));
        assert_eq!(image.extents()[0].offset, image.data_start());
    }
}

#[test]
fn read_ahead_at_the_last_file_stays_inside_the_medium() {
    let image = build(&task_files());
    let last = image.extents().last().unwrap();
    let total = image.bytes().len() as u64;
    assert!(last.offset + last.len + u64::from(RUN_OUT) <= total);
    assert_eq!(total % u64::from(SECTOR), 0);
}

#[test]
fn directories_of_several_sectors_are_read_back() {
    let files = many_files(500);
    let disc = Disc::of(&files);
    for options in ["iso9660:joliet", "iso9660:!rockridge", "iso9660:!rockridge,!joliet"] {
        let listing = run("bsdtar", &["-tf", "task.iso", "--options", options], disc.dir());
        assert_eq!(listing.lines().count(), files.len() + 1, "{options}");
    }
    let report = run("isovfy", &["task.iso"], disc.dir());
    assert!(report.contains("No errors found"), "{report}");
}

#[test]
fn sparse_file_is_identical_and_takes_fewer_blocks() {
    let disc = Disc::of(&task_files());
    let path = disc.dir().join("sparse.iso");
    let mut file = File::create(&path).unwrap();
    // Whatever the file held before must not shine through the holes.
    file.write_all(&vec![0xFF; disc.image.bytes().len() + 4096]).unwrap();
    disc.image.write_sparse(&file).unwrap();
    file.sync_all().unwrap();

    assert!(std::fs::read(&path).unwrap() == disc.image.bytes());
    let allocated = file.metadata().unwrap().blocks() * 512;
    assert!(allocated < 256 * 1024, "{allocated} bytes allocated");
}

#[test]
fn small_boot_medium_has_its_files_where_they_were_asked_for() {
    let reserve = 16 << 20;
    let image = builder("SHOAL_MAINT")
        .data_gap(0)
        .max_bytes(64 << 20)
        .file(name("shoal.json"), "{}")
        .file_not_before(1 << 20, name("boot.img"), vec![0xEB; 300_000])
        .file_not_before(4 << 20, name("task.bin"), Content::Zeros(reserve))
        .build()
        .unwrap();
    let at = |name: &str| image.extent(name).unwrap().offset;
    assert_eq!(at("shoal.json"), image.data_start());
    assert!(image.data_start() < 64 * 1024);
    assert_eq!((at("boot.img"), at("task.bin")), (1 << 20, 4 << 20));
    assert_eq!(image.extent("task.bin").unwrap().len, u64::from(reserve));

    let disc = Disc::new(image);
    let listing = run("isoinfo", &["-i", "task.iso", "-R", "-l"], disc.dir());
    assert!(listing.lines().any(|l| l.contains("16777216") && l.contains("task.bin")), "{listing}");
    let sparse = File::create(disc.dir().join("sparse.iso")).unwrap();
    disc.image.write_sparse(&sparse).unwrap();
    sparse.sync_all().unwrap();
    assert!(sparse.metadata().unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn offset_that_is_taken_or_odd_moves_to_the_next_free_sector() {
    let image = builder("ODD")
        .data_gap(0)
        .file(name("a"), vec![1; 5000])
        .file_not_before(1, name("b"), "b")
        .file_not_before(100_001, name("c"), "c")
        .build()
        .unwrap();
    let [a, b, c] = image.extents() else { panic!("three files") };
    assert_eq!((b.offset - a.offset, c.offset), (3 * u64::from(SECTOR), 49 * u64::from(SECTOR)));
}

#[test]
fn empty_files_have_extents_of_their_own() {
    let image = builder("EMPTY").file(name("a"), "").file(name("b"), "").build().unwrap();
    let [a, b] = image.extents() else { panic!("two files") };
    assert_eq!((a.len, b.len, b.offset - a.offset), (0, 0, u64::from(SECTOR)));
}

#[test]
fn medium_beyond_its_limit_is_refused_with_both_sizes() {
    let fitting = builder("BIG").file(name("f"), Content::Zeros(5 << 20)).build().unwrap();
    let needed = fitting.bytes().len() as u64;
    let limit = u32::try_from(needed).unwrap();
    let same = || builder("BIG").file(name("f"), Content::Zeros(5 << 20));
    assert!(same().max_bytes(limit).build().is_ok());
    let refused = same().max_bytes(limit - 1).build();
    assert_eq!(refused.unwrap_err(), Error::TooLarge { bytes: needed, limit: limit - 1 });

    let refused = builder("BIG").file(name("f"), Content::Zeros(10 << 20)).build().unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: MAX_BYTES, .. }), "{refused}");
    let refused = builder("BIG").max_bytes(u32::MAX).file_not_before(u32::MAX, name("f"), "");
    assert!(matches!(refused.build(), Err(Error::TooLarge { limit: u32::MAX, .. })));
}

#[test]
fn names_that_differ_in_case_only_are_refused() {
    let refused = builder("TWICE").file(name("KS.CFG"), "").file(name("ks.cfg"), "").build();
    let expected = Error::DuplicateName { name: "ks.cfg".to_owned(), earlier: "KS.CFG".to_owned() };
    assert_eq!(refused.unwrap_err(), expected);
}

#[test]
fn debug_output_shows_no_content() {
    let secret = "token-4711";
    let builder = builder("SECRET").file(name("job.json"), secret);
    let debug = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(debug.contains("job.json") && !debug.contains(secret), "{debug}");
    assert!(!debug.contains(&format!("{:?}", secret.as_bytes()[0..4].to_vec())), "{debug}");
}

#[test]
fn digest_is_the_one_sha256sum_computes() {
    for files in [task_files(), odd_files()] {
        let disc = Disc::of(&files);
        let line = run("sha256sum", &["task.iso"], disc.dir());
        assert_eq!(line, format!("{}  task.iso\n", hex(&disc.image)));
    }
}

/// The same digests on every machine: a change here is a change of every stored medium's digest,
/// after which media in use can no longer be rebuilt.
#[test]
fn bytes_never_change() {
    assert_eq!(hex(&build(&task_files())), GOLDEN_TASK);
    assert_eq!(hex(&build(&odd_files())), GOLDEN_ODD);
    assert_eq!(build(&task_files()), build(&task_files()));
}

/// As `sha256sum` prints it.
fn hex(image: &Image) -> String {
    image.sha256().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

const GOLDEN_TASK: &str = "d8d3e031bade109eb6ebb051603bfdcc51eb3bda9405af3e391abe64929b5e00";
const GOLDEN_ODD: &str = "d148d8a138f51faa7d4dd29b52985d7c95a8cf97f9f655d3536d941273800e59";

fn builder(label: &str) -> Builder {
    Image::builder(VolumeId::new(label).unwrap(), SourceDateEpoch::new(EPOCH).unwrap())
}

fn name(name: &str) -> FileName {
    FileName::new(name).unwrap()
}

fn many_files(count: usize) -> std::collections::BTreeMap<String, Vec<u8>> {
    (0..count).map(|n| (format!("file-{n}-{}", "x".repeat(n % 90)), vec![b'x'; n % 7])).collect()
}

fn last_byte_below(image: &Image, end: u64) -> u64 {
    let end = usize::try_from(end).unwrap();
    image.bytes()[..end].iter().rposition(|&byte| byte != 0).unwrap() as u64
}
