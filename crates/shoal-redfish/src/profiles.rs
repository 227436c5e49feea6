//! The set of profiles and the choice among them: what ships with the crate, what an operator put
//! into a directory, and which one fits a BMC best.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use crate::profile::{Profile, When};

/// The profiles to choose from.
#[derive(Clone, Debug)]
pub struct Profiles {
    all: Vec<Profile>,
}

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
    #[error("{} is not a profile: {why}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What the parser says, with its line.
        why: String,
    },
}

/// What a profile is chosen by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    pub(crate) root: Vec<String>,
    pub(crate) manager_model: Option<String>,
    pub(crate) firmware: Option<String>,
}

const BUILTIN: [(&str, &str); 9] = [
    ("generic.toml", include_str!("../profiles/generic.toml")),
    ("idrac9-old.toml", include_str!("../profiles/idrac9-old.toml")),
    ("idrac9-6x.toml", include_str!("../profiles/idrac9-6x.toml")),
    ("idrac10.toml", include_str!("../profiles/idrac10.toml")),
    ("ilo5.toml", include_str!("../profiles/ilo5.toml")),
    ("xcc.toml", include_str!("../profiles/xcc.toml")),
    ("supermicro.toml", include_str!("../profiles/supermicro.toml")),
    ("openbmc.toml", include_str!("../profiles/openbmc.toml")),
    ("ami-megarac.toml", include_str!("../profiles/ami-megarac.toml")),
];

static BUILTIN_SET: LazyLock<Arc<Profiles>> = LazyLock::new(|| {
    let parsed = BUILTIN.iter().map(|(file, text)| parse(Path::new(file), text));
    // A test parses each file, so nothing is ever left out here.
    Arc::new(Profiles { all: parsed.filter_map(Result::ok).collect() })
});

impl Profiles {
    /// The set that ships with this crate.
    pub fn builtin() -> Arc<Self> {
        Arc::clone(&BUILTIN_SET)
    }

    /// The built-in set with every `*.toml` of a directory added; a profile of a known name replaces
    /// the built-in one. Reload by calling this again and connecting with the result.
    ///
    /// # Errors
    /// The first file that cannot be read or is not a profile.
    pub fn with_overrides(directory: &Path) -> Result<Arc<Self>, ProfileError> {
        let unreadable = |source| ProfileError::Unreadable { path: directory.to_owned(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
        files.sort();
        let mut all = BUILTIN_SET.all.clone();
        for path in files {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| ProfileError::Unreadable { path: path.clone(), source })?;
            let profile = parse(&path, &text)?;
            all.retain(|old| old.name != profile.name);
            all.push(profile);
        }
        Ok(Arc::new(Self { all }))
    }

    /// All profiles, for reports.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.all.iter()
    }

    pub(crate) fn select(&self, traits: &Traits) -> Profile {
        let fitting = self.all.iter().filter(|profile| profile.when.fits(traits));
        fitting.max_by_key(|profile| profile.rank).cloned().unwrap_or_else(Profile::generic)
    }
}

impl When {
    fn fits(&self, traits: &Traits) -> bool {
        let any = |patterns: &[String], names: &[String]| {
            patterns.is_empty()
                || patterns.iter().any(|pattern| names.iter().any(|name| matches(pattern, name)))
        };
        let model: Vec<String> = traits.manager_model.iter().cloned().collect();
        let firmware = traits.firmware.as_deref().map(version);
        let from = self.firmware_from.as_deref().map(version);
        let below = self.firmware_below.as_deref().map(version);
        any(&self.root, &traits.root)
            && any(&self.manager_model, &model)
            && from.is_none_or(|from| firmware.as_ref().is_some_and(|firmware| *firmware >= from))
            && below.is_none_or(|below| firmware.as_ref().is_some_and(|firmware| *firmware < below))
    }
}

fn parse(path: &Path, text: &str) -> Result<Profile, ProfileError> {
    toml::from_str(text)
        .map_err(|error| ProfileError::Malformed { path: path.to_owned(), why: error.to_string() })
}

/// Whether a name fits a pattern with `*`, ignoring case.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The first dotted number of a text: `iLO 5 v2.72` is 2.72, `TGBT42S 2.83 2023-07-05` is 2.83.
fn version(text: &str) -> Vec<u32> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let dotted = words.map(|word| word.trim_matches('.')).find(|word| word.contains('.'));
    dotted.unwrap_or(text).split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(root: &str, model: &str, firmware: &str) -> String {
        let traits = Traits {
            root: vec![root.into()],
            manager_model: Some(model.into()),
            firmware: Some(firmware.into()),
        };
        Profiles::builtin().select(&traits).name
    }

    #[test]
    fn every_shipped_profile_parses_and_has_its_own_name() {
        let mut names: Vec<String> =
            BUILTIN.iter().map(|(file, text)| parse(Path::new(file), text).unwrap().name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), BUILTIN.len());
    }

    #[test]
    fn profiles_are_chosen_by_what_the_bmc_says() {
        assert_eq!(named("Dell", "15G Monolithic", "6.00.30.00"), "idrac9-6x");
        assert_eq!(named("Dell", "14G Monolithic", "5.10.50.00"), "idrac9-old");
        assert_eq!(named("Dell", "17G Monolithic", "1.20.25.00"), "idrac10");
        assert_eq!(named("HPE", "iLO 5", "iLO 5 v2.72"), "ilo5");
        assert_eq!(named("Lenovo", "Lenovo XClarity Controller", "TGBT42S 2.83 2023-07-05"), "xcc");
        assert_eq!(named("Contoso", "Joo Janta 200", "1.45.455b66-rev4"), "generic");
    }

    #[test]
    fn patterns_know_stars_and_ignore_case() {
        assert!(
            matches("Remote*", "remote1") && matches("*dell*", "Dell Inc.") && matches("CD", "cd")
        );
        assert!(!matches("Remote*", "EXT1") && !matches("CD", "CD1"));
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(version("6.10.30.00") > version("6.9"));
        assert_eq!(version("iLO 5 v2.72"), [2, 72]);
        assert_eq!(version("GB200Nvl-24.12-8"), [24, 12]);
    }

    #[test]
    fn an_operators_file_replaces_the_shipped_profile_of_its_name() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("a.toml"),
            "name = \"ilo5\"\nrank = 20\nwhen.manager_model = [\"iLO 5*\"]\nmedia.most = 1\n",
        )
        .unwrap();
        let profiles = Profiles::with_overrides(directory.path()).unwrap();
        let traits = Traits { manager_model: Some("iLO 5".into()), ..Traits::default() };
        assert_eq!(profiles.select(&traits).media.most, 1);
        std::fs::write(directory.path().join("b.toml"), "name = \"x\"\ncolour = 1\n").unwrap();
        assert!(
            Profiles::with_overrides(directory.path()).unwrap_err().to_string().contains("b.toml")
        );
    }
}
