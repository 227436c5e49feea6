//! The set of profiles and the choice among them: what ships with the crate, what an operator put
//! into a directory, and which one fits a BMC best.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use serde_json::Value;

use crate::{
    profile::{Profile, When},
    profile_file::{self, ProfileError},
    service::{root_names, root_version},
};

/// The profiles to choose from.
#[derive(Clone, Debug)]
pub struct Profiles {
    all: Vec<Profile>,
}

/// What a profile is chosen by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    pub(crate) root: Vec<String>,
    pub(crate) redfish: Option<String>,
    /// Paths.
    pub(crate) system: Option<String>,
    pub(crate) system_model: Option<String>,
    pub(crate) manager: Option<String>,
    pub(crate) manager_model: Option<String>,
    pub(crate) firmware: Option<String>,
}

const BUILTIN: [(&str, &str); 23] = [
    ("generic.toml", include_str!("../profiles/generic.toml")),
    ("idrac8.toml", include_str!("../profiles/idrac8.toml")),
    ("idrac9-scp.toml", include_str!("../profiles/idrac9-scp.toml")),
    ("idrac9-old.toml", include_str!("../profiles/idrac9-old.toml")),
    ("idrac9-6x.toml", include_str!("../profiles/idrac9-6x.toml")),
    ("idrac10.toml", include_str!("../profiles/idrac10.toml")),
    ("ilo4.toml", include_str!("../profiles/ilo4.toml")),
    ("ilo5.toml", include_str!("../profiles/ilo5.toml")),
    ("ilo6.toml", include_str!("../profiles/ilo6.toml")),
    ("xcc.toml", include_str!("../profiles/xcc.toml")),
    ("xcc3.toml", include_str!("../profiles/xcc3.toml")),
    ("tsm.toml", include_str!("../profiles/tsm.toml")),
    ("smc-x10.toml", include_str!("../profiles/smc-x10.toml")),
    ("smc-x12.toml", include_str!("../profiles/smc-x12.toml")),
    ("smc-x13.toml", include_str!("../profiles/smc-x13.toml")),
    ("openbmc.toml", include_str!("../profiles/openbmc.toml")),
    ("nvidia.toml", include_str!("../profiles/nvidia.toml")),
    ("viking.toml", include_str!("../profiles/viking.toml")),
    ("ami-megarac.toml", include_str!("../profiles/ami-megarac.toml")),
    ("cisco.toml", include_str!("../profiles/cisco.toml")),
    ("fujitsu.toml", include_str!("../profiles/fujitsu.toml")),
    ("huawei.toml", include_str!("../profiles/huawei.toml")),
    ("xfusion.toml", include_str!("../profiles/xfusion.toml")),
];

static BUILTIN_SET: LazyLock<Arc<Profiles>> = LazyLock::new(|| {
    let parsed = BUILTIN.iter().map(|(file, text)| profile_file::parse(Path::new(file), text));
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
    /// The first file that cannot be read or is not a profile; none of them is used then.
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
        let mut read: Vec<(String, PathBuf)> = Vec::new();
        for path in files {
            let profile = profile_file::read(&path)?;
            let name = profile.name.clone();
            if let Some((_, first)) = read.iter().find(|(known, _)| *known == name) {
                return Err(ProfileError::Twice { name, first: first.clone(), second: path });
            }
            all.retain(|old| old.name != name);
            // Last among its rank, so an operator's profile goes before a shipped one.
            all.push(profile);
            read.push((name, path));
        }
        Ok(Arc::new(Self { all }))
    }

    /// All profiles, for reports.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.all.iter()
    }

    pub(crate) fn select(&self, traits: &Traits) -> Profile {
        let fits = |profile: &&Profile| {
            std::iter::once(&profile.when).chain(&profile.or_when).any(|when| when.fits(traits))
        };
        let fitting = self.all.iter().filter(fits);
        fitting.max_by_key(|profile| profile.rank).cloned().unwrap_or_else(Profile::generic)
    }
}

impl Traits {
    /// What is known before anything but the service root was read.
    pub(crate) fn of_root(root: &Value) -> Self {
        Self { root: root_names(root), redfish: root_version(root), ..Self::default() }
    }
}

impl When {
    fn fits(&self, traits: &Traits) -> bool {
        let any = |patterns: &[String], names: &[&str]| {
            patterns.is_empty()
                || patterns.iter().any(|pattern| names.iter().any(|name| matches(pattern, name)))
        };
        let id = |path: &Option<String>| {
            path.as_deref().and_then(|path| path.rsplit('/').next()).map(str::to_owned)
        };
        let one = |patterns: &[String], name: Option<&str>| any(patterns, name.as_slice());
        let root: Vec<&str> = traits.root.iter().map(String::as_str).collect();
        any(&self.root, &root)
            && one(&self.system, id(&traits.system).as_deref())
            && one(&self.system_model, traits.system_model.as_deref())
            && one(&self.manager, id(&traits.manager).as_deref())
            && one(&self.manager_model, traits.manager_model.as_deref())
            && within(
                self.redfish_from.as_deref(),
                self.redfish_below.as_deref(),
                traits.redfish.as_deref(),
            )
            && within(
                self.firmware_from.as_deref(),
                self.firmware_below.as_deref(),
                traits.firmware.as_deref(),
            )
    }
}

/// Whether a version lies between two ends; one that is not told lies in no range.
fn within(from: Option<&str>, below: Option<&str>, told: Option<&str>) -> bool {
    let told = told.map(version);
    let reaches = |end: &str| told.as_ref().is_some_and(|told| *told >= version(end));
    let is_below = |end: &str| told.as_ref().is_some_and(|told| *told < version(end));
    from.is_none_or(reaches) && below.is_none_or(is_below)
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
pub(crate) fn version(text: &str) -> Vec<u32> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let dotted = words.map(|word| word.trim_matches('.')).find(|word| word.contains('.'));
    dotted.unwrap_or(text).split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(root: &[&str], path: (&str, &str), model: &str, firmware: &str) -> Traits {
        Traits {
            root: root.iter().map(|name| (*name).to_owned()).collect(),
            redfish: None,
            system: Some(format!("/redfish/v1/Systems/{}", path.0)),
            system_model: None,
            manager: Some(format!("/redfish/v1/Managers/{}", path.1)),
            manager_model: Some(model.to_owned()).filter(|model| !model.is_empty()),
            firmware: Some(firmware.to_owned()).filter(|firmware| !firmware.is_empty()),
        }
    }

    fn named(traits: &Traits) -> String {
        Profiles::builtin().select(traits).name
    }

    #[test]
    fn every_shipped_profile_parses_and_has_the_name_of_its_file() {
        for (file, text) in BUILTIN {
            let profile = profile_file::parse(Path::new(file), text).unwrap();
            assert_eq!(format!("{}.toml", profile.name), file);
        }
        assert_eq!(Profiles::builtin().iter().count(), BUILTIN.len());
    }

    #[test]
    fn profiles_are_chosen_by_what_the_bmc_says() {
        let dell = ("System.Embedded.1", "iDRAC.Embedded.1");
        for (root, path, model, firmware, expected) in [
            (&["Dell"][..], dell, "13G Monolithic", "2.75.75.75", "idrac8"),
            (&["Dell"], dell, "14G Monolithic", "4.40.00.00", "idrac9-scp"),
            (&["Dell"], dell, "14G Monolithic", "5.10.50.00", "idrac9-old"),
            (&["Dell"], dell, "15G Monolithic", "6.00.30.00", "idrac9-6x"),
            (&["Dell"], dell, "16G Monolithic", "7.10.70.00", "idrac9-6x"),
            (&["Dell"], dell, "17G Monolithic", "1.20.25.00", "idrac10"),
            (&["HPE", "Hp"], ("1", "1"), "iLO 4", "iLO 4 v2.82", "ilo4"),
            (&["HPE"], ("1", "1"), "iLO 5", "iLO 5 v2.72", "ilo5"),
            (&["HPE"], ("1", "1"), "iLO 6", "iLO 6 v1.55", "ilo6"),
            (&["HPE"], ("1", "1"), "iLO 7", "iLO 7 v1.14", "ilo6"),
            (&["Lenovo"], ("1", "1"), "Lenovo XClarity Controller", "TGBT42S 2.83", "xcc"),
            (&["Lenovo"], ("1", "1"), "Lenovo XClarity Controller 3", "1.10", "xcc3"),
            (&["Lenovo"], ("Self", "Self"), "410810600", "5.1", "tsm"),
            (&["NVIDIA"], ("System_0", "BMC_0"), "OpenBmc", "GB200Nvl-24.12-8", "nvidia"),
            (&["AMI"], ("DGX", "BMC"), "", "24.01.05", "viking"),
            (&["OpenBMC"], ("system", "bmc"), "OpenBmc", "2.15.0", "openbmc"),
            (&["Supermicro"], ("System_0", "BMC_0"), "OpenBmc", "1.2", "openbmc"),
            (&["AMI"], ("Self", "Self"), "410810600", "12.61.21", "ami-megarac"),
            (&["GIGABYTE"], ("Self", "Self"), "", "12.60", "ami-megarac"),
            (&[], ("WZP2", "CIMC"), "UCSC-C220-M5", "4.3(2)", "cisco"),
            (&["Fujitsu", "ts_fujitsu"], ("0", "iRMC"), "iRMC S5", "3.37P", "fujitsu"),
            (&["Huawei"], ("1", "1"), "iBMC", "6.41", "huawei"),
            (&["xFusion"], ("1", "1"), "iBMC", "3.01", "xfusion"),
            (&["Contoso"], ("437XR1138R2", "BMC"), "Joo Janta 200", "1.45.455b66", "generic"),
            (&[], ("6a1c", "6a1c"), "Sushy Emulator", "1.0", "generic"),
        ] {
            let traits = traits(root, path, model, firmware);
            assert_eq!(named(&traits), expected, "{root:?} {model} {firmware}");
        }
    }

    #[test]
    fn an_amd_machine_keeps_its_own_way_to_boot_for_longer() {
        let dell = ("System.Embedded.1", "iDRAC.Embedded.1");
        for (model, firmware, expected) in [
            ("PowerEdge R6525", "5.10.50.00", "idrac9-scp"),
            ("PowerEdge R650", "5.10.50.00", "idrac9-old"),
            ("PowerEdge R6525", "6.10.30.00", "idrac9-6x"),
        ] {
            let system_model = Some(model.to_owned());
            let traits =
                Traits { system_model, ..traits(&["Dell"], dell, "15G Monolithic", firmware) };
            assert_eq!(named(&traits), expected, "{model} {firmware}");
        }
    }

    #[test]
    fn a_redfish_version_tells_generations_apart_that_name_themselves_alike() {
        for (redfish, expected) in [
            (Some("1.0.1"), "smc-x10"),
            (Some("1.8.0"), "smc-x12"),
            (Some("1.9.0"), "smc-x12"),
            (Some("1.11.0"), "smc-x13"),
            (None, "smc-x12"),
        ] {
            let redfish = redfish.map(str::to_owned);
            let traits =
                Traits { redfish, ..traits(&["Supermicro"], ("1", "1"), "ASPEED", "11.01") };
            assert_eq!(named(&traits), expected, "{:?}", traits.redfish);
        }
    }

    #[test]
    fn a_root_alone_is_enough_for_what_a_login_needs() {
        let root = serde_json::json!({"Vendor": "Huawei", "RedfishVersion": "1.0.2"});
        let profile = Profiles::builtin().select(&Traits::of_root(&root));
        assert!(profile.session.oem.is_some(), "{}", profile.name);
        let root = serde_json::json!({"Vendor": "HPE"});
        assert_eq!(Profiles::builtin().select(&Traits::of_root(&root)).session.oem, None);
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
        let traits = traits(&["HPE"], ("1", "1"), "iLO 5", "2.72");
        assert_eq!(profiles.select(&traits).media.most, 1);
        for (text, expected) in [
            ("name = \"x\"\ncolour = 1\n", "b.toml, line 2, colour"),
            ("name = \"ilo5\"\n", "a.toml and"),
        ] {
            std::fs::write(directory.path().join("b.toml"), text).unwrap();
            let refusal = Profiles::with_overrides(directory.path()).unwrap_err().to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
