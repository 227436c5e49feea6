//! An ESXi installer's disc. It carries no manifest of ours, and the system on it reports nothing, so
//! both what it needs and what reads of it prove are learned from its own boot configuration.

use std::collections::BTreeMap;

use crate::content::Content;
use crate::el_torito::boot_image;
use crate::extent::Extent;
use crate::fat::Volume;
use crate::iso9660::{IsoError, SECTOR, descriptors, find_file};
use crate::medium::{Digest, Medium, MediumError};
use crate::milestone::{Milestone, Tripwire};

/// The boot configurations: the first is read by UEFI firmware's loader, the second by the other.
const CONFIGURATIONS: [&str; 2] = ["EFI/BOOT/BOOT.CFG", "BOOT.CFG"];
const LOADERS: &str = "EFI/BOOT";
const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
const MAX_CONFIGURATION_LEN: u64 = 64 * 1024;
const ON_CD: &str = "ks=cdrom:/KS.CFG";
const ON_USB: [&str; 3] = ["ks=usb", "ks=usb:", "ks=usb:/KS.CFG"];

/// Where the installer looks for its kickstart file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KickstartSource {
    /// At the root of another CD, as `KS.CFG`.
    Cd,
    /// At the root of a USB stick with a FAT file system, as `KS.CFG`.
    Usb,
}

/// An installer's disc, ready to be served.
#[derive(Debug, Clone)]
pub struct Installer {
    medium: Medium,
    kickstart: KickstartSource,
}

/// Why an installer's disc cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallerError {
    /// It is a damaged ISO 9660 image.
    #[error("read the installer's disc")]
    Iso(#[from] IsoError),
    /// There is no boot configuration: not an ESXi installer.
    #[error("find BOOT.CFG: this is no disc of an ESXi installer")]
    NoConfiguration,
    /// A boot configuration cannot be read.
    #[error("read {file}")]
    Unreadable {
        /// The configuration.
        file: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A boot configuration is longer than 64 KiB.
    #[error("accept {file} of {len} bytes")]
    TooLong {
        /// The configuration.
        file: &'static str,
        /// Its length in bytes.
        len: u64,
    },
    /// The installer would ask on the console instead of reading the kickstart file of a task medium.
    #[error(
        "find the kickstart option in {file}: add {ON_CD} (or {}, for BMCs with one CD and one USB \
         slot) to its line kernelopt=, in BOOT.CFG and in EFI/BOOT/BOOT.CFG, and write the image \
         anew; it says {}", ON_USB[0], found.as_deref().unwrap_or("nothing about ks=")
    )]
    NoKickstart {
        /// The configuration.
        file: &'static str,
        /// The option that is there instead.
        found: Option<String>,
    },
    /// The two boot configurations look in two places.
    #[error("agree on one kickstart option: BOOT.CFG and EFI/BOOT/BOOT.CFG say different ones")]
    Disagree,
    /// A boot configuration names no kernel or modules.
    #[error("find {key}= in {file}")]
    Missing {
        /// The configuration.
        file: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A boot configuration names a file that is not there.
    #[error("find {name}, which {file} names")]
    NoFile {
        /// The configuration.
        file: &'static str,
        /// The file.
        name: String,
    },
    /// Firmware finds nothing to boot.
    #[error("find a boot image")]
    NotBootable,
    /// The tripwires do not fit.
    #[error("lay out the installer's disc")]
    Medium(#[from] MediumError),
}

impl Installer {
    /// Reads the boot configuration of `content`, which `digest` identifies, and sets tripwires on
    /// what it names. Blocks while it reads some sectors; done once per image, not per request.
    pub fn open(content: Content, digest: Digest) -> Result<Self, InstallerError> {
        let mut found = Vec::new();
        for file in CONFIGURATIONS {
            found.extend(Configuration::read(&content, file)?);
        }
        let configuration = found.first().ok_or(InstallerError::NoConfiguration)?;
        let kickstart = configuration.kickstart()?;
        for other in &found {
            if other.kickstart()? != kickstart {
                return Err(InstallerError::Disagree);
            }
        }
        let mut tripwires = loaders(&content)?;
        tripwires.push(wire(Milestone::OsLoading, later_half(configuration.kernel(&content)?)));
        tripwires.push(wire(Milestone::Payload, later_half(configuration.payload(&content)?)));
        let looked_at = descriptors(&content)?;
        tripwires.extend(looked_at.map(|extent| wire(Milestone::Reopened, extent)));
        Ok(Self { medium: Medium::new(content, digest, tripwires)?, kickstart })
    }

    /// What is served.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// Where it looks for its kickstart file.
    pub fn kickstart(&self) -> KickstartSource {
        self.kickstart
    }
}

/// One boot configuration: lines of `key=value`.
struct Configuration {
    file: &'static str,
    values: BTreeMap<String, String>,
}

impl Configuration {
    fn read(content: &Content, file: &'static str) -> Result<Option<Self>, InstallerError> {
        let Some(place) = find_file(content, file)? else { return Ok(None) };
        if place.len() > MAX_CONFIGURATION_LEN {
            return Err(InstallerError::TooLong { file, len: place.len() });
        }
        let mut bytes = vec![0; usize::try_from(place.len()).unwrap_or(0)];
        content
            .read_exact_at(place.offset(), &mut bytes)
            .map_err(|source| InstallerError::Unreadable { file, source })?;
        let text = String::from_utf8_lossy(&bytes);
        let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
        let values = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
        Ok(Some(Self { file, values: values.collect() }))
    }

    fn kickstart(&self) -> Result<KickstartSource, InstallerError> {
        let options = self.values.get("kernelopt").map_or("", String::as_str);
        // The last one wins, as it does for the installer.
        let option = options.split_whitespace().rfind(|option| option.starts_with("ks="));
        match option {
            Some(ON_CD) => Ok(KickstartSource::Cd),
            Some(usb) if ON_USB.iter().any(|known| known.eq_ignore_ascii_case(usb)) => {
                Ok(KickstartSource::Usb)
            }
            found => {
                let found = found.map(str::to_owned);
                Err(InstallerError::NoKickstart { file: self.file, found })
            }
        }
    }

    fn kernel(&self, content: &Content) -> Result<Extent, InstallerError> {
        let missing = InstallerError::Missing { file: self.file, key: "kernel" };
        let name = self.values.get("kernel").filter(|name| !name.is_empty()).ok_or(missing)?;
        self.locate(content, name)
    }

    /// The largest module: a look at what there is does not come as far as its middle, and who reads
    /// that has read most of what an installation consists of.
    fn payload(&self, content: &Content) -> Result<Extent, InstallerError> {
        let listed = self.values.get("modules").map_or("", String::as_str);
        let mut largest: Option<Extent> = None;
        for module in listed.split("---").filter_map(|it| it.split_whitespace().next()) {
            let place = self.locate(content, module)?;
            if largest.is_none_or(|so_far| so_far.len() < place.len()) {
                largest = Some(place);
            }
        }
        largest.ok_or(InstallerError::Missing { file: self.file, key: "modules" })
    }

    fn locate(&self, content: &Content, name: &str) -> Result<Extent, InstallerError> {
        let prefix = self.values.get("prefix").map_or("", |prefix| prefix.trim_matches('/'));
        let path = match name.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => format!("{prefix}/{name}").trim_start_matches('/').to_owned(),
        };
        find_file(content, &path)?
            .ok_or_else(|| InstallerError::NoFile { file: self.file, name: name.to_owned() })
    }
}

/// What firmware reads only of a medium it boots: the middle of a loader. The start of a boot image
/// is read by firmware that merely looks at what there is.
fn loaders(content: &Content) -> Result<Vec<Tripwire>, InstallerError> {
    let image = boot_image(content)?;
    let inside = image.map(|image| loader_in(content, image).unwrap_or(image));
    let beside = find_file(content, LOADER)?;
    let wires = inside.into_iter().chain(beside);
    let wires: Vec<_> =
        wires.map(|place| wire(Milestone::BootImageRead, later_half(place))).collect();
    if wires.is_empty() { Err(InstallerError::NotBootable) } else { Ok(wires) }
}

fn loader_in(content: &Content, image: Extent) -> Option<Extent> {
    // The boot catalog often says less than the image's length.
    let rest = Extent::between(image.offset(), content.len())?;
    Volume::open(content, rest)?.largest_in(LOADERS)
}

/// The sectors from the middle of `place` on.
fn later_half(place: Extent) -> Extent {
    let whole = place.len() / 2 / SECTOR * SECTOR;
    place.skip(whole).unwrap_or(place)
}

fn wire(milestone: Milestone, extent: Extent) -> Tripwire {
    Tripwire { milestone, extent }
}
