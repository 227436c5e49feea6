//! From the text of a profile to a profile that can be followed. Whoever writes one by hand is told
//! the file, the line and the key of the first thing that is wrong.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    profile::{Profile, SwitchRules},
    profiles::version,
};

/// A name becomes a metric label.
const NAME_MOST: usize = 40;
/// Nobody waits longer for an image to show.
const SETTLE_MOST: u64 = 600;

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a profile.
    #[error("{}, line {line}, {key}: {why}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key, as far as it can be told.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two files of one directory.
    #[error("{} and {} both describe {name}", first.display(), second.display())]
    Twice {
        /// The profile's name.
        name: String,
        /// The file that was read first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
}

/// Reads one profile from a file.
pub(crate) fn read(path: &Path) -> Result<Profile, ProfileError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ProfileError::Unreadable { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Understands and checks a profile.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Profile, ProfileError> {
    let malformed = |line, key: &str, why: String| ProfileError::Malformed {
        path: path.to_owned(),
        line,
        key: key.to_owned(),
        why,
    };
    let profile: Profile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let key = key_on(text.lines().nth(line - 1).unwrap_or_default());
        malformed(line, key, error.message().trim().replace('\n', " "))
    })?;
    match wrong(&profile) {
        None => Ok(profile),
        Some((key, why)) => Err(malformed(line_of(text, key), key, why.to_owned())),
    }
}

/// The first key whose value cannot be followed, and why.
fn wrong(profile: &Profile) -> Option<(&'static str, &'static str)> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let name = &profile.name;
    if name.is_empty() || name.len() > NAME_MOST || !name.chars().all(legal) {
        return Some(("name", "a name has 1 to 40 characters out of a-z 0-9 - ."));
    }
    let media = &profile.media;
    let checks = [
        ("media.most", media.most == 0, "a BMC holds at least one image"),
        ("media.schemes", media.schemes.is_empty(), "name a protocol; only_by is for others"),
        ("media.eject", media.eject.is_empty(), "name at least one form"),
        (
            "media.switch",
            media.switch.as_ref().is_some_and(is_unusable),
            "action, body (a table), state (a pointer, with a slash first) and on are needed",
        ),
        ("media.settle_seconds", media.settle_seconds > SETTLE_MOST, "at most 600 seconds"),
        ("boot.targets", profile.boot.targets.is_empty(), "name at least one target"),
        ("boot.etag", profile.boot.etag.is_empty(), "name at least one form"),
        ("power.off", profile.power.off.is_empty(), "name at least one reset type"),
        ("power.on", profile.power.on.is_empty(), "name at least one reset type"),
        ("identity.serial", profile.identity.serial.is_empty(), "name at least one field"),
    ];
    let found = checks.into_iter().find(|(_, wrong, _)| *wrong);
    found.map(|(key, _, why)| (key, why)).or_else(|| {
        let mut conditions = std::iter::once(&profile.when).chain(&profile.or_when);
        conditions.find_map(|when| {
            let (from, below) = (when.firmware_from.as_deref(), when.firmware_below.as_deref());
            let firmware = (("firmware_from", from), ("firmware_below", below));
            let (from, below) = (when.redfish_from.as_deref(), when.redfish_below.as_deref());
            let redfish = (("redfish_from", from), ("redfish_below", below));
            [firmware, redfish].into_iter().find_map(|(from, below)| range(from, below))
        })
    })
}

fn is_unusable(switch: &SwitchRules) -> bool {
    let empty = switch.action.is_empty() || switch.on.is_empty();
    empty || !switch.body.is_object() || !switch.state.starts_with('/')
}

/// One end of a range, by its key.
type End<'a> = (&'static str, Option<&'a str>);

/// A range whose ends are no versions, or in the wrong order.
fn range(from: End<'_>, below: End<'_>) -> Option<(&'static str, &'static str)> {
    let no_version = |(_, text): &End<'_>| text.is_some_and(|text| version(text).is_empty());
    if let Some((key, _)) = [from, below].into_iter().find(no_version) {
        return Some((key, "a version begins with a number, such as 6.00"));
    }
    let (lowest, end) = (from.1?, below.1?);
    (version(lowest) >= version(end)).then_some((below.0, "nothing is in this range"))
}

/// The key a line assigns, or the line itself.
fn key_on(line: &str) -> &str {
    line.split('=').next().unwrap_or(line).trim()
}

/// The line that assigns a key, or the first one where it has its default.
fn line_of(text: &str, key: &str) -> usize {
    let last = key.rsplit('.').next().unwrap_or(key);
    let assigns = |line: &str| {
        let found = key_on(line);
        line.contains('=') && found.rsplit('.').next().unwrap_or(found) == last
    };
    text.lines().position(assigns).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(Path::new("mine.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn whatever_is_wrong_is_named_by_file_line_and_key() {
        for (text, begin) in [
            ("name = \"x\"\n\n[media]\ncolour = 1\n", "mine.toml, line 4, colour: "),
            ("name = \"x\"\nmedia.most = \"two\"\n", "mine.toml, line 2, media.most: "),
            ("name = \"x\"\n[media]\nmost = 0\n", "mine.toml, line 3, media.most: "),
            ("name = \"No Label\"\n", "mine.toml, line 1, name: "),
            ("name = \"x\"\nwhen.firmware_from = \"new\"\n", "mine.toml, line 2, firmware_from: "),
            (
                "name = \"x\"\n[when]\nfirmware_from = \"7.0\"\nfirmware_below = \"6.10\"\n",
                "mine.toml, line 4, firmware_below: nothing",
            ),
            ("name = \"x\"\n[boot]\netag = [\"weak\"]\n", "mine.toml, line 3, etag: "),
            ("name = \"x\"\n[boot\n", "mine.toml, line 2, "),
            ("rank = 1\n", "mine.toml, line 1, "),
        ] {
            let refusal = refusal(text);
            assert!(refusal.starts_with(begin), "{text:?}: {refusal}");
            assert!(!refusal.contains('\n'), "{refusal}");
        }
    }
}
