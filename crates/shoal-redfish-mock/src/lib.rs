//! shoal-redfish-mock.
