//! Sticks made by a foreign tool, and sticks that are broken on purpose.

use std::{fs, path::Path, process::Command};

use super::*;

fn run(program: &str, arguments: &[&str], image: &Path) {
    let output = Command::new(program)
        .args(["-i", image.to_str().unwrap()])
        .args(arguments)
        .output()
        .expect("mtools is missing: apt-get install -y mtools");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A stick of that many KiB with that kickstart file.
fn stick(kib: u64, kickstart: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("stick.img");
    let source = dir.path().join("ks");
    fs::write(&source, kickstart).unwrap();
    fs::File::create(&image).unwrap().set_len(kib * 1024).unwrap();
    let sectors = (kib * 2).to_string();
    run(
        "mformat",
        &["-T", &sectors, "-h", "2", "-s", "18", "-c", "4", "-v", "TASK_1", "::"],
        &image,
    );
    run("mcopy", &[source.to_str().unwrap(), "::/OTHER.TXT"], &image);
    run("mcopy", &[source.to_str().unwrap(), "::/ks.cfg"], &image);
    fs::read(image).unwrap()
}

#[tokio::test]
async fn narrow_and_wide_tables_are_read_along_their_chains() {
    let kickstart: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
    for (kib, wide) in [(1440, false), (16_384, true)] {
        let fat = Fat::open(Window::of_bytes(&stick(kib, &kickstart))).await.unwrap();
        assert_eq!((fat.label(), fat.wide), ("TASK_1", wide));
        let file = fat.file("KS.CFG").unwrap().clone();
        assert_eq!(fat.read(&file, 1 << 20).await.unwrap(), kickstart);
        assert!(matches!(fat.read(&file, 10).await, Err(FatError::Damaged(_))));
        assert!(fat.file("NOTHING.TXT").is_none());
    }
}

#[tokio::test]
async fn what_is_no_stick_is_told_apart_and_a_broken_chain_ends() {
    for bytes in [vec![], vec![0; 4096], [0x5A].repeat(4096)] {
        assert!(matches!(Fat::open(Window::of_bytes(&bytes)).await, Err(FatError::NotFat)));
    }
    let mut image = stick(1440, &[7; 9000]);
    // Both tables are wiped: every chain ends at its first cluster.
    let layout = Layout::of(&image).unwrap();
    let table = usize::try_from(layout.table).unwrap()..usize::try_from(layout.root).unwrap();
    image[table].fill(0);
    let fat = Fat::open(Window::of_bytes(&image)).await.unwrap();
    let file = fat.file("ks.cfg").unwrap().clone();
    assert!(matches!(fat.read(&file, 1 << 20).await, Err(FatError::Damaged(_))));
}
