//! The two other names a file has beside its Rock Ridge name: one made of the few characters of
//! ISO 9660 for the primary tree, and one in UCS-2 for Joliet.
//!
//! The primary tree follows interchange level 2 and above: up to 30 characters instead of 8.3.
//! Readers without Rock Ridge or Joliet that matter here (ESXi's installer, boot loaders) are fed
//! with relaxed long names by their vendors' own instructions, and a long name stays readable
//! (`RECIPE_SCHEMA.JSON;1`) where 8.3 would not.

use std::collections::BTreeSet;

use crate::FileName;

/// Longest name plus extension, without dot and version (ECMA-119, 7.5.1).
const MAX_CHARACTERS: usize = 30;

/// Longest extension kept, so that room is left for the name itself.
const MAX_EXTENSION: usize = 10;

/// A file's name in the primary tree. The derived order, name and then extension, is the order
/// ECMA-119 9.3 wants in a directory: its padding sorts below every character used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Primary {
    stem: String,
    extension: String,
}

impl Primary {
    /// The identifier as recorded: dot and version are always present.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        format!("{}.{};1", self.stem, self.extension).into_bytes()
    }

    /// The closest identifier, and whether nothing but the case of letters had to change.
    fn closest(name: &FileName) -> (Self, bool) {
        let whole = (name.as_str(), "");
        let (stem, extension) = match name.as_str().rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, extension),
            _ => whole,
        };
        let extension = restricted(extension, MAX_EXTENSION);
        let stem = restricted(stem, MAX_CHARACTERS - extension.len());
        let closest = Self { stem, extension };
        let exact = closest.without_version().eq_ignore_ascii_case(name.as_str());
        (closest, exact)
    }

    /// The same identifier told apart by a number, shortened to leave room for it.
    fn numbered(&self, number: usize) -> Self {
        let suffix = format!("_{number}");
        let room = MAX_CHARACTERS - self.extension.len() - suffix.len();
        let stem: String = self.stem.chars().take(room).chain(suffix.chars()).collect();
        Self { stem, extension: self.extension.clone() }
    }

    fn without_version(&self) -> String {
        if self.extension.is_empty() {
            self.stem.clone()
        } else {
            format!("{}.{}", self.stem, self.extension)
        }
    }
}

/// Gives each file its identifier in the primary tree, in the order of `names`.
///
/// A name that fits keeps its place (`ks.cfg` is always `KS.CFG`); the others take what is left, in
/// the order of their real names, so the result depends on the set of names only. No two of `names`
/// may differ in case alone.
pub(crate) fn primary(names: &[&FileName]) -> Vec<Primary> {
    let mut chosen: Vec<(Primary, bool)> =
        names.iter().map(|name| Primary::closest(name)).collect();
    let mut taken: BTreeSet<Primary> =
        chosen.iter().filter(|(_, exact)| *exact).map(|(primary, _)| primary.clone()).collect();

    let mut inexact: Vec<_> =
        names.iter().zip(&mut chosen).filter(|(_, (_, exact))| !*exact).collect();
    inexact.sort_by_key(|(name, _)| name.as_str());
    for (_, (primary, _)) in inexact {
        let closest = primary.clone();
        let mut number = 0;
        while !taken.insert(primary.clone()) {
            number += 1;
            *primary = closest.numbered(number);
        }
    }
    chosen.into_iter().map(|(primary, _)| primary).collect()
}

/// The Joliet identifier: UCS-2, big endian, without the version suffix, which readers strip.
pub(crate) fn joliet(name: &FileName) -> Vec<u8> {
    name.as_str().encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The order of Joliet identifiers in a directory: by code unit, the dot below everything else, as
/// ECMA-119 9.3 has it for name and extension.
pub(crate) fn joliet_order(name: &FileName) -> Vec<u16> {
    let dot = u16::from(b'.');
    name.as_str().encode_utf16().map(|unit| if unit == dot { 0 } else { unit }).collect()
}

fn restricted(text: &str, max: usize) -> String {
    let d_character =
        |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    text.chars().take(max).map(d_character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_medium_names_stay_readable() {
        let recorded = recorded(&[
            "ks.cfg",
            "recipe.json",
            "recipe.schema.json",
            "user-data",
            "unattend.xml",
            ".hidden",
        ]);
        assert_eq!(
            recorded,
            [
                "KS.CFG;1",
                "RECIPE.JSON;1",
                "RECIPE_SCHEMA.JSON;1",
                "USER_DATA.;1",
                "UNATTEND.XML;1",
                "_HIDDEN.;1"
            ]
        );
    }

    #[test]
    fn exact_name_wins_whatever_the_order() {
        assert_eq!(recorded(&["user-data", "user_data"]), ["USER_DATA_1.;1", "USER_DATA.;1"]);
        assert_eq!(recorded(&["user_data", "user-data"]), ["USER_DATA.;1", "USER_DATA_1.;1"]);
    }

    #[test]
    fn collisions_are_numbered_in_name_order_and_stay_within_thirty_characters() {
        let long = "x".repeat(40);
        let names = [format!("{long}c"), format!("{long}a"), format!("{long}b")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let expected = [
            format!("{}_2.;1", "X".repeat(28)),
            format!("{}.;1", "X".repeat(30)),
            format!("{}_1.;1", "X".repeat(28)),
        ];
        assert_eq!(recorded(&names), expected);
    }

    #[test]
    fn long_extension_leaves_room_for_the_name() {
        assert_eq!(
            recorded(&["abcdefghijklmnopqrstuvwxyz.0123456789abc"]),
            ["ABCDEFGHIJKLMNOPQRST.0123456789;1"]
        );
    }

    #[test]
    fn joliet_dot_sorts_below_every_other_character() {
        let order = |name: &str| joliet_order(&FileName::new(name).unwrap());
        assert!(order("a.b") < order("a b"));
        assert!(order("a") < order("a.b"));
    }

    fn recorded(names: &[&str]) -> Vec<String> {
        let names: Vec<FileName> = names.iter().map(|name| FileName::new(name).unwrap()).collect();
        let names: Vec<&FileName> = names.iter().collect();
        primary(&names).iter().map(|p| String::from_utf8(p.to_bytes()).unwrap()).collect()
    }
}
