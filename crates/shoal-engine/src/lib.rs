//! shoal-engine.
