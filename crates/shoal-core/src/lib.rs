//! shoal-core.
