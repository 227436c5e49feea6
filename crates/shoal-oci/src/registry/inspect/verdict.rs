//! What the rules of retention say of each tag, for who is about to change them: which rule, and why
//! a tag that would go stays for now.

use serde::Serialize;

use super::{Registry, blocking};
use crate::error::Error;
use crate::name::{Repository, Tag};
use crate::retention::{self, Verdict};

/// Tags with what becomes of them, in the order of repositories and tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// One per tag.
    pub tags: Vec<Verdict>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

/// Which tags are asked about.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Only those of this repository.
    pub repository: Option<Repository>,
    /// Only those strictly after this one.
    pub after: Option<(Repository, Tag)>,
    /// At most so many.
    pub most: usize,
}

impl Registry {
    /// What the rules would do to tags now. Removes nothing.
    ///
    /// # Errors
    /// [`Error::RepositoryUnknown`], [`Error::Database`].
    pub async fn verdicts(&self, asked: Asked) -> Result<Verdicts, Error> {
        let registry = self.clone();
        blocking(move || registry.verdicts_now(&asked)).await
    }

    /// The rules of retention in force.
    pub fn retention_rules(&self) -> Vec<retention::Rule> {
        self.settings().policy.retention.clone()
    }

    fn verdicts_now(&self, asked: &Asked) -> Result<Verdicts, Error> {
        let (settings, catalogue) = (self.settings(), &self.inner.catalogue);
        let mut repositories = catalogue.all_repositories()?;
        if let Some(only) = &asked.repository {
            repositories.retain(|(_, repository)| repository == only);
            if repositories.is_empty() {
                return Err(Error::RepositoryUnknown { repository: only.clone() });
            }
        }
        let mut verdicts = Verdicts::default();
        for (row, repository) in repositories {
            let after = match &asked.after {
                Some((passed, _)) if repository < *passed => continue,
                Some((passed, tag)) if repository == *passed => Some(tag),
                _ => None,
            };
            let leases = &self.inner.leases;
            let told = retention::verdicts(
                &settings.policy.retention,
                &repository,
                &catalogue.graph(row)?,
                |digest| leases.is_leased(digest),
            );
            for verdict in told.into_iter().filter(|it| after.is_none_or(|tag| it.tag > *tag)) {
                if verdicts.tags.len() >= asked.most {
                    verdicts.more = true;
                    return Ok(verdicts);
                }
                verdicts.tags.push(verdict);
            }
        }
        Ok(verdicts)
    }
}
