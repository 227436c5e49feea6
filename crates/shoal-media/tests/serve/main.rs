//! The media server as BMCs meet it: over sockets, through curl, and with a ledger that hangs, fails
//! and comes back.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what surrounds a test fails it like the test itself"
)]

mod boot;
mod evidence;
mod installer;
mod stage;
mod status;
mod wire;
