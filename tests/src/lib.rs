//! shoal-tests.
