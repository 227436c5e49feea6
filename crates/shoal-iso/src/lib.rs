//! Deterministic writer for small data media, ISO 9660 or FAT: files in, bytes out.
//!
//! # Purpose
//!
//! A task medium carries one job's recipe to a machine through a BMC's virtual media slot.
//! This crate turns a handful of named files into the bytes of such a medium: ISO 9660 with Rock
//! Ridge (real names, modes and owners for Linux) and Joliet (real names for Windows and firmware).
//! The same bytes serve as a CD image and, raw, as a USB stick image, because a reader finds the
//! file system by its descriptors and not by the kind of drive.
//!
//! # Scope
//!
//! - Files in the root directory, each in one contiguous extent that is reported by offset.
//! - Layout that makes reads tell something: the directories sit at the front, file data starts
//!   [`DATA_GAP`] bytes behind them, so a reader which only looks at the medium, with whatever
//!   read-ahead it has, does not touch a file. [`Builder::data_gap`] and
//!   [`Builder::file_not_before`] place files elsewhere.
//! - For systems that understand no ISO 9660 on a stick, [`stick`]: the same promises, one partition
//!   with a FAT file system, short names only.
//! - Three names per file: the primary tree has the upper-case name (`ks.cfg` is `KS.CFG;1`), Rock
//!   Ridge and Joliet have the name as given.
//!
//! # Non-goals
//!
//! Directories, links, devices, boot records (El Torito), appended partitions, multi-session,
//! reading images, media of 4 GiB and more.
//!
//! # Invariants
//!
//! - The bytes are a function of the volume id, the epoch, the files in the order given, and the
//!   two layout numbers; nothing is read from the clock, the environment or the file system.
//! - Every file, also an empty one, starts on a sector of its own: no two files share an offset.
//! - No file is closer than [`RUN_OUT`] bytes to the end: a reader that fetches whole windows and
//!   treats a short one at the end of the medium as an error still gets every byte of every file.
//! - Everything outside the directories and the files' bytes is zero, and [`Image::write_sparse`]
//!   leaves it out of the file on disk.
//! - Content never appears in an error or in `Debug` output: media carry tokens.
//!
//! # Example
//!
//! ```
//! use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId};
//!
//! let label = VolumeId::new("TASK_0123456789ABCDEF0123456789A")?;
//! let image = Image::builder(label, SourceDateEpoch::new(1_700_000_000)?)
//!     .file(FileName::new("recipe.json")?, br#"{"task_target":"install-linux.target"}"#)
//!     .file(FileName::new("ks.cfg")?, "reboot\n")
//!     .build()?;
//! let recipe = &image.extents()[0];
//! assert_eq!(recipe.name.as_str(), "recipe.json");
//! assert_eq!(recipe.offset, image.data_start());
//! # Ok::<(), shoal_iso::Error>(())
//! ```

mod builder;
mod descriptor;
mod directory;
mod encode;
mod epoch;
mod error;
mod fat;
mod identifier;
mod image;
mod metadata;
mod name;
mod rock_ridge;

pub use builder::{Builder, Content, DATA_GAP, MAX_BYTES, RUN_OUT};
pub use epoch::SourceDateEpoch;
pub use error::Error;
pub use fat::stick;
pub use image::{Extent, Image};
pub use name::{FileName, VolumeId};

/// Bytes of one sector, the unit in which ISO 9660 places everything (ECMA-119, 6.1.2).
pub const SECTOR: u32 = 2048;
