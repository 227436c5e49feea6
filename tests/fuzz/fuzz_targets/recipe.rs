#![no_main]
//! Any bytes are a recipe or a list of problems; a recipe survives being written and read again.

use libfuzzer_sys::fuzz_target;
use shoal_recipe::{Layout, Recipe};

fuzz_target!(|bytes: &[u8]| {
    match Recipe::parse(bytes) {
        Ok(parsed) => {
            let again = Recipe::parse(&parsed.recipe.reveal_document());
            assert_eq!(again.as_ref(), Ok(&parsed), "a recipe reads back differently");
            if let Some(layout) = Layout::of(&parsed.recipe) {
                // Whether it fits depends on the disk; that there is an answer does not.
                drop(layout.place(480 << 30));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= 100, "{} problems", problems.len());
            assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
    }
});
