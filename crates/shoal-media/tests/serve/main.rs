//! The media server as BMCs meet it: over sockets, through curl, and with a ledger that hangs, fails
//! and comes back.

mod boot;
mod evidence;
mod stage;
mod status;
mod wire;
