//! What a user asks of one server, as types.
//!
//! # Purpose
//!
//! The recipe is written by a user, admitted by the controller and carried out on the machine by
//! the dispatcher. This crate is the one place that knows what a recipe is: its schema, the rules a
//! schema cannot say, the warnings worth a second look, and the files in which the dispatcher hands
//! it to the steps. Because both sides use the same validator, whatever the machine would refuse is
//! refused when the job is posted. What else controller and maintenance OS have to agree on lives
//! here as well: the files of a task medium ([`task_file`]), `job.json` among them ([`JobFile`]),
//! and the rule for refusing the wrong machine ([`match_machine`]).
//!
//! # Scope
//!
//! Parsing, validation, lints, partition placement, quoting for systemd. Everything is synchronous
//! and pure: bytes in, values out.
//!
//! # Non-goals
//!
//! No files, no network, no clock, no hashing. Registries are not asked whether an artifact exists,
//! disks are not looked at, and user data is carried without being understood.
//!
//! # Invariants
//!
//! - [`Recipe::parse`] is the only door for a user's bytes; it reports every problem it can see, in
//!   a stable order and bounded number.
//! - `user_data`, `unattend_xml` and `ks_cfg` are [`Sealed`]: no problem, lint, `Debug` output or
//!   serialised [`Recipe`] contains any of their content. Only calls named `reveal` do.
//! - Equal values give equal bytes: [`Recipe::reveal_document`], [`JobFile::reveal_bytes`],
//!   [`Layout::to_json`] and [`env::File`] are deterministic.
//!
//! # Example
//!
//! ```
//! let recipe = br#"{
//!     "task_target": "install-linux.target",
//!     "target_disk": "/dev/nvme0n1",
//!     "oci_url": "registry.example/os-images/debian:13",
//!     "partition_layout": [
//!         {"size": "512M", "type_guid": "ef00", "format": "vfat"},
//!         {"size": "100%", "type_guid": "8304", "format": "ext4", "label": "root"}
//!     ]
//! }"#;
//! let parsed = shoal_recipe::Recipe::parse(recipe).map_err(|problems| problems.len()).unwrap();
//! assert_eq!(parsed.recipe.workflow(), shoal_recipe::Workflow::Linux);
//! assert_eq!(parsed.lints[0].code.as_str(), "mutable_tag");
//!
//! let problems = shoal_recipe::Recipe::parse(br#"{"task_target": "install-esxi.target"}"#).unwrap_err();
//! assert_eq!((problems[0].path.as_str(), problems[0].code.as_str()), ("/ks_cfg", "missing_field"));
//! ```

#![deny(missing_docs)]

pub mod disk;
mod document;
pub mod env;
pub mod format;
mod http_url;
mod job_file;
mod layout;
mod lint;
mod machine;
mod oci;
pub mod partition;
mod problem;
mod recipe;
mod rules;
mod schema;
mod sealed;
mod target;
pub mod task_file;
mod type_guid;
mod unique;

pub use disk::TargetDisk;
pub use document::MAX_RECIPE_BYTES;
pub use format::Format;
pub use http_url::{HttpUrl, HttpUrlError};
pub use job_file::{Identity, JobFile, JobFileError};
pub use layout::{Extent, Layout, LayoutPartition, LayoutSize, PlaceError};
pub use lint::{Lint, LintCode, lints};
pub use machine::{Dmi, Verdict, match_machine};
pub use oci::{OciRef, OciRefError};
pub use partition::{Partition, PartitionLayout, SizeSpec};
pub use problem::{Code, Problem};
pub use recipe::{Parsed, Recipe, SUPPORTED_VERSIONS};
pub use schema::{SCHEMA, SCHEMA_ID};
pub use sealed::Sealed;
pub use target::{TaskTarget, TaskTargetError, Workflow};
pub use type_guid::{TypeGuid, TypeGuidError};
