//! shoal-redfish.
