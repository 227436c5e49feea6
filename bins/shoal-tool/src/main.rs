//! shoal-tool.

fn main() {}
