//! One BMC: its state, who may change it, and what each request does. The HTTP around it and the
//! host behind it live in their own modules.

mod absence;
mod accounts;
mod import;
mod power;
mod reads;
mod remote_media;
mod slots;

pub(crate) use import::imported;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, Config, Faults, HostConfig, HostScript, Journal, Persona,
    account::Accounts,
    board::{Board, Work},
    door::Presence,
    host,
    journal::Effect,
    reply::Reply,
    session::Sessions,
    target::Target,
    timeline::{Event, Timeline},
    tls::{self, Identity, TlsError},
};

/// A request as it came in.
pub(crate) struct Ask {
    pub(crate) connection: u64,
    /// When it had arrived.
    pub(crate) at: Duration,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// Whether an insertion is only pretended.
    pub(crate) pretends: bool,
}

/// What a request brought along.
pub(crate) enum Body {
    Empty,
    Json(Value),
    Other,
}

impl Ask {
    pub(crate) fn json(&self) -> Option<&Value> {
        match &self.body {
            Body::Json(value) => Some(value),
            Body::Empty | Body::Other => None,
        }
    }

    fn object(&self) -> Result<&Map<String, Value>, Reply> {
        self.json().and_then(Value::as_object).ok_or_else(Reply::malformed)
    }
}

/// What a BMC says and shows of itself; another BMC at the same address says something else.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) serial: String,
    pub(crate) uuid: String,
    pub(crate) identity: Identity,
}

pub(crate) struct Bmc {
    pub(crate) persona: Persona,
    /// What the host itself knows to be its serial and UUID.
    pub(crate) serial: String,
    pub(crate) uuid: String,
    shown: Mutex<Shown>,
    accounts: Mutex<Accounts>,
    pub(crate) clock: Clock,
    media: reqwest::Client,
    media_patience: Duration,
    pub(crate) host: HostConfig,
    script: Mutex<HostScript>,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    pub(crate) timeline: Timeline,
    sessions: Mutex<Sessions>,
    board: Mutex<Board>,
    works: Mutex<Vec<Work>>,
    /// Whether it answers the network.
    pub(crate) presence: watch::Sender<Presence>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Bmc {
    pub(crate) fn new(config: Config) -> Result<Self, TlsError> {
        let identity = Identity::new(&format!("{}-{}", config.persona.name, config.serial))?;
        let shown = Shown { serial: config.serial.clone(), uuid: config.uuid.clone(), identity };
        let mode = config.persona.boot.modes.first().cloned();
        let board = Board::new(config.persona.slots.len(), mode, config.host.installed);
        Ok(Self {
            media: tls::media_client(config.media_ca.as_deref())?,
            media_patience: config.media_patience,
            script: Mutex::new(config.host.script.clone()),
            persona: config.persona,
            serial: config.serial,
            uuid: config.uuid,
            shown: Mutex::new(shown),
            accounts: Mutex::new(Accounts::new(config.user, config.password)),
            clock: config.clock,
            host: config.host,
            journal: Journal::default(),
            faults: Faults::default(),
            timeline: Timeline::new(),
            sessions: Mutex::new(Sessions::default()),
            board: Mutex::new(board),
            works: Mutex::default(),
            presence: watch::Sender::new(Presence::default()),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn works(&self) -> MutexGuard<'_, Vec<Work>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn script(&self) -> HostScript {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_script(&self, script: HostScript) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    /// Does what a request asks, unless it may not.
    pub(crate) async fn perform(self: &Arc<Self>, ask: &Ask, seq: u64) -> Reply {
        let done = self.attempt(ask, seq).await.unwrap_or_else(|refusal| refusal);
        done.told_as(&self.persona.errors)
    }

    async fn attempt(self: &Arc<Self>, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        if ask.headers.get("odata-version").is_some_and(|version| version != "4.0") {
            return Err(Reply::precondition(StatusCode::PRECONDITION_FAILED));
        }
        let target = Target::find(&self.persona, &ask.path);
        let public = target.is_some_and(|target| target.is_public(ask.method.as_str()));
        let caller = if public { None } else { Some(self.caller(&ask.headers)?) };
        let target = target.ok_or_else(Reply::not_found)?;
        let allow = target.allow(&self.persona);
        if !allow.split(", ").any(|method| method == ask.method.as_str()) {
            return Err(Reply::not_allowed(allow));
        }
        if let Some(caller) = caller {
            self.check_privilege(caller, target, &ask.method)?;
        }
        self.check_action(ask)?;
        match (target, ask.method.as_str()) {
            (_, "GET" | "HEAD") => self.read(target, ask),
            (Target::Sessions, _) => self.login(ask, seq),
            (Target::Session(id), _) => self.logout(id, seq),
            (Target::Accounts, _) => self.create_account(ask, seq),
            (Target::Account(id), "PATCH") => self.patch_account(id, caller, ask, seq),
            (Target::Account(id), _) => self.delete_account(id, seq),
            (Target::Reset, _) => self.reset(ask, seq),
            (Target::System | Target::Settings, _) => self.patch_boot(target, ask, seq),
            (Target::Import, _) => self.import(ask, seq),
            (Target::EnableMedia, _) => self.enable_media(ask, seq),
            (Target::Insert(_, slot), _) => self.insert_by_action(slot, ask, seq).await,
            (Target::Eject(_, slot), _) => self.eject_by_action(slot, ask, seq),
            (Target::Slot(_, slot), _) => self.patch_slot(target, slot, ask, seq).await,
            _ => Err(Reply::not_allowed(allow)),
        }
    }

    /// Whether an action may be asked for with these headers.
    fn check_action(&self, ask: &Ask) -> Result<(), Reply> {
        let refused = self.persona.etags.refused_on_actions && ask.method == Method::POST;
        if refused && ask.headers.contains_key(header::IF_MATCH) {
            return Err(Reply::precondition(StatusCode::PRECONDITION_FAILED));
        }
        Ok(())
    }

    fn login(&self, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        let body = ask.object()?;
        let text =
            |name: &str| body.get(name).and_then(Value::as_str).ok_or_else(|| Reply::missing(name));
        let document = ask.json().unwrap_or(&Value::Null);
        let needs = self.persona.sessions.login_needs.iter();
        if let Some(lacking) = needs.into_iter().find(|it| document.pointer(it).is_none()) {
            return Err(Reply::missing(lacking.rsplit('/').next().unwrap_or_default()));
        }
        let account = self.account_of(text("UserName")?, text("Password")?);
        let account = account.ok_or_else(Reply::unauthorized)?;
        let opened = self.sessions().open(account, &self.persona.sessions, self.clock.now());
        let (id, token) =
            opened.ok_or_else(|| Reply::refused(&self.persona.refusals.session_limit))?;
        self.journal.changed(seq, Effect::Login);
        let target = Target::Session(id);
        let document = self.document(target).ok_or_else(Reply::not_found)?;
        Ok(Reply::json(StatusCode::CREATED, &document)
            .with(header::LOCATION, target.path(&self.persona))
            .with(header::HeaderName::from_static("x-auth-token"), token.expose()))
    }

    fn logout(&self, id: u64, seq: u64) -> Result<Reply, Reply> {
        if !self.sessions().close(id) {
            return Err(Reply::not_found());
        }
        self.journal.changed(seq, Effect::Logout);
        Ok(Reply::accepted(&self.persona.success))
    }

    /// Gives the host power and starts its run. The caller holds the board.
    pub(crate) fn start_host(self: &Arc<Self>, board: &mut Board, at: Duration) {
        let (number, cut) = board.switch_on(at, &self.stop);
        self.timeline.push(at, Event::PoweredOn);
        let bmc = Arc::clone(self);
        self.tasks.spawn(async move {
            cut.run_until_cancelled(host::run(bmc, number, at)).await;
        });
    }
}
