//! The contract between the maintenance OS and the controller, both sides of it.
//!
//! # Purpose
//! The maintenance OS tells the controller how an attempt ended (or how far it got) with one
//! `POST /api/v1/status-webhook/{server_serial}`.
//! This crate owns that report, its answer, the rules by which a repeated report is recognised and,
//! behind feature `client`, the posting with its retries.
//!
//! # Scope
//! [`Report`] and its strict parser, [`Identity`], [`Answer`] and the status codes, [`Token`],
//! [`TraceParent`], the mapping of unit names to step keys, and `client::Poster`.
//!
//! # Non-goals
//! What a report *means* for a job is decided by the engine; deriving tokens, rate limits and the
//! HTTP route belong to the controller. Nothing here logs.
//!
//! # Invariants
//! - What [`Report::to_json`] writes, [`Report::parse`] reads back unchanged.
//! - A failed report names its step; the type admits no other.
//! - Parsing is bounded in bytes and depth, and refusals never quote what was sent.
//! - A token is never part of a `Debug` or `Display` text.
//! - Every try to deliver one report carries the same bytes, hence the same delivery id.
//! - No process-wide TLS provider is installed, no redirect is followed, no proxy is used.
//!
//! # Example
//! ```
//! use shoal_webhook::{Report, Status};
//!
//! let report = Report::parse(br#"{"status":"failed","failed_step":"workflow.partition"}"#)?;
//! assert_eq!(report.status.word(), "failed");
//! assert_eq!(report.identity(1).as_str(), "content:1:failed:workflow.partition");
//!
//! let refused = Report::parse(br#"{"status":"failed"}"#).unwrap_err();
//! assert_eq!(refused.path, "/failed_step");
//! assert_eq!(Report::new(Status::Success).to_json(), r#"{"status":"success"}"#);
//! # Ok::<(), shoal_webhook::Invalid>(())
//! ```
#![deny(missing_docs)]

mod answer;
#[cfg(feature = "client")]
pub mod client;
mod field;
mod invalid;
mod report;
mod step;
mod token;
mod trace;

pub use answer::{Answer, Effect, UNEXPECTED, code};
pub use field::{ID_MAX, Id, MESSAGE_MAX, Message, NAME_MAX, Name, Percent};
pub use invalid::{Code, Invalid};
pub use report::{Identity, MEDIA_RELEASED, REPORT_MAX, Report, Status};
pub use step::step_for_unit;
pub use token::{BadToken, SECRET_HEADER, Token};
pub use trace::{TRACEPARENT_HEADER, TraceParent};

/// The route of the webhook below the controller's public URL, with its one path parameter.
pub const PATH: &str = "/api/v1/status-webhook/{server_serial}";
