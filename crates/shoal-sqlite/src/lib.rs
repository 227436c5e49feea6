//! shoal-sqlite.
