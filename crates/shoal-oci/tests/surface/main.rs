//! The surface of `/v2/` through a socket: every behaviour that conformance suites and real clients
//! rely on, and what a registry must survive.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what surrounds a test fails it like the test itself"
)]

mod auth;
mod collect;
mod conform;
mod discover;
mod fault;
mod handover;
mod inspect;
mod login;
mod manage;
mod mend;
mod pull;
mod push;
mod quota;
mod race;
mod resume;
mod stage;
