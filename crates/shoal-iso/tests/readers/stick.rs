//! The stick as fsck.fat, mtools and blkid read it.

use std::fs::{self, File};

use shoal_iso::{Error, Image, SourceDateEpoch, stick};

use crate::oracle::run;

/// Where the partition begins.
const PARTITION: usize = 1 << 20;

fn made(files: &[(&str, Vec<u8>)]) -> Image {
    stick("TASK_0199A7", SourceDateEpoch::new(1_700_000_000).unwrap(), files).unwrap()
}

fn kickstart(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn others_find_no_fault_in_it_and_every_byte_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let image =
        made(&[("KS.CFG", kickstart(70_001)), ("EMPTY", Vec::new()), ("B_1.TXT", vec![7; 2048])]);
    let whole = dir.path().join("stick.img");
    image.write_sparse(&File::create(&whole).unwrap()).unwrap();
    assert!(fs::read(&whole).unwrap() == image.bytes(), "what is left out on disk is zero");
    fs::write(dir.path().join("partition.img"), &image.bytes()[PARTITION..]).unwrap();

    for file in ["partition.img", "stick.img"] {
        let said = run("fsck.fat", &["-n", "-v", file], dir.path());
        assert!(said.contains("FATs, 16 bit entries"), "{said}");
        assert!(said.contains("4 files,"), "{said}");
    }
    let label = run("blkid", &["-p", "-o", "export", "partition.img"], dir.path());
    assert!(label.contains("LABEL_FATBOOT=TASK_0199A7\n"), "{label}");
    assert!(label.contains("\nLABEL=TASK_0199A7\n"), "{label}");
    // Where the partition begins and how long it is, in sectors; mcopy reads it from there below.
    let entry = &image.bytes()[446 + 4..446 + 16];
    assert_eq!(entry, [6, 0xfe, 0xff, 0xff, 0, 8, 0, 0, 0, 0x48, 0, 0]);
    for (name, content) in
        [("KS.CFG", kickstart(70_001)), ("EMPTY", vec![]), ("B_1.TXT", vec![7; 2048])]
    {
        let from = format!("::{name}");
        for image in ["stick.img", "stick.img@@1M"] {
            run("mcopy", &["-n", "-o", "-i", image, &from, "copied"], dir.path());
            assert!(fs::read(dir.path().join("copied")).unwrap() == content, "{name}");
            fs::remove_file(dir.path().join("copied")).unwrap();
        }
    }
    let listed = run("mdir", &["-i", "stick.img@@1M", "::"], dir.path());
    assert!(listed.contains("2023-11-14"), "{listed}");
}

#[test]
fn files_lie_where_they_are_said_to_and_far_from_the_directories() {
    let image = made(&[("KS.CFG", kickstart(5000)), ("B", vec![7; 1])]);
    let first = image.extent("KS.CFG").unwrap();
    assert_eq!(first.offset, image.data_start());
    assert!(image.data_start() >= (5 << 20), "{}", image.data_start());
    let at = usize::try_from(first.offset).unwrap();
    assert!(image.bytes()[at..at + 5000] == kickstart(5000));
    assert_eq!(image.extent("B").unwrap().offset, first.offset + 6144);
    assert_eq!(image.bytes().len(), 10 << 20);
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let [one, other] = [0, 0].map(|_| made(&[("KS.CFG", kickstart(100))]));
    assert!(one == other);
    assert_ne!(one.sha256(), made(&[("KS.CFG", kickstart(101))]).sha256());
}

#[test]
fn names_that_fat_would_change_and_files_that_do_not_fit_are_refused() {
    let epoch = SourceDateEpoch::new(1_700_000_000).unwrap();
    for name in ["ks.cfg", "RECIPE.JSON", "NINECHARS", "", ".CFG", "A.B.C", "A B"] {
        let error = stick("TASK", epoch, &[(name, vec![])]).unwrap_err();
        assert_eq!(error, Error::ShortName { name: name.to_owned() });
    }
    for label in ["", "TASK_0123456", "task"] {
        assert!(matches!(stick(label, epoch, &[]), Err(Error::ShortName { .. })), "{label}");
    }
    let twice = stick("TASK", epoch, &[("A", vec![]), ("A", vec![])]).unwrap_err();
    assert!(matches!(twice, Error::DuplicateName { .. }));
    assert!(stick("TASK", epoch, &[("A", vec![1; 4_800_000])]).is_ok());
    for bytes in [5_000_000, 300_000_000] {
        let error = stick("TASK", epoch, &[("A", vec![1; bytes])]).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}

#[test]
fn dates_before_and_after_what_fat_can_say_are_the_nearest_it_can() {
    for (seconds, date) in [(0, "1980-01-01"), (5_000_000_000, "2107-12-31")] {
        let dir = tempfile::tempdir().unwrap();
        let epoch = SourceDateEpoch::new(seconds).unwrap();
        let image = stick("TASK", epoch, &[("A", vec![1])]).unwrap();
        fs::write(dir.path().join("stick.img"), image.bytes()).unwrap();
        let listed = run("mdir", &["-i", "stick.img@@1M", "::"], dir.path());
        assert!(listed.contains(date), "{listed}");
    }
}
