//! What a kind of BMC is: names, versions, and where its slots are listed. None of it changes
//! what the BMC does.

use serde::Deserialize;

/// What the service root says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootFacts {
    /// `Vendor`; absent on older services.
    pub vendor: Option<String>,
    /// `Product`; absent on older services.
    pub product: Option<String>,
    /// The one key of `Oem`, by which services that name no vendor give themselves away.
    pub oem: Option<String>,
    /// Version in `@odata.type`, such as `v1_10_0`.
    pub schema: String,
    /// `RedfishVersion`.
    pub redfish_version: String,
    /// Forms of `$expand` that are served: any of `*`, `.`, `~`; others are refused with 501.
    pub expand: Vec<String>,
    /// Properties that members lack when they are read by `$expand`.
    pub expand_omits: Vec<String>,
}

/// Where a BMC keeps the serial number that is printed on the chassis.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SerialIn {
    /// In `SKU` (Dell's service tag).
    Sku,
    /// In `SerialNumber`.
    SerialNumber,
    /// In the chassis alone; the system has neither serial, nor `SKU`, nor `UUID`.
    Chassis,
}

/// What the `ComputerSystem` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemFacts {
    /// Last path segment.
    pub id: String,
    /// Version in `@odata.type`.
    pub schema: String,
    /// `Name`.
    pub name: String,
    /// `Manufacturer`.
    pub manufacturer: String,
    /// `Model`.
    pub model: String,
    /// `BiosVersion`.
    pub bios_version: String,
    /// Which property carries the configured serial.
    pub serial_in: SerialIn,
    /// What the other of `SKU` and `SerialNumber` says.
    pub other_serial: String,
    /// Whether `BootProgress` is present.
    pub boot_progress: bool,
    /// Whether `Oem.Hpe.PostState` is present.
    pub post_state: bool,
    /// Whether `LastResetTime` is present.
    pub last_reset_time: bool,
    /// Where `VirtualMedia` leads on a system that lists no slots itself; absent unless given.
    pub media_at: Option<Under>,
}

/// What the `Manager` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagerFacts {
    /// Last path segment.
    pub id: String,
    /// Version in `@odata.type`.
    pub schema: String,
    /// `Name`.
    pub name: String,
    /// `Model`.
    pub model: String,
    /// `FirmwareVersion`.
    pub firmware: String,
    /// Whether `DateTime` is present.
    pub date_time: bool,
    /// How far the BMC's clock is ahead, in seconds.
    #[serde(default)]
    pub clock_ahead_seconds: i64,
}

/// What the `Chassis` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChassisFacts {
    /// Last path segment.
    pub id: String,
    /// `Name`.
    pub name: String,
}

/// A resource that lists virtual media.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Under {
    /// `Systems/{id}/VirtualMedia`.
    System,
    /// `Managers/{id}/VirtualMedia`.
    Manager,
}

/// One virtual media slot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotFacts {
    /// Last path segment; unique within the persona.
    pub id: String,
    /// Every collection that lists the slot.
    pub under: Vec<Under>,
    /// `MediaTypes`.
    pub media_types: Vec<String>,
    /// A slot whose device this one shares: a medium in the one makes the other refuse.
    pub same_device_as: Option<String>,
    /// Whether an image can be put in over Redfish; some slots are listed and filled by other means.
    #[serde(default = "yes")]
    pub insertable: bool,
    /// The status with which it refuses every image although it lists the insertion: a slot of the
    /// console, or one that only looks like a slot.
    pub refuses: Option<u16>,
    /// Endings a URL must have one of to go into this slot; empty means that the rules for all slots
    /// are enough.
    #[serde(default)]
    pub suffixes: Vec<String>,
}

fn yes() -> bool {
    true
}

impl SlotFacts {
    /// Whether firmware sees a medium in this slot as an optical drive.
    pub fn is_optical(&self) -> bool {
        self.media_types.iter().any(|kind| kind == "CD" || kind == "DVD")
    }

    /// Whether an operating system can see a medium in this slot as a USB stick.
    pub(crate) fn is_stick(&self) -> bool {
        self.media_types.iter().any(|kind| kind == "USBStick")
    }
}
