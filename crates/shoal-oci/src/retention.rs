//! Retention: which tags of a repository are kept, as rules by name.

use crate::name::Pattern;

/// One rule. The first that matches a repository counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The repositories it is about.
    pub repositories: Pattern,
    /// What is kept of them.
    pub keep: Keep,
}

/// What is kept of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Every tag.
    All,
    /// This many tags, those that were pushed last.
    Last(u32),
}
