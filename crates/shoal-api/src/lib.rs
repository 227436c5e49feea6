//! The controller's HTTP surface: parse, call one function, map the error.
//!
//! # Purpose
//! Operators, CI, BMCs and machines under installation talk to the controller over HTTP. This crate
//! is every route of that but the registry's own `/v2/`, as axum routers which the controller puts on its
//! listeners: [`router`], [`media_router`] and [`admin_router`].
//!
//! # Scope
//! Jobs, servers, events (as lists and as Server-Sent Events), the status webhook, the way to the
//! media server, health, the registry for operators, administration; logins, roles, rate limits, bounds, request ids, the audit record and the
//! metrics of requests.
//!
//! # Non-goals
//! No listener and no TLS, no SQL, no decision about a job: those are the controller's, the store's
//! and the engine's. What a request amounts to is asked of a [`Planner`]. Nothing here wakes the
//! engine; it hears of changes from the store.
//!
//! # Adding a call
//! Write the handler, describe it as an operation in the `doc` module of its resource, add both to
//! the resource's routes, and let `cargo xtask generate` write the OpenAPI document. The module
//! `openapi` says more; a handler without a description has no way to a path.
//!
//! # Invariants
//! - Every refusal has the shape `{error, message, details?, request_id}` and a [`Code`]; the status
//!   of a code is decided in one table.
//! - A role is asked for by method and path in one layer around all routes with a login: no route can
//!   be added without it, and everything under `/admin/`
//!   and whatever changes the registry needs an administrator. Writes with a login are recorded in the audit log, refused ones too.
//! - Refusals never repeat what was sent in a body; passwords, tokens and sealed recipe members are
//!   in no answer, log line or label. Logs and metrics show route templates, never paths.
//! - Failed logins and webhook secrets are counted before a rate limit can answer in their place.
//! - What a stranger can choose is bounded: bodies, headers, addresses, keys of rate limits,
//!   remembered logins, running password checks, open streams.
//! - A report's secret decides which job and attempt it is about; its body does not.
//!
//! # Example
//! ```
//! use shoal_api::{Check, Health};
//!
//! let health = Health::new(|| vec![Check { name: "database", failing: None }]);
//! let admin: axum::Router = shoal_api::admin_router(health, || "# no metrics\n".to_owned());
//! # let _ = admin;
//! ```
#![deny(missing_docs)]

mod admin;
mod api;
mod audit;
mod auth;
mod body;
mod document;
mod error;
mod event;
mod health;
mod job;
mod media;
mod observe;
mod openapi;
mod param;
mod planner;
mod prober;
mod query;
mod registrar;
mod registry;
mod server;
mod throttle;
mod timestamp;
mod unread;
mod webhook;

pub use admin::{Changed, Installation, Pending, Reload, ReloadRefusal, Reloaded};
pub use api::{
    Api, Arrived, ClientAddr, ClientCertificate, Clock, Limits, WebhookCertificates, admin_router,
    media_router, router,
};
pub use auth::{Auth, AuthMode, BadPasswordHash, LoginLimits, PasswordHash, User};
pub use error::Code;
pub use health::{Check, Health};
pub use planner::{JobRequest, Planned, Planner, Warning};
pub use prober::{
    Asked, BootSeen, Finding, Forecast, LoginSeen, LoginState, Looking, MachineSeen, MediaForecast,
    NotProbed, Probe, Prober, ProfileSeen, SlotSeen, Stranger, TlsSeen,
};
pub use registrar::{
    Answering, BlobDamaged, BlobHealed, Checked, Collected, CollectionSeen, ContentSeen, Declined,
    Listed, ManifestSeen, Order, Registrar, Removed, RemovedItem, RepositorySeen, RepositoryUsage,
    Retention, RetentionRule, Run, RunState, RunTask, Slice, TagFate, TagSeen, TagVerdict,
    TaggedIn, UploadSeen, UsageSeen, UsedBy,
};
pub use throttle::Rate;
