//! shoal.

fn main() {}
