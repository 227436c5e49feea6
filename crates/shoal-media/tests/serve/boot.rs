//! Boot ISOs made by xorriso and genisoimage, and images made to harm.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use shoal_media::{
    BootMedium, BootMediumError, Content, Digest, Extent, ManifestError, MediumError, Milestone,
    find_file,
};

use crate::stage::medium;

const MANIFEST: &str = r#"{
  "version": "2026.11.1",
  "targets": ["install-linux.target"],
  "reserved": {"offset": 102400, "length": 20480},
  "milestones": [{"milestone": "boot_image_read", "offset": 40960, "length": 2048}]
}"#;

/// An ISO with `manifest` and a little else in its root.
fn iso(tool: &str, options: &[&str], manifest: Option<&str>) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("shoal.json.d")).unwrap();
    for other in 0..80 {
        std::fs::write(root.join(format!("file{other}.bin")), [0; 100]).unwrap();
    }
    if let Some(manifest) = manifest {
        std::fs::write(root.join("shoal.json"), manifest).unwrap();
    }
    let out = dir.path().join("out.iso");
    run(tool, options, &root, &out);
    std::fs::read(&out).unwrap()
}

fn run(tool: &str, options: &[&str], root: &Path, out: &Path) {
    let mut command = Command::new(tool);
    if tool == "xorriso" {
        command.args(["-as", "mkisofs"]);
    }
    let output = command.arg("-quiet").args(options).arg("-o").args([out, root]).output();
    let output = output.unwrap_or_else(|_| panic!("{tool} is needed: apt-get install {tool}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn open(iso: Vec<u8>) -> Result<BootMedium, BootMediumError> {
    let digest = Digest::of(&iso);
    BootMedium::open(Content::memory(Bytes::from(iso)), digest)
}

#[test]
fn the_manifest_is_found_under_rock_ridge_joliet_and_plain_names() {
    for (tool, options) in [
        ("xorriso", &["-R", "-J"][..]),
        ("xorriso", &["-R", "-iso-level", "1"]),
        ("xorriso", &["-J", "-iso-level", "1"]),
        ("xorriso", &["-iso-level", "3"]),
        ("genisoimage", &["-R"]),
        ("genisoimage", &["-J", "-iso-level", "1"]),
        ("genisoimage", &["-l"]),
    ] {
        let boot = open(iso(tool, options, Some(MANIFEST))).unwrap();
        let manifest = boot.manifest().unwrap_or_else(|| panic!("{tool} {options:?}"));
        assert_eq!(manifest.version, "2026.11.1");
        assert_eq!(manifest.reserved, Extent::new(102_400, 20_480));
        assert_eq!(boot.medium().tripwires()[0].milestone, Milestone::BootImageRead);
        assert!(boot.gives_evidence());
    }
}

#[test]
fn any_root_file_is_found_where_its_bytes_are() {
    let image = iso("genisoimage", &["-l"], Some(MANIFEST));
    let content = Content::memory(Bytes::from(image));
    let place = find_file(&content, "shoal.json").unwrap().unwrap();
    let mut bytes = vec![0; MANIFEST.len()];
    content.read_exact_at(place.offset(), &mut bytes).unwrap();
    assert_eq!((place.len(), bytes.as_slice()), (MANIFEST.len() as u64, MANIFEST.as_bytes()));
    assert_eq!(find_file(&content, "FILE7.BIN").unwrap().unwrap().len(), 100);
    assert_eq!(find_file(&content, "absent.bin").unwrap(), None);
    assert_eq!(find_file(&content, "shoal.json.d").unwrap(), None, "a directory");
}

#[test]
fn an_iso_without_a_manifest_boots_without_evidence() {
    for image in [iso("xorriso", &["-R", "-J"], None), vec![0; 100_000], vec![], vec![1; 10]] {
        let boot = open(image).unwrap();
        assert!(boot.manifest().is_none() && !boot.gives_evidence());
        let error = boot.overlay(&medium(b"task", &[])).unwrap_err();
        assert_eq!(error, MediumError::NothingReserved);
    }
}

#[test]
fn a_manifest_that_is_wrong_is_not_silently_ignored() {
    let broken = open(iso("xorriso", &["-R"], Some("{"))).unwrap_err();
    assert!(matches!(broken, BootMediumError::Manifest(ManifestError::Json(_))));
    let long = MANIFEST.to_owned() + &" ".repeat(70_000);
    let long = open(iso("xorriso", &["-R"], Some(&long))).unwrap_err();
    assert!(matches!(long, BootMediumError::Manifest(ManifestError::TooLong { .. })));
}

#[test]
fn a_task_goes_where_the_manifest_reserves_room() {
    let boot = open(iso("xorriso", &["-R"], Some(MANIFEST))).unwrap();
    let both = boot.overlay(&medium(&vec![7; 20_480], &[])).unwrap();
    let mut there = [0; 4];
    both.content().read_exact_at(102_398, &mut there).unwrap();
    assert_eq!(there[2..], [7, 7]);
    let large = boot.overlay(&medium(&vec![7; 20_481], &[])).unwrap_err();
    assert!(matches!(large, MediumError::TaskTooLarge { task_len: 20_481, .. }));
}

#[test]
fn no_image_makes_the_reader_panic_or_read_without_end() {
    let good = iso("genisoimage", &["-R", "-J"], Some(MANIFEST));
    let structures = 16 * 2048..good.len().min(60 * 2048);
    let damage = proptest::collection::vec((structures, any::<u8>()), 1..40);
    let outcomes = [const { Cell::new(0_u32) }; 2];
    TestRunner::default()
        .run(&(damage, any::<prop::sample::Index>(), any::<bool>()), |(damage, cut, truncate)| {
            let mut image = good.clone();
            for (at, byte) in damage {
                image[at] = byte;
            }
            if truncate {
                image.truncate(cut.index(image.len()));
            }
            let outcome = &outcomes[usize::from(open(image).is_ok())];
            outcome.set(outcome.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(outcomes.iter().all(|count| count.get() > 0), "damage was never or always harmless");
}
