//! shoal-iso.
