#![no_main]
//! No `Range` header leads out of the medium or asks for more than it holds.

use libfuzzer_sys::fuzz_target;
use shoal_media::{MAX_RANGES, Selection, select};

fuzz_target!(|bytes: &[u8]| {
    let Some((length, header)) = bytes.split_first_chunk::<8>() else { return };
    let (length, header) = (u64::from_le_bytes(*length), String::from_utf8_lossy(header));
    if let Selection::Parts(parts) = select(&header, length) {
        assert!(!parts.is_empty() && parts.len() <= MAX_RANGES);
        assert!(parts.iter().all(|part| part.end() <= length), "{parts:?} of {length}");
        let total: u128 = parts.iter().map(|part| u128::from(part.len())).sum();
        assert!(total <= u128::from(length), "{total} bytes of {length}");
    }
});
