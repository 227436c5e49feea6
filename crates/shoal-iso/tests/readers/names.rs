//! The three names of a file, and the two labels of a medium.

use std::collections::BTreeSet;

use crate::oracle::run;
use crate::sample::{Disc, LABEL, LONG_NAME, odd_files, task_files};

#[test]
fn primary_tree_has_restricted_names_in_order() {
    let disc = Disc::of(&task_files());
    assert_eq!(
        lines(&run("isoinfo", &["-i", "task.iso", "-f"], disc.dir())),
        [
            "/JOB.JSON;1",
            "/KS.CFG;1",
            "/META_DATA.;1",
            "/RECIPE.JSON;1",
            "/RECIPE_SCHEMA.JSON;1",
            "/UNATTEND.XML;1",
            "/USER_DATA.;1"
        ]
    );
}

#[test]
fn names_that_look_alike_in_the_primary_tree_stay_apart() {
    let files = odd_files();
    let disc = Disc::of(&files);
    let listing = run("isoinfo", &["-i", "task.iso", "-f"], disc.dir());
    let names: BTreeSet<&str> = listing.lines().collect();
    assert_eq!(names.len(), files.len(), "{listing}");
    for name in ["/USER_DATA.;1", "/USER_DATA_1.;1", "/USER_DATA_2.;1", "/_HIDDEN.;1"] {
        assert!(names.contains(name), "{name} in {listing}");
    }
    assert!(names.iter().all(|name| name.len() <= "/".len() + 31 + ";1".len()), "{listing}");
}

#[test]
fn rock_ridge_and_joliet_keep_names_as_given() {
    let files = odd_files();
    let disc = Disc::of(&files);
    let expected: BTreeSet<String> = files.keys().cloned().collect();
    for options in ["iso9660:joliet", "iso9660:!rockridge"] {
        let args = ["-tf", "task.iso", "--options", options];
        let listing = run("bsdtar", &args, disc.dir());
        let names: BTreeSet<String> =
            listing.lines().filter(|&name| name != ".").map(unescaped).collect();
        assert_eq!(names, expected, "{options}");
    }
}

#[test]
fn joliet_keeps_names_of_more_than_sixty_four_characters() {
    assert!((65..=103).contains(&LONG_NAME.len()));
    let disc = Disc::of(&odd_files());
    let listing = run("isoinfo", &["-i", "task.iso", "-J", "-f"], disc.dir());
    assert!(listing.lines().any(|line| line == format!("/{LONG_NAME}")), "{listing}");
}

#[test]
fn blkid_finds_the_whole_label_although_joliet_has_half_of_it() {
    let disc = Disc::of(&task_files());
    // `-p` probes the bytes as it does a disk or a stick, whatever the drive.
    let args = ["-p", "-s", "LABEL", "-o", "value", "task.iso"];
    assert_eq!(run("blkid", &args, disc.dir()).trim(), LABEL);
    let args = ["-p", "-s", "TYPE", "-o", "value", "task.iso"];
    assert_eq!(run("blkid", &args, disc.dir()).trim(), "iso9660");
}

#[test]
fn both_descriptors_carry_the_label_and_the_constant_identifiers() {
    let disc = Disc::of(&task_files());
    let primary = run("isoinfo", &["-i", "task.iso", "-d"], disc.dir());
    for line in [
        format!("Volume id: {LABEL}"),
        "System id: LINUX".to_owned(),
        "Publisher id: SHOAL".to_owned(),
        "Data preparer id: SHOAL".to_owned(),
        "Application id: SHOAL-ISO".to_owned(),
        format!("Volume size is: {}", disc.image.bytes().len() / 2048),
        "Joliet with UCS level 3 found".to_owned(),
        "Rock Ridge signatures version 1 found".to_owned(),
    ] {
        assert!(primary.lines().any(|l| l.trim_end() == line), "{line:?} in {primary}");
    }
    // No tool at hand prints Joliet's label: ECMA-119 8.5 has it at byte 40 of the descriptor.
    let joliet = &disc.image.bytes()[17 * 2048..18 * 2048];
    let label: Vec<u8> = LABEL.bytes().take(16).flat_map(|byte| [0, byte]).collect();
    assert_eq!(joliet[40..72], label);
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// bsdtar prints a backslash as two; no name here has one, so a lone one would be an escape.
fn unescaped(name: &str) -> String {
    assert!(!name.contains('\\'), "{name} is escaped");
    name.to_owned()
}
