//! The routers driven in process on a real store: what callers see, row by row.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod actions;
mod admin;
mod audit;
mod auth;
mod bmc;
mod call;
mod conformance;
mod document;
mod events;
mod harness;
mod health;
mod import;
mod input;
mod jobs;
mod list;
mod operate;
mod prober;
mod queue;
mod reads;
mod registrar;
mod registry;
mod sample;
mod secrets;
mod servers;
mod waiting;
mod webhook;
