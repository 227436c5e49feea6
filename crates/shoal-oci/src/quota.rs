//! Quotas: how much a repository may hold, as rules by name. Content is refused before it is taken;
//! the transaction that makes a repository know it has the last word, since others push meanwhile.

use crate::error::Error;
use crate::name::{Pattern, Repository};

/// One rule. The first that matches a repository counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The repositories it is about, each for itself.
    pub repositories: Pattern,
    /// Bytes of blobs and manifests that one of them may refer to.
    pub bytes: u64,
}

/// What the rules allow a repository; none when no rule is about it.
pub(crate) fn limit_of(rules: &[Rule], repository: &Repository) -> Option<u64> {
    rules.iter().find(|rule| rule.repositories.matches(repository)).map(|rule| rule.bytes)
}

/// Whether a repository may hold `bytes`.
///
/// # Errors
/// [`Error::QuotaExceeded`].
pub(crate) fn admit(repository: &Repository, quota: Option<u64>, bytes: u64) -> Result<(), Error> {
    match quota {
        Some(quota) if bytes > quota => {
            Err(Error::QuotaExceeded { repository: repository.clone(), quota })
        }
        _ => Ok(()),
    }
}
