//! shoal-media.
