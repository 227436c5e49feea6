//! Any set of legal files comes back, through both trees, by a reader we did not write.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shoal_iso::FileName;

use crate::oracle::{files_in, run};
use crate::sample::{Disc, build};

proptest! {
    // Each case starts two processes, so there are few of them; the seed of a failure is printed.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_files_come_back_through_both_trees(files in file_sets()) {
        let disc = Disc::of(&files);
        for options in ["iso9660:joliet", "iso9660:!rockridge"] {
            let out = disc.out();
            run("bsdtar", &["-xf", "task.iso", "--options", options, "-C", "out"], disc.dir());
            prop_assert_eq!(files_in(&out), files.clone());
            std::fs::remove_dir_all(out).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_accepted_as_a_name_makes_a_medium(text in any::<String>()) {
        if let Ok(name) = FileName::new(&text) {
            let image = build(&[(text, vec![1, 2, 3])].into());
            prop_assert_eq!(&image.extent(name.as_str()).unwrap().name, &name);
        }
    }
}

/// Up to a dozen files; names of which two differ in case only are thinned out.
fn file_sets() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let content = prop::collection::vec(any::<u8>(), 0..5000);
    prop::collection::vec((names(), content), 0..12).prop_map(|files| {
        let by_folded: BTreeMap<String, (String, Vec<u8>)> =
            files.into_iter().map(|(name, data)| (name.to_lowercase(), (name, data))).collect();
        by_folded.into_values().collect()
    })
}

/// Names of ASCII, Latin, Cyrillic and ideographic characters, as long as a medium takes.
fn names() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range('!', '~'),
        1 => prop::char::range('À', 'ſ'),
        1 => prop::char::range('А', 'я'),
        1 => prop::char::range('一', '龥'),
        1 => Just('.'),
    ];
    prop::collection::vec(character, 1..=103)
        .prop_map(|characters| characters.into_iter().collect::<String>())
        .prop_filter("a name the medium takes", |name| FileName::new(name).is_ok())
}
