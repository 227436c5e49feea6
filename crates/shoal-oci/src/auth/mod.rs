//! Who asks, and what they may do. Where credentials come from is behind one trait, so that the
//! controller can answer for the pull tokens of its jobs; what a principal may do is data.

mod htpasswd;
mod password;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use ::http::HeaderValue;

use crate::name::Repository;

pub use htpasswd::{BadUsers, Htpasswd};

/// What somebody wants to do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read content, tags and referrers.
    Pull,
    /// Put content in, and what belongs to it.
    Push,
    /// Take content out.
    Delete,
}

/// What a principal may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rights {
    /// Everything the policy allows.
    All,
    /// Read everything.
    PullAll,
    /// Read these repositories and no other, as a job reads its own artifacts.
    Pull(Arc<[Repository]>),
}

/// Somebody whose credentials were right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: Arc<str>,
    rights: Rights,
}

impl Principal {
    /// Somebody by this name, which is shown in logs and in the audit.
    pub fn new(name: impl Into<Arc<str>>, rights: Rights) -> Self {
        Self { name: name.into(), rights }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether they may do this there.
    pub fn may(&self, action: Action, repository: &Repository) -> bool {
        match &self.rights {
            Rights::All => true,
            Rights::PullAll => action == Action::Pull,
            Rights::Pull(repositories) => {
                action == Action::Pull && repositories.contains(repository)
            }
        }
    }

    /// Whether they may ask which repositories there are.
    pub fn may_list(&self) -> bool {
        match self.rights {
            Rights::All | Rights::PullAll => true,
            Rights::Pull(_) => false,
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are no credentials, or wrong ones.
    #[error("recognise the credentials")]
    Unauthenticated,
    /// Nobody can say at the moment.
    #[error("check the credentials")]
    Unavailable,
}

/// The answer to who somebody is.
pub type Authenticating<'a> = Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send + 'a>>;

/// Who knows principals by their credentials.
pub trait Access: Debug + Send + Sync + 'static {
    /// Who sent this `Authorization` header. Must not log it.
    fn authenticate<'a>(&'a self, header: Option<&'a HeaderValue>) -> Authenticating<'a>;
}

/// Everybody may do everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

impl Access for Open {
    fn authenticate<'a>(&'a self, _: Option<&'a HeaderValue>) -> Authenticating<'a> {
        Box::pin(async { Ok(Principal::new("anonymous", Rights::All)) })
    }
}
