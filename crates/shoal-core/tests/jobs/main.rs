//! Jobs driven through the crate's public API only: what happens to them, event by event.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod ahead;
mod cleanup;
mod diagram;
mod drive;
mod evidence;
mod graph;
mod happy;
mod holding;
mod page;
mod power;
mod report;
mod samples;
mod stands;
mod stopping;
mod stored;
mod table;
mod time;
