//! Mock machines driven over HTTPS by clients that know nothing of them but Redfish.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod absence;
mod accounts;
mod esxi;
mod faults;
mod habits;
mod host;
mod life;
mod media;
mod naive;
mod page;
mod personas;
mod refusals;
mod restarts;
mod support;
