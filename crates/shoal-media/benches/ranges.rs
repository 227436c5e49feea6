//! Ranged reads beside nginx and a raw socket server.
fn main() {}
