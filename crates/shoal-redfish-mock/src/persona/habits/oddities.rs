//! What is wrong or unexpected in the tree of a service, whatever its BMC does: things that clients
//! stumble over while they look for a machine.

use serde::Deserialize;

/// What is odd about a service's tree; nothing is unless said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one oddity, independent of the others")]
pub struct Oddities {
    /// Every collection begins with a member that is `null`.
    pub null_members: bool,
    /// Numbers are text, and lists of one word are that word.
    pub mistyped: bool,
    /// Id of a system that comes first and can be neither booted nor reset.
    pub other_system: Option<String>,
    /// That system is a machine of its own behind the same BMC, whose serial is its id.
    pub other_boots: bool,
    /// Id of a manager that comes first and has no virtual media.
    pub other_manager: Option<String>,
    /// The service root does not lead to systems and managers.
    pub no_root_links: bool,
    /// The system does not name its manager.
    pub no_manager_link: bool,
}
