//! shoal-controller.

fn main() {}
