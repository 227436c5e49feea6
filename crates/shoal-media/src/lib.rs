//! Serves boot and task media to BMCs, and knows what having served them proves.
//!
//! # Purpose
//!
//! A BMC gets one URL per medium and reads it by byte ranges, for hours, with whatever HTTP client its
//! vendor wrote. This crate signs and checks the paths of those URLs, answers ranges, lays a task
//! medium over a boot ISO for BMCs with a single slot, and turns "these bytes are about to leave" into
//! durable milestones.
//!
//! # Scope
//!
//! Paths `/media/t/<segment>/task.iso` and `/media/b/<segment>/boot.iso` (`.img` for USB slots), from
//! a request's head to an [`http::Response`]. The catalog of media, the ledger of milestones and the
//! clock come from outside.
//!
//! # Non-goals
//!
//! No listener, TLS or router; no job, no database; no writing of ISO images; no transfer but HTTP.
//!
//! # Invariants
//!
//! - A milestone is durable in the ledger before the first byte that proves it is handed to the
//!   network. Its absence therefore proves that we did not serve those bytes. If the ledger fails, the
//!   answer is 503, or, when it has already begun, the connection is cut; the bytes are not sent.
//! - The converse is weaker: up to a socket buffer of bytes may be sent and never be looked at.
//! - HEAD commits nothing. Reading needs a signature; the expiry bounds only the first open.
//! - A path gives the same bytes, length and entity tag for as long as it works.
//! - Segments appear in no log, error or metric; signing secrets cannot be printed.
//! - No response holds more than one chunk (128 KiB) of a medium in memory, and no range leads outside
//!   of it.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use shoal_media::{
//!     Catalog, Content, Digest, Form, Grant, Key, KeyId, Keyring, Kind, LedgerDown, MediaServer,
//!     Medium, Milestone, Milestones, ObjectId, OpenError, Opened, ReadSpan, SystemClock,
//! };
//!
//! struct OneMedium(Medium);
//!
//! impl Catalog for OneMedium {
//!     async fn open(&self, object: ObjectId, _: Kind) -> Result<Opened, OpenError> {
//!         let already = Milestones::default();
//!         Ok(Opened { medium: self.0.clone(), already, together: object })
//!     }
//!     async fn commit_milestone(&self, _: ObjectId, _: Milestone) -> Result<(), LedgerDown> {
//!         Ok(())
//!     }
//!     fn observe(&self, _: ObjectId, _: ReadSpan) {}
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let digest = Digest::of(b"task");
//! let medium = Medium::new(Content::memory("task".into()), digest, vec![])?;
//! let key = Key::new(KeyId::new(1).ok_or("id")?, vec![7; 32])?;
//! let keyring = Keyring::new(key, vec![])?;
//! let server = MediaServer::new(Arc::new(OneMedium(medium)), keyring, SystemClock::default());
//!
//! let (object, expires_at) = (ObjectId([1; 16]), u32::MAX);
//! let grant = Grant { object, kind: Kind::Task, form: Form::Iso, expires_at };
//! let path = server.keyring().sign(&grant);
//! let request = http::Request::get(path.as_str()).header("Range", "bytes=0-1").body(())?;
//! let response = server.respond(&request.into_parts().0).await;
//! assert_eq!(response.status(), 206);
//! assert_eq!(response.headers()["content-range"], "bytes 0-1/4");
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod body;
mod boot;
mod catalog;
mod clock;
mod content;
mod el_torito;
mod extent;
mod fat;
mod installer;
mod iso9660;
mod key;
mod manifest;
mod medium;
mod milestone;
mod precondition;
mod quiet;
mod range;
mod reply;
mod serve;
mod stream;
mod token;
mod watch;

pub use body::Body;
pub use boot::{BootMedium, BootMediumError, MANIFEST_NAME};
pub use catalog::{Catalog, LedgerDown, OpenError, Opened, ReadSpan};
pub use clock::{Clock, SystemClock};
pub use content::Content;
pub use extent::Extent;
pub use fat::find_fat_file;
pub use installer::{Installer, InstallerError, KickstartSource};
pub use iso9660::{IsoError, find_file};
pub use key::{Key, KeyError, KeyId, Keyring};
pub use manifest::{MAX_MANIFEST_LEN, Manifest, ManifestError};
pub use medium::{Digest, Medium, MediumError};
pub use milestone::{Milestone, Milestones, Tripwire};
pub use quiet::QUIET;
pub use range::{MAX_RANGES, Selection, select};
pub use serve::{MediaServer, respond_static};
pub use token::{
    Form, Grant, Kind, MediaPath, ObjectId, Rejection, SKEW_TOLERANCE_SECONDS, Verified,
};
