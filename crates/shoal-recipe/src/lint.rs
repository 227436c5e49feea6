//! Recipes that are allowed but seldom meant. Their warnings are shown in the plan before anything
//! happens, which is the last cheap moment to notice.

use serde::{Serialize, Serializer};

use crate::layout::Layout;
use crate::recipe::Recipe;
use crate::target::Workflow;
use crate::type_guid::TypeGuid;

/// One warning about a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// What kind of warning it is; stable for programs.
    pub code: LintCode,
    /// JSON Pointer to the member.
    pub path: String,
    /// What to look at, for people. Never contains sealed content.
    pub message: String,
}

/// Kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LintCode {
    /// No EFI system partition, so UEFI firmware finds nothing to boot.
    NoEfiPartition,
    /// No partition that could be told to be the Linux root.
    NoRootFilesystem,
    /// A Windows layout without the Microsoft reserved partition.
    NoMicrosoftReserved,
    /// An artifact named by a tag alone, which can move between two installs.
    MutableTag,
    /// A kickstart file that neither restarts nor powers off, so the installer waits for a key.
    KickstartWithoutReboot,
    /// Firmware without a SHA-256 to check it against.
    FirmwareWithoutDigest,
}

impl LintCode {
    /// The stable text used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoEfiPartition => "no_efi_partition",
            Self::NoRootFilesystem => "no_root_filesystem",
            Self::NoMicrosoftReserved => "no_microsoft_reserved",
            Self::MutableTag => "mutable_tag",
            Self::KickstartWithoutReboot => "kickstart_without_reboot",
            Self::FirmwareWithoutDigest => "firmware_without_digest",
        }
    }
}

impl Serialize for LintCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The warnings for `recipe`, sorted by path.
pub fn lints(recipe: &Recipe) -> Vec<Lint> {
    let mut found = Vec::new();
    let mut warn = |code, path: &str, message: &str| {
        found.push(Lint { code, path: path.to_owned(), message: message.to_owned() });
    };
    let workflow = recipe.workflow();
    if recipe.firmware_url.is_some() && recipe.firmware_sha256.is_none() {
        let message = "the firmware bundle is not checked; add firmware_sha256";
        warn(LintCode::FirmwareWithoutDigest, "/firmware_url", message);
    }
    if workflow == Workflow::Esxi
        && recipe.ks_cfg.as_ref().is_some_and(|text| !restarts(text.reveal()))
    {
        let message = "the kickstart file has no reboot or poweroff command, so the installer waits \
                       for a key at its end; add a line with reboot";
        warn(LintCode::KickstartWithoutReboot, "/ks_cfg", message);
    }
    if recipe.oci_url.as_ref().is_some_and(|reference| reference.digest().is_none()) {
        let message = "a tag can move, so a retry may install something else; add a digest";
        warn(LintCode::MutableTag, "/oci_url", message);
    }
    let installs_disk = matches!(workflow, Workflow::Linux | Workflow::Windows);
    if let Some(layout) = Layout::of(recipe).filter(|_| installs_disk) {
        if layout.esp().is_none() {
            let message = "no EFI system partition (type ef00); a UEFI machine will not boot";
            warn(LintCode::NoEfiPartition, "/partition_layout", message);
        }
        if workflow == Workflow::Linux && layout.linux_root().is_none() {
            let message = "no root filesystem can be told: give one ext4, xfs or btrfs partition a \
                           root type such as 8304, or the label root";
            warn(LintCode::NoRootFilesystem, "/partition_layout", message);
        }
        let has_reserved =
            layout.partitions.iter().any(|p| p.type_guid == TypeGuid::MICROSOFT_RESERVED);
        if workflow == Workflow::Windows && !has_reserved {
            let message = "no Microsoft reserved partition (type 0c01, 16M); Windows expects one";
            warn(LintCode::NoMicrosoftReserved, "/partition_layout", message);
        }
    }
    found
}

/// Whether a kickstart file ends the installer: a line in its command section that begins with
/// `reboot` or `poweroff`. Sections start with `%` and a name, and last to `%end`, the next section
/// or the end; their lines are scripts of the installed system.
fn restarts(kickstart: &str) -> bool {
    let mut in_section = false;
    kickstart.lines().any(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        if first.starts_with('%') {
            in_section = !matches!(first, "%end" | "%include");
        }
        !in_section && matches!(first, "reboot" | "poweroff")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(recipe: &str) -> Vec<&'static str> {
        let parsed = Recipe::parse(recipe.as_bytes()).unwrap();
        parsed.lints.iter().map(|lint| lint.code.as_str()).collect()
    }

    #[test]
    fn a_linux_layout_without_efi_and_root_and_a_tag_gives_three_warnings() {
        let found = codes(
            r#"{"task_target": "install-linux.target", "target_disk": "/dev/sda",
                "oci_url": "r.example/a:1",
                "partition_layout": [{"size": "1G", "type_guid": "8200", "format": "swap"}]}"#,
        );

        assert_eq!(found, ["mutable_tag", "no_efi_partition", "no_root_filesystem"]);
    }

    #[test]
    fn a_windows_layout_without_msr_is_warned_about_and_the_default_is_not() {
        let digest = "a".repeat(64);
        let recipe = |layout: &str| {
            format!(
                r#"{{"task_target": "install-windows.target", "target_disk": "/dev/sda",
                     "oci_url": "r.example/a@sha256:{digest}"{layout}}}"#
            )
        };
        let layout = r#", "partition_layout": [
            {"size": "260M", "type_guid": "ef00"}, {"size": "100%", "type_guid": "0700"}]"#;

        assert_eq!(codes(&recipe(layout)), ["no_microsoft_reserved"]);
        assert!(codes(&recipe("")).is_empty());
    }

    #[test]
    fn a_kickstart_that_never_restarts_is_warned_about() {
        let recipe = |kickstart: &str| {
            let kickstart = serde_json::to_string(kickstart).unwrap();
            format!(r#"{{"task_target": "install-esxi.target", "ks_cfg": {kickstart}}}"#)
        };

        assert!(codes(&recipe("install --firstdisk\n  reboot --noeject\n")).is_empty());
        assert!(codes(&recipe("%pre\nls\n%end\npoweroff\n")).is_empty());
        for silent in ["install\n", "# reboot\n", "rebooting\n", "%firstboot\nreboot\n"] {
            assert_eq!(codes(&recipe(silent)), ["kickstart_without_reboot"], "{silent}");
        }
    }

    #[test]
    fn firmware_without_digest_is_warned_about() {
        let found = codes(
            r#"{"task_target": "supermicro-update.target", "firmware_url": "https://x.example/b"}"#,
        );

        assert_eq!(found, ["firmware_without_digest"]);
    }
}
