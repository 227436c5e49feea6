//! An OCI registry for one machine: what is pushed is durable when it is answered, what was confirmed
//! stays, and what breaks off can go on.
//!
//! # Purpose
//! Hold the tool images and the operating system artifacts that servers are provisioned with, as an
//! OCI Distribution 1.1 registry under `/v2/` that needs nothing but a directory.
//!
//! # Scope
//! Names and digests, the directory, the catalogue, uploads, use cases, the HTTP surface of `/v2/`,
//! credentials, leases, garbage collection, retention, check and rebuild. Usable alone:
//! `cargo run -p shoal-oci --example registry`.
//!
//! # Non-goals
//! No listener and no TLS: whoever owns a listener calls [`Registry`] through [`http::Service`]. No
//! replication, no proxying, no object store, no signature checking.
//!
//! # Invariants
//! - The catalogue is the truth; `index.json` is an export. A row says that a file is there, so files
//!   come before rows and rows go before files: write, flush, name, flush the name, then one
//!   transaction. Content of at most 32 KiB is flushed by that transaction itself, see `journal`.
//! - What a client was told exists is leased, and nothing leased is swept; [`lease`] has the protocol.
//! - A manifest is stored in the transaction that finds everything it needs.
//! - A session has one writer. Bytes that arrived are kept whatever became of the request; the offset
//!   is the server's word alone.
//! - Content is hashed while it arrives, and no body is held in memory beyond a few chunks.
//! - No lock and no transaction is held while a body is sent or received.
//! - Paths are made from parsed digests and upload ids only.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//!
//! use shoal_oci::{Config, Registry, audit::LogAudit, auth::Open, http::Service};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = tempfile::tempdir()?;
//! let config = Config::new(root.path());
//! let registry = tokio::task::spawn_blocking(|| Registry::open(config)).await??;
//! let service = Service::new(registry, Arc::new(Open), Arc::new(LogAudit));
//! let request = http::Request::get("/v2/").body(String::new())?;
//! assert_eq!(service.respond(request).await.status(), 200);
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod config;
pub mod digest;
pub mod error;
mod export;
pub mod gc;
pub mod http;
mod journal;
pub mod layout;
pub mod lease;
mod manifest;
pub mod name;
pub mod quota;
pub mod rebuild;
pub mod registry;
pub mod retention;
mod space;
pub mod upload;

pub use config::{Config, Limits, Policy};
pub use digest::{Algorithm, Digest};
pub use error::Error;
pub use lease::Leases;
pub use manifest::BadManifest;
pub use name::{Pattern, Reference, Repository, Tag};
pub use registry::Registry;
pub use upload::UploadId;
