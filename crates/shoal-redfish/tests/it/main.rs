//! The client against BMCs that listen on loopback, speak HTTP byte by byte, share no code with the
//! client and misbehave on request.

mod bmc;
mod faults;
mod forms;
mod life;
mod model;
mod sessions;
mod tls;
