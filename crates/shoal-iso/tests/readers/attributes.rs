//! Modes, owners and times.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use crate::oracle::run;
use crate::sample::{Disc, EPOCH, odd_files, task_files};

#[test]
fn files_are_read_only_root_owned_and_dated_by_the_epoch() {
    let files = task_files();
    let disc = Disc::of(&files);
    let listing = run("bsdtar", &["--numeric-owner", "-tvf", "task.iso"], disc.dir());
    assert_eq!(listing.lines().count(), files.len() + 1, "{listing}");
    for line in listing.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let mode = if line.ends_with(" .") { "dr-xr-xr-x" } else { "-r--r--r--" };
        assert_eq!(fields[0], mode, "{line}");
        assert_eq!(fields[2..4], ["0", "0"], "{line}");
        assert_eq!(fields[5..8], ["Nov", "14", "2023"], "{line}");
    }
}

#[test]
fn xorriso_reports_the_same_attributes() {
    let files = odd_files();
    let disc = Disc::of(&files);
    let args = ["-indev", "task.iso", "-find", "/", "-exec", "lsdl"];
    let listing = run("xorriso", &args, disc.dir());
    let (directories, others): (Vec<&str>, Vec<&str>) =
        listing.lines().partition(|line| line.starts_with('d'));
    assert_eq!((directories.len(), others.len()), (1, files.len()), "{listing}");
    for line in directories {
        assert!(line.starts_with("dr-xr-xr-x ") && line.contains(" 0        0 "), "{line}");
    }
    for line in others {
        assert!(line.starts_with("-r--r--r--    1 0        0 "), "{line}");
        assert!(line.contains("Nov 14  2023"), "{line}");
    }
}

#[test]
fn extracted_files_have_the_exact_second() {
    let disc = Disc::of(&task_files());
    let out = disc.out();
    run("bsdtar", &["-xpf", "task.iso", "-C", "out"], disc.dir());
    for entry in std::fs::read_dir(out).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert_eq!(metadata.modified().unwrap(), UNIX_EPOCH + Duration::from_secs(EPOCH));
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o444);
    }
}

#[test]
fn descriptors_are_dated_and_never_expire() {
    let disc = Disc::of(&task_files());
    let report = run("xorriso", &["-indev", "task.iso", "-pvd_info"], disc.dir());
    for line in [
        "Creation Time: 2023111422132000",
        "Modif. Time  : 2023111422132000",
        "Expir. Time  : 0000000000000000",
        "Eff. Time    : 2023111422132000",
    ] {
        assert!(report.lines().any(|l| l.trim_end() == line), "{line:?} in {report}");
    }
}
