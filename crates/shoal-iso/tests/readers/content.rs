//! Each reader extracts the same files, through each of the trees it understands.

use std::collections::BTreeMap;

use crate::oracle::{files_in, run};
use crate::sample::{Disc, odd_files, task_files};

#[test]
fn xorriso_extracts_every_byte_through_rock_ridge() {
    every_sample(|disc, files| {
        let out = disc.out();
        run(
            "xorriso",
            &["-osirrox", "on", "-indev", "task.iso", "-extract", "/", "out"],
            disc.dir(),
        );
        assert_eq!(files_in(&out), *files);
    });
}

#[test]
fn xorriso_extracts_every_byte_through_joliet() {
    every_sample(|disc, files| {
        let out = disc.out();
        run(
            "xorriso",
            &["-read_fs", "norock", "-osirrox", "on", "-indev", "task.iso", "-extract", "/", "out"],
            disc.dir(),
        );
        assert_eq!(files_in(&out), *files);
    });
}

#[test]
fn bsdtar_extracts_every_byte_through_rock_ridge() {
    every_sample(|disc, files| {
        let out = disc.out();
        run("bsdtar", &["-xf", "task.iso", "-C", "out"], disc.dir());
        assert_eq!(files_in(&out), *files);
    });
}

#[test]
fn bsdtar_extracts_every_byte_through_joliet() {
    every_sample(|disc, files| {
        let out = disc.out();
        run(
            "bsdtar",
            &["-xf", "task.iso", "--options", "iso9660:!rockridge", "-C", "out"],
            disc.dir(),
        );
        assert_eq!(files_in(&out), *files);
    });
}

#[test]
fn bsdtar_reads_the_medium_from_a_pipe() {
    let files = task_files();
    let disc = Disc::of(&files);
    let out = disc.out();
    run("sh", &["-c", "cat task.iso | bsdtar -xf - -C out"], disc.dir());
    assert_eq!(files_in(&out), files);
}

#[test]
fn seven_zip_extracts_every_byte() {
    every_sample(|disc, files| {
        let out = disc.out();
        run("7z", &["x", "-y", "-oout", "task.iso"], disc.dir());
        assert_eq!(files_in(&out), *files);
    });
}

#[test]
fn isoinfo_reads_a_file_by_its_primary_name() {
    let files = task_files();
    let disc = Disc::of(&files);
    let kickstart = run("isoinfo", &["-i", "task.iso", "-x", "/KS.CFG;1"], disc.dir());
    assert_eq!(kickstart.as_bytes(), files["ks.cfg"]);
}

#[test]
fn isovfy_finds_nothing_wrong() {
    every_sample(|disc, _| {
        let report = run("isovfy", &["task.iso"], disc.dir());
        assert!(report.contains("No errors found"), "{report}");
    });
}

fn every_sample(check: impl Fn(&Disc, &BTreeMap<String, Vec<u8>>)) {
    for files in [task_files(), odd_files(), BTreeMap::new()] {
        check(&Disc::of(&files), &files);
    }
}
