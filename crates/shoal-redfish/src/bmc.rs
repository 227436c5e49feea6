//! The handle an embedding program holds: one BMC, one session, one keep-alive connection pool.
//! It is cheap to clone; all clones share the session, the counters and the single writer's turn.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    certificate::Certificate,
    endpoint::{Endpoint, Options},
    error::Error,
    kind::Kind,
    learned::Learned,
    places::Places,
    plan::Plan,
    profile::SessionRules,
    profiles::Traits,
    recent::Recent,
    service,
    session::{FAILURES_ALLOWED, Session, log_out},
    transcript::{Counts, Exchange, Op},
    wire::Wire,
};

/// A connection to one BMC.
#[derive(Clone)]
pub struct Bmc {
    pub(crate) inner: Arc<Inner>,
    pub(crate) purpose: Purpose,
    /// When the last request of this handle must have ended.
    pub(crate) until: Option<Instant>,
}

/// Whether a step prepares an installation or cleans up after it; only labels depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Install,
    Cleanup,
}

pub(crate) struct Inner {
    pub(crate) wire: Arc<Wire>,
    pub(crate) session: Session,
    pub(crate) options: Options,
    pub(crate) readers: Semaphore,
    /// One step at a time may change the BMC. The turn is held for the whole step, waits included,
    /// because a step is a look, a change and a look again.
    pub(crate) turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

/// What the connection has found out so far.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) access: Access,
    pub(crate) session_rules: SessionRules,
    pub(crate) system: Option<String>,
    pub(crate) learned: Learned,
    pub(crate) recent: Recent,
    /// Actions are refused without `If-Match`.
    pub(crate) tagged_actions: bool,
    pub(crate) root: serde_json::Value,
    /// Where things are looked for, while a discovery goes by what is known of the kind.
    pub(crate) places: Option<Places>,
}

/// How this BMC is talked to, as its service root says; part of a plan so that a restarted program
/// need not ask again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Collection that takes logins; none means Basic authentication.
    pub(crate) sessions: Option<String>,
    /// Query that expands a collection's members, when the BMC offers one.
    pub(crate) expand: Option<String>,
}

impl Bmc {
    /// Connects and reads the service root (one request, no login yet).
    ///
    /// # Errors
    /// Unreachable, an unacceptable certificate, or something that does not speak Redfish.
    pub async fn connect(endpoint: Endpoint, options: Options) -> Result<Self, Error> {
        let bmc = Self::new(&endpoint, options)?;
        bmc.told(bmc.read_root().await)?;
        Ok(bmc)
    }

    /// Prepares a connection for a plan made earlier, without sending anything.
    pub fn resume(endpoint: &Endpoint, options: Options, plan: &Plan) -> Result<Self, Error> {
        let bmc = Self::new(endpoint, options)?;
        bmc.adopt(plan);
        Ok(bmc)
    }

    fn new(endpoint: &Endpoint, options: Options) -> Result<Self, Error> {
        let wire = Arc::new(Wire::new(endpoint)?);
        let inner = Inner {
            wire,
            session: Session::new(endpoint.credentials().clone(), options.refused_logins),
            readers: Semaphore::new(options.concurrency.max(1)),
            turn: tokio::sync::Mutex::new(()),
            known: Mutex::default(),
            options,
        };
        Ok(Self { inner: Arc::new(inner), purpose: Purpose::Install, until: None })
    }

    /// The same connection, with its steps counted as clean-up.
    #[must_use]
    pub fn for_cleanup(&self) -> Self {
        Self { purpose: Purpose::Cleanup, ..self.clone() }
    }

    /// Ends the session on the BMC. Sessions are few, so call it when a job is done; the connection
    /// can be used again and logs in anew. Without it the last handle logs out when it is dropped,
    /// provided that the runtime goes on.
    ///
    /// # Errors
    /// The logout was not answered; the session then lives until the BMC's own timeout.
    pub async fn close(&self) -> Result<(), Error> {
        let logins = self.inner.session.state.lock().await.take_all();
        self.told(log_out(&self.inner.wire, logins, self.inner.options.request_timeout).await)
    }

    /// Authentication failures in a row, those of earlier connections included; an answer that
    /// needed our identity ends the row. At two nothing is sent any more.
    pub async fn refused_logins(&self) -> u8 {
        self.inner.session.refused().await
    }

    /// Whether so many logins in a row stop all requests.
    pub const fn stops_at(refused_logins: u8) -> bool {
        refused_logins >= FAILURES_ALLOWED
    }

    /// The same connection for somebody who waits for an answer: no request ends later than `limit`
    /// from now, and only what was never received is sent once more. Meant for reads.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { until: Some(Instant::now() + limit), ..self.clone() }
    }

    /// Asks for the service root, which needs no login: proves that the BMC answers, speaks Redfish
    /// and shows an acceptable certificate.
    ///
    /// # Errors
    /// As [`Bmc::connect`].
    pub async fn reach(&self) -> Result<(), Error> {
        self.told(self.read_root().await)
    }

    /// Prepares a connection without sending anything.
    ///
    /// # Errors
    /// The endpoint's TLS policy cannot be used.
    pub fn prepare(endpoint: &Endpoint, options: Options) -> Result<Self, Error> {
        Self::new(endpoint, options)
    }

    /// Lets requests through again after two authentication failures stopped them.
    pub async fn reset_lockout(&self) {
        self.inner.session.reset_lockout().await;
    }

    /// Requests sent so far.
    pub fn requests(&self) -> Counts {
        let connections = self.inner.wire.dials();
        Counts { connections, ..self.inner.wire.transcript().counts() }
    }

    /// The last exchanges, oldest first, without secrets.
    pub fn transcript(&self) -> Vec<Exchange> {
        self.inner.wire.transcript().exchanges()
    }

    /// The certificate of the last handshake, for pinning on first use.
    pub fn certificate(&self) -> Option<Certificate> {
        self.certificates().into_iter().next()
    }

    /// The certificates of the last handshake as the BMC sent them, its own first. Only the first
    /// is judged by a pin; none is there over plain HTTP.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.inner.wire.certificates()
    }

    /// The request forms that worked, for other BMCs of this kind.
    pub fn learned(&self) -> Learned {
        self.known().learned.clone()
    }

    /// Lets a failure that leaves the connection take along what was said.
    pub(crate) fn told<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| error.after(self.inner.wire.transcript()))
    }

    /// Takes over what a plan says about the BMC.
    pub(crate) fn adopt(&self, plan: &Plan) {
        self.inner.wire.set_vendor(plan.vendor);
        let mut known = self.known();
        if known.system.as_deref() != Some(plan.system.as_str()) || known.access != plan.access {
            known.access = plan.access.clone();
            known.session_rules = plan.profile.session.clone();
            known.system = Some(plan.system.clone());
        }
        if known.learned.kind != plan.learned.kind {
            // Others of the kind may have learned more since the plan was made.
            let newer = self.inner.options.learning.of_kind(&plan.learned.kind);
            let newer = newer.filter(|newer| newer.profile == plan.learned.profile);
            // What is known no more, or otherwise, serves this plan and is not brought back.
            known.learned = newer.unwrap_or_else(|| plan.learned.kept_apart());
        }
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn read_root(&self) -> Result<(), Error> {
        let answer = match self.get_as_anyone(Op::Discover, "/redfish/v1/").await {
            // The root should be public, but some services guard it; no login service is known yet.
            Err(error) if *error.kind() == Kind::Auth => {
                self.get(Op::Discover, "/redfish/v1/").await?
            }
            answer => answer?,
        };
        let access = service::access(&answer.body);
        // A login that the root itself needed was Basic; from here on a session is better.
        self.inner.session.state.lock().await.forget_basic();
        self.inner.wire.set_vendor(service::root_vendor(&answer.body));
        // Some logins need more than a name and a password, and only the root can be read before one.
        let by_root = self.inner.options.profiles.select(&Traits::of_root(&answer.body));
        let mut known = self.known();
        known.session_rules = by_root.session;
        known.access = access;
        known.root = answer.body;
        Ok(())
    }
}

impl fmt::Debug for Bmc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bmc")
            .field("purpose", &self.purpose)
            .field("requests", &self.requests().total)
            .finish_non_exhaustive()
    }
}

impl Purpose {
    pub(crate) fn reset(self) -> Op {
        match self {
            Self::Install => Op::Reset,
            Self::Cleanup => Op::CleanupReset,
        }
    }
}
