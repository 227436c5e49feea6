//! The partition tool gets a layout in which nothing is left to interpret: GUIDs instead of aliases,
//! bytes instead of units, every default filled in, and one rule for where each partition lies.

use serde::{Deserialize, Serialize};

use crate::disk::TargetDisk;
use crate::format::Format;
use crate::partition::{Partition, PartitionLayout, SizeSpec};
use crate::recipe::Recipe;
use crate::target::Workflow;
use crate::type_guid::TypeGuid;

/// Version of the `layout.json` form.
const LAYOUT_VERSION: u32 = 1;
/// Partitions start and end on this boundary, which suits every sector and erase block size.
const ALIGNMENT: u64 = 1 << 20;

/// Content of `layout.json`: what the partition tool is to make of which disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Version of this form, 1.
    pub version: u32,
    /// The disk.
    pub target_disk: TargetDisk,
    /// The partitions in the order of their numbers.
    pub partitions: Vec<LayoutPartition>,
}

/// One partition of a [`Layout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutPartition {
    /// Number in the partition table, from 1.
    pub number: u32,
    /// How large.
    pub size: LayoutSize,
    /// Partition type.
    pub type_guid: TypeGuid,
    /// Filesystem to make.
    pub format: Format,
    /// Label of the filesystem, or partition name when there is none.
    pub label: Option<String>,
}

/// How large a partition is to be, in JSON `{"bytes": n}`, `{"percent": n}` or `"rest"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayoutSize {
    /// So many bytes, before rounding up to a mebibyte.
    Bytes(u64),
    /// A share of the usable disk.
    Percent(u8),
    /// What the others leave.
    Rest,
}

/// Where a partition lies on a disk, in bytes; both are multiples of a mebibyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Number in the partition table, from 1.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Length.
    pub length: u64,
}

/// Why a layout cannot be placed on a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The disk is smaller than what the partitions ask for.
    #[error("the layout needs {needed} bytes, the disk has {usable} usable bytes")]
    DiskTooSmall {
        /// Bytes that the partitions need at least.
        needed: u64,
        /// Bytes that the disk offers between its two partition tables.
        usable: u64,
    },
    /// A layout has more than one partition that takes the rest.
    #[error("more than one partition asks for the rest of the disk")]
    SeveralRest,
}

impl Layout {
    /// The layout that `recipe` asks for; for Windows without a layout the usual one (EFI system
    /// partition, Microsoft reserved, Windows). Nothing when no disk is to be partitioned.
    pub fn of(recipe: &Recipe) -> Option<Self> {
        let target_disk = recipe.target_disk.clone()?;
        let asked = match (&recipe.partition_layout, recipe.workflow()) {
            (Some(layout), _) => layout.clone(),
            (None, Workflow::Windows) => windows_default(),
            (None, _) => return None,
        };
        let numbered = (1_u32..).zip(asked.partitions());
        let partitions = numbered.map(|(number, partition)| resolve(number, partition)).collect();
        Some(Self { version: LAYOUT_VERSION, target_disk, partitions })
    }

    /// The bytes of `layout.json`.
    pub fn to_json(&self) -> Vec<u8> {
        crate::recipe::json_line(self)
    }

    /// The EFI system partition.
    pub fn esp(&self) -> Option<&LayoutPartition> {
        self.partitions.iter().find(|p| p.type_guid == TypeGuid::EFI_SYSTEM)
    }

    /// The partition that is the Linux root: among those with a Linux filesystem the one with a root
    /// partition type, else the one labelled `root`, else the one that takes the rest of the disk,
    /// else the only one.
    pub fn linux_root(&self) -> Option<&LayoutPartition> {
        let candidates: Vec<&LayoutPartition> =
            self.partitions.iter().filter(|p| p.format.can_hold_linux_root()).collect();
        let first = |is_root: &dyn Fn(&LayoutPartition) -> bool| {
            candidates.iter().copied().find(|partition| is_root(partition))
        };
        first(&|p| p.type_guid.is_linux_root())
            .or_else(|| {
                first(&|p| p.label.as_deref().is_some_and(|l| l.eq_ignore_ascii_case("root")))
            })
            .or_else(|| first(&|p| p.size == LayoutSize::Rest))
            .or_else(|| first(&|_| candidates.len() == 1))
    }

    /// Places the partitions on a disk of `disk_bytes`, one after the other in their order.
    ///
    /// The first and the last mebibyte are kept for the two partition tables. Sizes in bytes are
    /// rounded up to a mebibyte, shares are taken of the usable bytes and rounded down, but never to
    /// nothing.
    pub fn place(&self, disk_bytes: u64) -> Result<Vec<Extent>, PlaceError> {
        let usable = (disk_bytes / ALIGNMENT * ALIGNMENT).saturating_sub(2 * ALIGNMENT);
        let sizes: Vec<Option<u64>> =
            self.partitions.iter().map(|partition| partition.size.on(usable)).collect();
        let rest_count = sizes.iter().filter(|size| size.is_none()).count() as u64;
        if rest_count > 1 {
            return Err(PlaceError::SeveralRest);
        }
        let fixed = sizes.iter().flatten().fold(0_u64, |sum, size| sum.saturating_add(*size));
        let needed = fixed.saturating_add(rest_count * ALIGNMENT);
        if needed > usable {
            return Err(PlaceError::DiskTooSmall { needed, usable });
        }
        let mut start = ALIGNMENT;
        let extents = self.partitions.iter().zip(sizes).map(|(partition, size)| {
            let length = size.unwrap_or(usable - fixed);
            let extent = Extent { number: partition.number, start, length };
            start += length;
            extent
        });
        Ok(extents.collect())
    }
}

impl LayoutSize {
    /// Bytes on a disk with `usable` bytes; nothing for the rest.
    fn on(self, usable: u64) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.div_ceil(ALIGNMENT).saturating_mul(ALIGNMENT)),
            Self::Percent(percent) => {
                let mebibytes = usable / ALIGNMENT;
                Some((mebibytes.saturating_mul(u64::from(percent)) / 100).max(1) * ALIGNMENT)
            }
            Self::Rest => None,
        }
    }
}

fn resolve(number: u32, partition: &Partition) -> LayoutPartition {
    let size = match partition.size {
        SizeSpec::Bytes(bytes) => LayoutSize::Bytes(bytes),
        SizeSpec::Percent(percent) => LayoutSize::Percent(percent),
        SizeSpec::Rest => LayoutSize::Rest,
    };
    LayoutPartition {
        number,
        size,
        type_guid: partition.type_guid.clone(),
        format: partition.format.unwrap_or(Format::Raw),
        label: partition.label.clone(),
    }
}

/// Sizes as Microsoft's deployment documentation gives them for UEFI machines; 260 MiB because a
/// FAT32 system partition on disks with 4 KiB sectors cannot be smaller.
fn windows_default() -> PartitionLayout {
    let partition = |size, type_guid, format, label: Option<&str>| Partition {
        size,
        type_guid,
        format: Some(format),
        label: label.map(str::to_owned),
    };
    PartitionLayout::from(vec![
        partition(SizeSpec::Bytes(260 << 20), TypeGuid::EFI_SYSTEM, Format::Vfat, Some("SYSTEM")),
        partition(SizeSpec::Bytes(16 << 20), TypeGuid::MICROSOFT_RESERVED, Format::Raw, None),
        partition(SizeSpec::Rest, TypeGuid::MICROSOFT_BASIC_DATA, Format::Ntfs, Some("Windows")),
    ])
}

#[cfg(test)]
mod tests;
