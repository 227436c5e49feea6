//! One surface on a scratch store, requests to it, and jobs driven into any phase.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use axum::{Router, body::Body, extract::Request};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use serde_json::{Value, json};
use shoal_api::{
    Api, Auth, Check, Clock, Health, JobRequest, Limits, LoginLimits, Planned, Planner, Rate, User,
    Warning, router,
};
use shoal_core::{
    Command, Event, JobId, MediaPlan, Milestone, Next, OnFailure, Plan, Power, Seen, Sight, Time,
    Verdict,
};
use shoal_media::{
    Catalog, Content, Digest, Key, KeyId, Keyring, Kind, LedgerDown, MediaServer, Medium,
    Milestones, ObjectId, OpenError, Opened, ReadSpan, SystemClock,
};
use shoal_recipe::{Code, Problem};
use shoal_store::{
    Credentials, KeyPurpose, Lease, Record, Role, Secret, Server, ServerRecord, Store, TlsPolicy,
    token,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) const SERIAL: &str = "SRV-1";
pub(crate) const FLEET: &str = "the-fleet-secret-of-old";
/// `crypt` of libxcrypt made this of `secret`.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
const START: u64 = 1_767_225_600_000;

pub(crate) struct App {
    pub(crate) store: Store,
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
}

impl Default for Setup {
    fn default() -> Self {
        Self { fleet_secret: true, limits: Limits::default(), login_burst: 1000 }
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
        let auth = auth(&store, setup.login_burst);
        let stop = CancellationToken::new();
        let ticking = Arc::clone(&clock);
        let clock_of_api: Clock =
            Arc::new(move || Time::from_millis(ticking.load(Ordering::SeqCst)));
        let api = Api {
            store: store.clone(),
            planner: Arc::new(TestPlanner),
            auth: auth.clone(),
            fleet_secret: setup.fleet_secret,
            health: Health::new(|| vec![Check { name: "database", failing: None }]),
            clock: clock_of_api,
            stop: stop.clone(),
            limits: setup.limits,
        };
        let router = router(api, media());
        let app =
            Self { store, router, stop, auth, clock, lease, tokens: tokens.try_into().unwrap() };
        app.add_server(SERIAL, None).await;
        app
    }

    pub(crate) async fn add_server(&self, serial: &str, quarantine: Option<&str>) {
        let tls = TlsPolicy::Pin { sha256: "ab".repeat(32) };
        let mut server = Server::new(serial.parse().unwrap(), "https://192.0.2.7", tls);
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
        Call {
            app: self,
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
        }
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
                self.store.claim(&self.lease, self.now()).await.unwrap().unwrap();
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

pub(crate) fn auth(store: &Store, burst: u32) -> Auth {
    let user =
        |name: &str, role| User { name: name.to_owned(), password: BCRYPT.parse().unwrap(), role };
    let users = vec![user("reader", Role::Reader), user("operator", Role::Operator)];
    let burst = NonZeroU32::new(burst).unwrap();
    let attempts = Rate { burst, every: Duration::from_hours(24) };
    Auth::new(users, store.clone(), LoginLimits { attempts, checks: 2 })
}

pub(crate) struct Call<'a> {
    app: &'a App,
    request: http::request::Builder,
    body: Body,
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let pair = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
        self.header("authorization", &format!("Basic {pair}"))
    }

    pub(crate) fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request = self.request.extension(value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn open(self) -> Response<Body> {
        let request = self.request.body(self.body).unwrap();
        self.app.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(self) -> Answer {
        Answer::of(self.open().await).await
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and code, for tables.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let code = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), code)
    }

    /// Status and what an arrived report did.
    pub(crate) fn effect(&self) -> (u16, String) {
        let effect = self.json()["result"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), effect)
    }

    /// Path and code of every detail.
    pub(crate) fn details(&self) -> Vec<String> {
        let json = self.json();
        let details = json["details"].as_array().cloned().unwrap_or_default();
        let text = |detail: &Value, name: &str| detail[name].as_str().unwrap().to_owned();
        details.iter().map(|d| format!("{} {}", text(d, "path"), text(d, "code"))).collect()
    }

    /// The body with what differs from run to run replaced.
    pub(crate) fn stable(&self) -> Value {
        stable(self.json())
    }
}

fn stable(value: Value) -> Value {
    match value {
        Value::String(text) if text.parse::<JobId>().is_ok() => json!("<uuid>"),
        Value::Array(entries) => entries.into_iter().map(stable).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| match name.as_str() {
                "trace_id" | "version" => (name, json!("<varies>")),
                _ => (name, stable(value)),
            })
            .collect(),
        other => other,
    }
}

/// Resolves like the product does by default; two labels make it refuse or break.
struct TestPlanner;

impl Planner for TestPlanner {
    fn plan(&self, request: &JobRequest, _: &ServerRecord) -> Result<Planned, Vec<Problem>> {
        assert!(!request.labels.contains_key("panic"), "a planner that breaks");
        if request.labels.contains_key("refuse") {
            let message = "no boot medium offers this target".to_owned();
            let path = "/recipe/task_target".to_owned();
            return Err(vec![Problem { path, code: Code::UnsupportedValue, message }]);
        }
        let recipe = &request.recipe.recipe;
        let mut plan = Plan::for_workflow(recipe.workflow(), recipe.task_target.as_str());
        plan.on_failure = request.on_failure;
        plan.boot_evidence = request.maintenance_iso_url.is_none();
        Ok(Planned {
            plan,
            boot_url: request.maintenance_iso_url.as_ref().map(|url| url.as_str().to_owned()),
            warnings: request.recipe.lints.iter().map(Warning::from).collect(),
        })
    }
}

struct OneMedium;

impl Catalog for OneMedium {
    async fn open(&self, _: ObjectId, _: Kind) -> Result<Opened, OpenError> {
        let medium = Medium::new(Content::memory("task".into()), Digest::of(b"task"), vec![]);
        Ok(Opened { medium: medium.unwrap(), already: Milestones::default() })
    }

    async fn commit_milestone(
        &self,
        _: ObjectId,
        _: shoal_media::Milestone,
    ) -> Result<(), LedgerDown> {
        Ok(())
    }

    fn observe(&self, _: ObjectId, _: ReadSpan) {}
}

pub(crate) fn media() -> Arc<MediaServer<impl Catalog>> {
    let key = Key::new(KeyId::new(1).unwrap(), vec![7; 32]).unwrap();
    let keyring = Keyring::new(key, vec![]).unwrap();
    Arc::new(MediaServer::new(Arc::new(OneMedium), keyring, SystemClock::default()))
}

pub(crate) fn media_path() -> String {
    let key = Key::new(KeyId::new(1).unwrap(), vec![7; 32]).unwrap();
    let grant = shoal_media::Grant {
        object: ObjectId([1; 16]),
        kind: Kind::Task,
        form: shoal_media::Form::Iso,
        expires_at: u32::MAX,
    };
    Keyring::new(key, vec![]).unwrap().sign(&grant).as_str().to_owned()
}

fn media_plan() -> MediaPlan {
    let plan = json!({
        "class": "two_cd", "boot_slot": "CD1", "task_slot": "CD2",
        "prefetches": false, "settle_ms": 10_000
    });
    serde_json::from_value(plan).unwrap()
}

/// A request for a Linux install.
pub(crate) fn linux() -> Value {
    json!({
        "server_serial": SERIAL,
        "recipe": {
            "task_target": "install-linux.target",
            "target_disk": "/dev/nvme0n1",
            "oci_url": "registry.example/os-images/debian:13",
            "partition_layout": [
                {"size": "512M", "type_guid": "ef00", "format": "vfat"},
                {"size": "100%", "type_guid": "8304", "format": "ext4", "label": "root"}
            ],
            "user_data": "#cloud-config\npassword: canary-of-user-data\n"
        }
    })
}

/// A request whose workflow is a firmware update.
pub(crate) fn firmware() -> Value {
    json!({
        "server_serial": SERIAL,
        "recipe": {
            "task_target": "supermicro-update.target",
            "firmware_url": "https://files.example/bios.bin",
            "firmware_sha256": "ab".repeat(32)
        },
        "on_failure": OnFailure::Leave
    })
}

/// Metrics of this thread, where every handler of a test runs.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    _recorder: &'static PrometheusRecorder,
    _guard: metrics::LocalRecorderGuard<'static>,
}

impl Metrics {
    pub(crate) fn record() -> Self {
        let recorder: &'static PrometheusRecorder =
            Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let handle = recorder.handle();
        let guard = metrics::set_default_local_recorder(recorder);
        Self { handle, _recorder: recorder, _guard: guard }
    }

    /// The value of a series, 0 if it does not exist.
    pub(crate) fn value(&self, series: &str) -> u64 {
        let text = self.handle.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}
