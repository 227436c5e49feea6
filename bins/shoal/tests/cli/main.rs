//! The program as an operator or a script meets it: arguments in; output, exit code and requests
//! out. The controller is a small HTTP server here, with answers written by hand after the API's
//! contract.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod copy;
mod exit_codes;
mod import;
mod installation;
mod jobs;
mod operate;
mod probe;
mod reference;
mod registry;
mod secrets;
mod servers;
mod shell;
mod stand_in;
mod tls;
mod watch;
