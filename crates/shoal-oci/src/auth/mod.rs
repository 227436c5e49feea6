//! Who asks, and what they may do. Where credentials come from is behind one trait, so that the
//! controller can answer for the pull tokens of its jobs; what a principal may do is data.

mod htpasswd;
mod password;

use std::fmt::Debug;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;

use crate::name::{Reference, Repository};

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
    /// Read these artifacts with what they need, and nothing else, as a job reads its own.
    Artifacts(Arc<[Artifact]>),
}

/// A manifest somebody may read, with its config and layers, and with the manifests it lists,
/// however deep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its repository.
    pub repository: Repository,
    /// The tag or digest it goes by.
    pub reference: Reference,
}

/// What of a repository somebody may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readable {
    /// All of it, lists included.
    All,
    /// These artifacts; none at all where there are none.
    Only(Vec<Reference>),
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

    /// Whether they may do this there, with anything that is there.
    pub(crate) fn may(&self, action: Action, repository: &Repository) -> bool {
        match &self.rights {
            Rights::All => true,
            Rights::PullAll | Rights::Artifacts(_) if action != Action::Pull => false,
            Rights::PullAll | Rights::Artifacts(_) => self.readable(repository) == Readable::All,
        }
    }

    /// What they may read there.
    pub(crate) fn readable(&self, repository: &Repository) -> Readable {
        match &self.rights {
            Rights::All | Rights::PullAll => Readable::All,
            Rights::Artifacts(artifacts) => {
                let here = artifacts.iter().filter(|artifact| artifact.repository == *repository);
                Readable::Only(here.map(|artifact| artifact.reference.clone()).collect())
            }
        }
    }

    /// Whether they may ask which repositories there are.
    pub fn may_list(&self) -> bool {
        match self.rights {
            Rights::All | Rights::PullAll => true,
            Rights::Artifacts(_) => false,
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are no credentials, or wrong ones.
    #[error("recognise the credentials")]
    Unauthenticated,
    /// Too many were wrong before from there; whether these are right was not looked at.
    #[error("recognise more credentials from there")]
    TooMany {
        /// How long to wait before the next attempt.
        wait: Duration,
    },
    /// Nobody can say at the moment.
    #[error("check the credentials")]
    Unavailable,
}

/// What a request says about who sent it.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Its `Authorization` header; marked sensitive, so that it prints as nothing.
    pub header: Option<&'a HeaderValue>,
    /// The address it came from, where the listener tells.
    pub from: Option<IpAddr>,
}

/// The answer to who somebody is.
pub type Authenticating<'a> = Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send + 'a>>;

/// Who knows principals by their credentials.
pub trait Access: Debug + Send + Sync + 'static {
    /// Who makes this claim. Must not log it.
    fn authenticate<'a>(&'a self, claim: Claim<'a>) -> Authenticating<'a>;
}

/// Everybody may do everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

impl Access for Open {
    fn authenticate<'a>(&'a self, _: Claim<'a>) -> Authenticating<'a> {
        Box::pin(async { Ok(Principal::new("anonymous", Rights::All)) })
    }
}
