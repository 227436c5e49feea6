//! shoal-webhook.
