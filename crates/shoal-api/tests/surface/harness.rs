//! One surface on a scratch store, requests to it, and jobs driven into any phase.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use axum::Router;
use http::{Method, StatusCode};
use serde_json::Value;
use shoal_api::{
    Api, Auth, AuthMode, Check, Clock, Health, Limits, LoginLimits, Rate, Registrar, User,
    WebhookCertificates, router,
};
use shoal_core::{Command, Event, JobId, Milestone, Next, Power, Seen, Sight, Time, Verdict};
use shoal_engine::Gate;
use shoal_store::{
    Credentials, KeyPurpose, Lease, Limits as QueueLimits, Record, Role, Secret, Server, Store,
    TlsPolicy, token,
};
use tokio_util::sync::CancellationToken;

use crate::{
    call::Call,
    prober::TestProber,
    registrar::TestRegistrar,
    sample::{TestInstallation, TestPlanner, media, media_plan},
};

pub(crate) const SERIAL: &str = "SRV-1";
pub(crate) const FLEET: &str = "the-fleet-secret-of-old";
/// `crypt` of libxcrypt made this of `secret`.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
const START: u64 = 1_767_225_600_000;

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) planner: TestPlanner,
    pub(crate) router: Router,
    pub(crate) stop: CancellationToken,
    pub(crate) auth: Auth,
    clock: Arc<AtomicU64>,
    lease: Lease,
    tokens: [String; 3],
}

/// What differs from one test's surface to another's.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) fleet_secret: bool,
    pub(crate) limits: Limits,
    pub(crate) login_burst: u32,
    pub(crate) mode: AuthMode,
    pub(crate) certificates: WebhookCertificates,
    pub(crate) registry: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            fleet_secret: true,
            limits: Limits::default(),
            login_burst: 1000,
            mode: AuthMode::Any,
            certificates: WebhookCertificates::Off,
            registry: true,
        }
    }
}

impl App {
    /// A surface with one server and a login of each role.
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let store = Store::scratch().unwrap();
        let clock = Arc::new(AtomicU64::new(START));
        let now = Time::from_millis(START);
        let lease = store.adopt("test", now).await.unwrap().lease;
        let mut tokens = Vec::new();
        for (name, role) in
            [("rita", Role::Reader), ("olga", Role::Operator), ("anna", Role::Admin)]
        {
            let token = store.add_api_token(name, role, now).await.unwrap();
            tokens.push(token.text.expose().clone());
        }
        let fleet = Secret::new(FLEET.to_owned());
        let accept_for = Duration::from_hours(1);
        store.import_key(KeyPurpose::FleetWebhook, &fleet, now, accept_for).await.unwrap();
        let auth = auth(setup.mode, &store, setup.login_burst);
        let stop = CancellationToken::new();
        let gate = Gate::default();
        let planner = TestPlanner::default();
        let ticking = Arc::clone(&clock);
        let clock_of_api: Clock =
            Arc::new(move || Time::from_millis(ticking.load(Ordering::SeqCst)));
        let api = Api {
            store: store.clone(),
            gate: gate.clone(),
            planner: Arc::new(planner.clone()),
            prober: Arc::new(TestProber),
            registrar: setup
                .registry
                .then(|| Arc::new(TestRegistrar::default()) as Arc<dyn Registrar>),
            auth: auth.clone(),
            webhook_certificates: setup.certificates,
            installation: Arc::new(TestInstallation { fleet_secret: setup.fleet_secret }),
            health: Health::new(|| vec![Check { name: "database", failing: None }]),
            clock: clock_of_api,
            stop: stop.clone(),
            limits: setup.limits,
        };
        let router = router(api, media());
        let app = Self {
            store,
            gate,
            planner,
            router,
            stop,
            auth,
            clock,
            lease,
            tokens: tokens.try_into().unwrap(),
        };
        app.add_server(SERIAL, None).await;
        app
    }

    pub(crate) async fn add_server(&self, serial: &str, quarantine: Option<&str>) {
        let tls = TlsPolicy::Pin { sha256: "ab".repeat(32) };
        let address = format!("https://{}.example", serial.to_lowercase());
        let mut server = Server::new(serial.parse().unwrap(), address, tls);
        server.quarantine = quarantine.map(ToOwned::to_owned);
        let credentials =
            Credentials { user: "root".to_owned(), password: Secret::new("calvin".to_owned()) };
        self.store.put_server(server, Some(credentials), "test", self.now()).await.unwrap();
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_millis(self.clock.load(Ordering::SeqCst))
    }

    pub(crate) fn set_now(&self, now: Time) {
        self.clock.store(now.as_millis(), Ordering::SeqCst);
    }

    /// A request with the operator's login.
    pub(crate) fn request(&self, method: Method, path: &str) -> Call<'_> {
        self.anonymous(method, path).bearer(&self.tokens[1])
    }

    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Call<'_> {
        self.request(Method::POST, path).json(body)
    }

    /// A request with the login of a role.
    pub(crate) fn role(&self, role: Role, method: Method, path: &str) -> Call<'_> {
        let at = [Role::Reader, Role::Operator, Role::Admin].iter().position(|r| *r == role);
        self.anonymous(method, path).bearer(&self.tokens[at.unwrap()])
    }

    pub(crate) fn anonymous(&self, method: Method, path: &str) -> Call<'_> {
        Call::new(&self.router, method, path)
    }

    /// A report with this secret.
    pub(crate) fn report(&self, serial: &str, secret: &str, body: &Value) -> Call<'_> {
        self.anonymous(Method::POST, &format!("/api/v1/status-webhook/{serial}"))
            .header("x-webhook-secret", secret)
            .json(body)
    }

    pub(crate) async fn token(&self, job: JobId, attempt: u32) -> String {
        let keys = self.store.keys(KeyPurpose::WebhookToken).await.unwrap();
        token::mint(&keys.current, KeyPurpose::WebhookToken, job, attempt).expose().clone()
    }

    /// A job of the given recipe, as created over HTTP.
    pub(crate) async fn created(&self, body: &Value) -> JobId {
        let answer = self.post("/api/v1/jobs", body).send().await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json()["job_id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn job(&self, id: JobId) -> Record {
        self.store.job(id).await.unwrap().unwrap()
    }

    pub(crate) async fn record(&self, id: JobId, event: Event) -> Record {
        let recorded = self.store.record(id, event, self.now(), Some(self.lease.clone())).await;
        recorded.unwrap().record
    }

    pub(crate) async fn read(&self, id: JobId, milestone: Milestone) {
        let attempt = self.job(id).await.job.attempt();
        self.record(id, Event::MediaRead { attempt, milestone }).await;
    }

    /// Performs what the job asks for, with a BMC that always does it, until it is in `phase`.
    pub(crate) async fn drive(&self, id: JobId, phase: &str) -> Record {
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let record = self.job(id).await;
            let job = &record.job;
            seen.insert(job.phase().name());
            if job.phase().name() == phase {
                return record;
            }
            if job.phase().name() == "queued" {
                self.store
                    .claim(&self.lease, &QueueLimits::default(), self.now())
                    .await
                    .unwrap()
                    .unwrap();
                continue;
            }
            match job.next(self.now()) {
                Next::Do(command) => self.perform(&record, command).await,
                Next::Record(event) => drop(self.record(id, event).await),
                Next::Wait { until, waiting_for } => {
                    self.set_now(until.unwrap_or_else(|| panic!("waits for {waiting_for}")));
                }
                Next::Done => break,
            }
        }
        panic!("never in {phase}, but in {seen:?}")
    }

    /// What the job does at a BMC that always does it, until it waits for a machine or a person, or
    /// is complete.
    pub(crate) async fn does(&self, id: JobId) -> Vec<&'static str> {
        let mut done = Vec::new();
        for _ in 0..40 {
            let record = self.job(id).await;
            let waits = record.job.phase().name().starts_with("await");
            match record.job.next(self.now()) {
                Next::Do(Command::Look) | Next::Wait { .. } if waits => break,
                Next::Do(command) => {
                    self.perform(&record, command).await;
                    done.extend((command != Command::BuildMedium).then(|| command.name()));
                }
                Next::Record(event) => drop(self.record(id, event).await),
                Next::Wait { .. } if record.job.phase().name() == "queued" => {
                    let claimed =
                        self.store.claim(&self.lease, &QueueLimits::default(), self.now()).await;
                    assert_eq!(claimed.unwrap().unwrap().job.id(), id);
                }
                Next::Wait { until: Some(until), .. } => self.set_now(until),
                Next::Wait { until: None, .. } | Next::Done => break,
            }
        }
        done
    }

    async fn perform(&self, record: &Record, command: Command) {
        let id = record.job.id();
        let mut seq = record.job.seq();
        if command.is_fenced() {
            seq = self.record(id, Event::Intended { seq }).await.job.seq();
        }
        let seen = match command {
            Command::ReadBmc => Seen::Bmc { media: media_plan() },
            Command::BuildMedium => Seen::Medium { bytes: 4_194_304, sha256: "5a".repeat(32) },
            Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
            _ => Seen::Nothing,
        };
        let verdict = Verdict::Done { seen };
        self.record(id, Event::Answered { seq, command, verdict }).await;
    }

    /// The job, booted and waiting for its report.
    pub(crate) async fn booted(&self, id: JobId) {
        self.drive(id, "await_boot").await;
        self.read(id, Milestone::BootImageRead).await;
        self.drive(id, "await_report").await;
    }
}

pub(crate) fn auth(mode: AuthMode, store: &Store, burst: u32) -> Auth {
    let user =
        |name: &str, role| User { name: name.to_owned(), password: BCRYPT.parse().unwrap(), role };
    let users = vec![user("reader", Role::Reader), user("operator", Role::Operator)];
    let burst = NonZeroU32::new(burst).unwrap();
    let attempts = Rate { burst, every: Duration::from_hours(24) };
    Auth::new(mode, users, store.clone(), LoginLimits { attempts, checks: 2 })
}
