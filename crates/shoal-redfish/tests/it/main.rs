//! The client against BMCs that listen on loopback, speak HTTP byte by byte, share no code with the
//! client and misbehave on request.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail a test by panicking, like the tests themselves"
)]

mod anything;
mod bmc;
mod bytes;
mod changes;
mod examine;
mod faults;
mod forms;
mod given;
mod habits;
mod kill;
mod learning;
mod life;
mod model;
mod power;
mod record;
mod resource;
mod restart;
mod sessions;
mod slots;
mod spares;
mod tasks;
mod telemetry;
mod tls;
mod tree;
mod trees;
