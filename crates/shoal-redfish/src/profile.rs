//! What a kind of BMC needs beyond what it advertises, as data. The flow asks a profile for a
//! behaviour by its name and never for a vendor, so a new kind of BMC is one TOML file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    insertion::Payload,
    learned::{EjectForm, EtagForm},
    media_url::Scheme,
};

pub use crate::profile_file::ProfileError;
pub use crate::profiles::Profiles;

/// The behaviour of one kind of BMC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Profile {
    /// Its name in reports and metrics; a file of the same name replaces it.
    pub name: String,
    /// Among the profiles that fit, the highest rank is used; the generic one has rank 0.
    #[serde(default)]
    pub rank: u16,
    /// When it fits.
    #[serde(default)]
    pub when: When,
    /// Other conditions under which it fits as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or_when: Vec<When>,
    /// Virtual media.
    #[serde(default)]
    pub media: MediaRules,
    /// Boot override.
    #[serde(default)]
    pub boot: BootRules,
    /// Power.
    #[serde(default)]
    pub power: PowerRules,
    /// Login.
    #[serde(default)]
    pub session: SessionRules,
    /// Which fields name the machine.
    #[serde(default)]
    pub identity: IdentityRules,
}

/// Conditions, all of which must hold. Patterns ignore case and know `*`; an empty list always fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Names the service root gives: `Vendor`, `Product` and the keys of `Oem`.
    pub root: Vec<String>,
    /// Lowest `RedfishVersion` of the service root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redfish_from: Option<String>,
    /// First `RedfishVersion` that no longer fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redfish_below: Option<String>,
    /// The last segment of the system's path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<String>,
    /// The system's `Model`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system_model: Vec<String>,
    /// The last segment of the manager's path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manager: Vec<String>,
    /// The manager's `Model`.
    pub manager_model: Vec<String>,
    /// Lowest firmware version of the manager.
    pub firmware_from: Option<String>,
    /// First firmware version that no longer fits.
    pub firmware_below: Option<String>,
}

/// How virtual media behave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaRules {
    /// Slots that are listed but cannot be used, by id pattern.
    pub exclude: Vec<String>,
    /// The only slot the firmware boots from, by id.
    pub boot_slot: Option<String>,
    /// Images the BMC can hold at once.
    pub most: u8,
    /// Protocols it fetches images with.
    pub schemes: Vec<Scheme>,
    /// The protocols of a BMC that fetches images over none of ours, such as `NFS`: the reason to
    /// give where no slot can be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_by: Vec<String>,
    /// Slots without an insert action take a PATCH, even where the BMC does not say so.
    pub patch: bool,
    /// First form of an insert.
    pub payload: Payload,
    /// Forms of an eject, in order.
    pub eject: Vec<EjectForm>,
    /// Expanded reads are complete.
    pub expand: bool,
    /// How long an inserted or ejected image may take to show, in seconds.
    pub settle_seconds: u64,
    /// What switches remote media on, where they are off as delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch: Option<SwitchRules>,
    /// The image is downloaded at insert, so its reads prove nothing about the host.
    pub fetches_whole: bool,
    /// The licence that virtual media by address need on these BMCs, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// An action of the manager that switches remote media on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchRules {
    /// Its name among the manager's actions, such as `#AMIVirtualMedia.EnableRMedia`.
    pub action: String,
    /// What it is sent.
    pub(crate) body: serde_json::Value,
    /// Where the manager shows the state, as a JSON pointer.
    pub state: String,
    /// What is shown there when they are on.
    pub on: String,
}

/// How the boot override behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootRules {
    /// Override targets for the boot slot, in order of preference.
    pub targets: Vec<String>,
    /// Every change must name target, enabled and mode.
    pub full: bool,
    /// Forms of `If-Match` for changes, in order.
    pub etag: Vec<EtagForm>,
    /// Resource below the system that takes the override, such as `SD`, when it is not the system.
    pub resource: Option<String>,
    /// A way of the vendor's own, where the override means a physical drive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oem: Option<OemBoot>,
}

/// Vendors' own ways to boot from a virtual CD once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OemBoot {
    /// Dell: a server configuration profile, imported as a job of the manager.
    DellScp,
}

/// How power behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PowerRules {
    /// Reset types that cut power, in order of preference.
    pub off: Vec<String>,
    /// Reset types that switch on, in order of preference.
    pub on: Vec<String>,
}

/// How a login looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionRules {
    /// Content of `Oem` in the login request.
    pub(crate) oem: Option<serde_json::Value>,
}

/// Which fields of the system an operator's serial is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityRules {
    /// Field names, best first.
    pub serial: Vec<SerialField>,
}

/// A field that may carry the serial an operator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SerialField {
    /// `SerialNumber`.
    SerialNumber,
    /// `SKU`, where Dell puts its service tag.
    #[serde(rename = "SKU")]
    Sku,
}

/// Says when a profile fits, in words.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |what: &str, patterns: &[String]| {
            (!patterns.is_empty()).then(|| format!("{what} is {}", patterns.join(" or ")))
        };
        let from = |what: &str, version: &Option<String>| {
            version.as_ref().map(|version| format!("{what} is {version} or later"))
        };
        let below = |what: &str, version: &Option<String>| {
            version.as_ref().map(|version| format!("{what} is before {version}"))
        };
        let conditions = [
            names("the service root's name", &self.root),
            from("its Redfish version", &self.redfish_from),
            below("its Redfish version", &self.redfish_below),
            names("the system's id", &self.system),
            names("the system's model", &self.system_model),
            names("the manager's id", &self.manager),
            names("the manager's model", &self.manager_model),
            from("firmware", &self.firmware_from),
            below("firmware", &self.firmware_below),
        ];
        let conditions: Vec<String> = conditions.into_iter().flatten().collect();
        if conditions.is_empty() {
            return f.write_str("no other profile fits");
        }
        f.write_str(&conditions.join(", "))
    }
}

impl Profile {
    /// Why the profile fits the BMCs it fits, in words.
    pub fn reason(&self) -> String {
        let all: Vec<String> =
            std::iter::once(&self.when).chain(&self.or_when).map(When::to_string).collect();
        all.join("; or ")
    }
}

impl Default for MediaRules {
    fn default() -> Self {
        Self {
            exclude: Vec::new(),
            boot_slot: None,
            most: 2,
            schemes: vec![Scheme::Http, Scheme::Https],
            only_by: Vec::new(),
            patch: false,
            payload: Payload::default(),
            eject: vec![
                EjectForm::EmptyObject,
                EjectForm::NoBody,
                EjectForm::PatchInserted,
                EjectForm::PatchImage,
            ],
            expand: true,
            settle_seconds: 30,
            switch: None,
            fetches_whole: false,
            licence: None,
        }
    }
}

impl Default for BootRules {
    fn default() -> Self {
        Self {
            targets: vec!["Cd".to_owned(), "UsbCd".to_owned()],
            full: false,
            etag: vec![EtagForm::Received, EtagForm::Strong, EtagForm::Any, EtagForm::Nothing],
            resource: None,
            oem: None,
        }
    }
}

impl Default for PowerRules {
    fn default() -> Self {
        Self { off: vec!["ForceOff".to_owned()], on: vec!["On".to_owned(), "ForceOn".to_owned()] }
    }
}

impl Default for IdentityRules {
    fn default() -> Self {
        Self { serial: vec![SerialField::SerialNumber] }
    }
}

impl Profile {
    /// What is assumed of a BMC nobody has described.
    pub fn generic() -> Self {
        Self {
            name: "generic".to_owned(),
            rank: 0,
            when: When::default(),
            or_when: Vec::new(),
            media: MediaRules::default(),
            boot: BootRules::default(),
            power: PowerRules::default(),
            session: SessionRules::default(),
            identity: IdentityRules::default(),
        }
    }
}
