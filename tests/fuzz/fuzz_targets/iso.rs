#![no_main]
//! Any image, of ISO 9660 or FAT, is searched to an end, and what is found lies inside it.
//!
//! The sixteen system sectors say nothing, so the input is what follows them.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use shoal_media::{Content, Digest, Installer, Manifest, find_fat_file, find_file};

const SYSTEM_AREA: usize = 16 * 2048;

fuzz_target!(|bytes: &[u8]| {
    let mut image = vec![0; SYSTEM_AREA];
    image.extend_from_slice(bytes);
    let length = image.len() as u64;
    let content = Content::memory(Bytes::from(image));
    for path in ["shoal.json", "KS.CFG", "EFI/BOOT/BOOT.CFG"] {
        if let Ok(Some(extent)) = find_file(&content, path) {
            assert!(extent.end() <= length, "{extent:?} of {length}");
        }
    }
    // Its tripwires were laid out within the medium, or there is a reason why not.
    drop(Installer::open(content, Digest::of(bytes)));
    let volume = Content::memory(Bytes::copy_from_slice(bytes));
    for path in ["KS.CFG", "EFI/BOOT/BOOTX64.EFI"] {
        if let Some(extent) = find_fat_file(&volume, path) {
            assert!(extent.end() <= bytes.len() as u64, "{extent:?} of {}", bytes.len());
        }
    }
    if let Ok(manifest) = Manifest::parse(bytes, 1 << 30) {
        let extents = manifest.tripwires.iter().map(|wire| wire.extent).chain(manifest.reserved);
        assert!(extents.into_iter().all(|extent| extent.end() <= 1 << 30));
        let written = manifest.to_json().expect("a manifest is JSON");
        assert_eq!(Manifest::parse(&written, 1 << 30).ok(), Some(manifest));
    }
});
