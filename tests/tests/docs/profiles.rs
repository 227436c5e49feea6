//! The page on profiles: every key is on it, nothing else is, and its example is a profile.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use shoal_redfish::profile::{Profile, Profiles, When};

use crate::{read, root};

/// Tables that hold what a BMC is sent, in its own words.
const FREE: [&str; 2] = ["session.oem.", "media.switch.body."];

#[test]
fn the_example_of_a_profile_is_one_and_has_the_effect_the_page_says() -> Result<()> {
    let page = read("docs/profiles.md")?;
    let (_, rest) = page.split_once("```toml\n").context("the page has no example")?;
    let (example, _) = rest.split_once("```").context("the example does not end")?;
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("contoso.toml"), example)?;

    let profiles = Profiles::with_overrides(directory.path())?;

    let found = profiles.iter().find(|profile| profile.name == "contoso-3");
    let profile = found.context("the example is not among the profiles")?;
    ensure!(profile.media.most == 1 && profile.media.payload.protocol, "{profile:?}");
    ensure!(profile.reason().contains("firmware is 3.1 or later"), "{}", profile.reason());
    Ok(())
}

#[test]
fn every_key_of_a_profile_is_on_its_page_and_no_other() -> Result<()> {
    let page = read("docs/profiles.md")?;
    let told: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once(" |"))
        .flat_map(|(keys, _)| keys.split(", ").map(|key| key.trim_matches('`').to_owned()))
        .collect();
    let mut keys = BTreeSet::new();
    // Keys that a plain profile leaves out are in the sources of those that ship.
    let directory = root().join("crates/shoal-redfish/profiles");
    for entry in fs::read_dir(&directory)? {
        let text = fs::read_to_string(entry?.path())?;
        collect(&toml::from_str::<toml::Table>(&text)?.into(), "", &mut keys);
    }
    let generic = toml::Value::try_from(Profile::generic())?;
    collect(&generic, "", &mut keys);
    collect(&toml::Value::try_from(When::default())?, "when.", &mut keys);
    let expected: BTreeSet<String> = keys
        .into_iter()
        .filter(|key| !FREE.iter().any(|table| key.starts_with(table)))
        .map(|key| key.trim_start_matches("when.").trim_start_matches("or_when.").to_owned())
        .collect();
    let untold: Vec<&String> = expected.difference(&told).collect();
    ensure!(untold.is_empty(), "the page lacks {untold:?}");
    let known = |key: &&String| !expected.contains(*key) && !optional().contains(key.as_str());
    let unknown: Vec<&String> = told.iter().filter(known).collect();
    ensure!(unknown.is_empty(), "no profile has {unknown:?}");
    Ok(())
}

/// Keys that no shipped profile has and a plain one leaves out.
fn optional() -> BTreeSet<&'static str> {
    ["when", "or_when", "session.oem", "media.switch.body", "redfish_below", "firmware_below"]
        .into()
}

fn collect(value: &toml::Value, prefix: &str, keys: &mut BTreeSet<String>) {
    let Some(table) = value.as_table() else { return };
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            toml::Value::Table(_) => collect(value, &format!("{path}."), keys),
            toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
                for item in items {
                    collect(item, &format!("{path}."), keys);
                }
            }
            _ => {
                keys.insert(path);
            }
        }
    }
}
