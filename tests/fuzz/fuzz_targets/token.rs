#![no_main]
//! No path opens a medium but one that was signed, byte for byte.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shoal_media::{Key, KeyId, Keyring};

/// What was signed cannot be told from what was guessed without signing again, so it is.
static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let key = |id, fill| Key::new(KeyId::new(id).expect("an id below 4096"), vec![fill; 32]);
    let (current, previous) = (key(7, 1).expect("32 bytes"), key(9, 2).expect("32 bytes"));
    Keyring::new(current, vec![previous]).expect("two ids")
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(path) = std::str::from_utf8(bytes) else { return };
    if let Ok(verified) = KEYRING.verify(path, 1_800_000_000) {
        let signed = KEYRING.sign_with(verified.key, &verified.grant).expect("an accepted key");
        assert_eq!(signed.as_str(), path, "a path that was never signed is accepted");
    }
});
