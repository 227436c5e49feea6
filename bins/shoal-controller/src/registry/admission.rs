//! Who is let into the registry: the users of its file, and the machines of jobs by the pull tokens on
//! their task media. The settings in force are asked each time, so that a reload needs no word to us.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use http::HeaderValue;
use shoal_api::Auth;
use shoal_oci::auth::{Access, Authenticating, Claim, Htpasswd, Principal, Refused, Rights};
use tokio::sync::Mutex;

use super::Pulls;
use crate::settings::{InForce, RegistryAccess};

/// Turns of those whose password is to be checked; two logins rarely share one.
const TURNS: usize = 64;

/// The registry's door.
pub(crate) struct Admission {
    in_force: InForce,
    /// Whose limit on attempts holds here too.
    logins: Auth,
    pulls: Pulls,
    /// Clients send several requests at once. All but the first are to find its login remembered,
    /// and not to be counted as attempts.
    turns: [Mutex<()>; TURNS],
    hasher: RandomState,
}

impl Admission {
    /// Users as the settings in force have them, attempts as the API counts them, jobs by `pulls`.
    pub(crate) fn new(in_force: InForce, logins: Auth, pulls: Pulls) -> Self {
        let turns = std::array::from_fn(|_| Mutex::default());
        Self { in_force, logins, pulls, turns, hasher: RandomState::new() }
    }

    async fn admit(&self, claim: Claim<'_>) -> Result<Principal, Refused> {
        let users = match &self.in_force.now().registry.access {
            RegistryAccess::Everybody => return Ok(Principal::new("anonymous", Rights::All)),
            RegistryAccess::Users(users) => users.clone(),
        };
        let header = claim.header.ok_or(Refused::Unauthenticated)?;
        if let Some(known) = remembered(users.as_ref(), header) {
            return Ok(known);
        }
        if let Some(job) = self.pulls.recognise(header).await? {
            return Ok(job);
        }
        let turn = self.turn(header).lock().await;
        if let Some(known) = remembered(users.as_ref(), header) {
            return Ok(known);
        }
        // The attempt is paid for before it is made: guessing must not cost us processor time.
        let from = claim.from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.logins.attempt(from).map_err(|wait| Refused::TooMany { wait })?;
        let users = users.ok_or(Refused::Unauthenticated)?;
        let checked = users.authenticate(claim).await;
        drop(turn);
        checked
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder is below what it was divided by")]
    fn turn(&self, header: &HeaderValue) -> &Mutex<()> {
        let hash = self.hasher.hash_one(header.as_bytes());
        &self.turns[usize::try_from(hash).unwrap_or(0) % TURNS]
    }
}

impl Access for Admission {
    fn authenticate<'a>(&'a self, claim: Claim<'a>) -> Authenticating<'a> {
        Box::pin(self.admit(claim))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

fn remembered(users: Option<&Arc<Htpasswd>>, header: &HeaderValue) -> Option<Principal> {
    users?.remembered(header)
}
