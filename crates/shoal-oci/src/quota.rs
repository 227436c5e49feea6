//! Quotas: how much a repository may hold, as rules by name.

use crate::name::Pattern;

/// One rule. The first that matches a repository counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The repositories it is about, each for itself.
    pub repositories: Pattern,
    /// Bytes of blobs and manifests that one of them may refer to.
    pub bytes: u64,
}
