//! The surface as a whole: what it is made from, which path goes where, and which layers a request
//! passes on its way.

use std::{fmt, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use shoal_core::{JobId, Time};
use shoal_engine::Gate;
use shoal_media::{Catalog, MediaServer};
use shoal_store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Installation},
    audit,
    auth::{self, Auth},
    error::{Code, Error},
    event,
    health::{self, Health},
    job, media, observe,
    openapi::{self, Routes},
    planner::Planner,
    prober::Prober,
    registrar::Registrar,
    registry, server,
    throttle::{Rate, Throttle},
    webhook,
};

/// Where the API learns what time it is.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What the surface is made from.
#[derive(Clone)]
pub struct Api {
    /// Jobs, servers and the audit log.
    pub store: Store,
    /// What lets jobs out of the queue; the runner's own.
    pub gate: Gate,
    /// What requests amount to.
    pub planner: Arc<dyn Planner>,
    /// Who looks at BMCs.
    pub prober: Arc<dyn Prober>,
    /// Who keeps the registry; none where there is none.
    pub registrar: Option<Arc<dyn Registrar>>,
    /// Who may call.
    pub auth: Auth,
    /// What machines must show to report.
    pub webhook_certificates: WebhookCertificates,
    /// What only the process around us can do.
    pub installation: Arc<dyn Installation>,
    /// What `/readyz` asks.
    pub health: Health,
    /// Wall time.
    pub clock: Clock,
    /// Cancelled when the process is about to end: event streams end then.
    pub stop: CancellationToken,
    /// Bounds on what callers can make us do.
    pub limits: Limits,
}

/// Bounds on what callers can make us do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Reports of one job, and refused reports of one address.
    pub reports: Rate,
    /// Event streams open at once.
    pub streams: usize,
    /// How long a body may take to arrive.
    pub body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let burst = NonZeroU32::new(60).unwrap_or(NonZeroU32::MIN);
        Self {
            reports: Rate { burst, every: Duration::from_secs(1) },
            streams: 256,
            body: Duration::from_secs(30),
        }
    }
}

/// The caller's address, put into a request's extensions by the listener, which knows about trusted
/// proxies. Without it all callers share their rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// When the first byte of a request's header arrived, put into its extensions by the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived(pub std::time::Instant);

/// What the client of a connection has shown, put into a request's extensions by the listener.
/// Without it: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// No certificate.
    #[default]
    None,
    /// One that no authority of ours has issued, or whose time is over.
    Foreign,
    /// One of ours.
    Trusted,
}

/// Which certificates machines must show when they report (`WEBHOOK_MTLS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookCertificates {
    /// Nobody looks.
    #[default]
    Off,
    /// None, or one of ours.
    Optional,
    /// One of ours.
    Required,
}

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) api: Api,
    pub(crate) reports: Throttle<JobId>,
    pub(crate) strangers: Throttle<IpAddr>,
    pub(crate) streams: Arc<Semaphore>,
}

impl Shared {
    fn new(api: Api) -> Arc<Self> {
        Arc::new(Self {
            reports: Throttle::new(api.limits.reports),
            strangers: Throttle::new(api.limits.reports),
            streams: Arc::new(Semaphore::new(api.limits.streams)),
            api,
        })
    }

    pub(crate) fn now(&self) -> Time {
        (self.api.clock)()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.api.store
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Everything the main listener serves for this crate: `/api/v1`, `/media`, `/livez`, `/readyz`.
pub fn router<C: Catalog>(api: Api, media: Arc<MediaServer<C>>) -> Router {
    let health = api.health.clone();
    let shared = Shared::new(api);
    // Added last runs first: who calls, then the record of what they try, then whether they may.
    let operators = Routes::new()
        .merge(job::routes())
        .merge(event::routes())
        .merge(server::routes())
        .merge(registry::routes())
        .merge(admin::routes())
        .layered(|router| {
            router
                .route_layer(from_fn(auth::permit))
                .route_layer(from_fn_with_state(Arc::clone(&shared), audit::keep))
                .route_layer(from_fn_with_state(Arc::clone(&shared), auth::identify))
        });
    let routes = operators.merge(webhook::routes()).with_state(shared);
    let routes = routes.merge(media::routes(media)).merge(health::public(health));
    let routes = openapi::served(routes);
    observed(routes.into())
}

/// What a plain listener serves: `/media/*` and nothing else.
pub fn media_router<C: Catalog>(media: Arc<MediaServer<C>>) -> Router {
    observed(media::routes(media).into())
}

/// What the admin listener serves without a login: `/livez`, `/readyz` with reasons, `/metrics`.
///
/// `metrics` renders the exposition text; it may block for a moment.
pub fn admin_router(
    health: Health,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Router {
    observed(health::admin(health, metrics))
}

fn observed(routes: Router) -> Router {
    routes
        .fallback(async || Error::new(Code::NoRoute, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Error::new(Code::Method, "this path does not take this method")
        })
        .layer(from_fn(observe::request))
}
