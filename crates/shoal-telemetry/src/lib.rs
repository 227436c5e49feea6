//! shoal-telemetry.
