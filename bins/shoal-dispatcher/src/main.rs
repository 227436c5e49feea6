//! shoal-dispatcher.

fn main() {}
