//! One connection per BMC, kept while its server record stays the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use shoal_core::{Fault, ServerSerial, Time, Workflow};
use shoal_engine::Clock;
use shoal_redfish::{
    Bmc, Credentials, Discovery, Endpoint, Identity, Learned, Learning, Media, Options, Plan,
    PlanRequest, Scheme as RedfishScheme, Secret, Tls,
};
use shoal_store::{Hardware, Record, Scheme, Server, ServerRecord, Store, TlsPolicy};
use url::Url;

use super::{
    fault::{of_redfish, store_fault},
    turn::Turn,
};
use crate::{addresses::Addresses, boot_medium::BootMedia, settings};

/// How long a BMC's power state may lag behind a change. Longer than any lag we know of.
pub(super) const POWER_LAG: Duration = Duration::from_secs(30);

/// Names of our media, for slots that show no more of them.
const FILES: [&str; 4] = ["boot.iso", "boot.img", "task.iso", "task.img"];

/// Why something at a BMC failed.
pub(crate) enum Reach {
    /// For a reason of ours.
    Fault(Fault),
    /// The BMC was asked, or could not be.
    Bmc(shoal_redfish::Error),
}

impl From<Fault> for Reach {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<shoal_redfish::Error> for Reach {
    fn from(error: shoal_redfish::Error) -> Self {
        Self::Bmc(error)
    }
}

/// All connections to BMCs.
pub(crate) struct Bmcs {
    pub(super) store: Store,
    options: ArcSwap<Options>,
    /// What all connections learn from each other.
    pub(super) learning: Learning,
    insecure_allowed: bool,
    offered: Offered,
    clock: Clock,
    open: Mutex<HashMap<ServerSerial, (Time, Bmc)>>,
    /// Who may talk to which address; see [`super::turn`].
    pub(super) places: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// What a media plan is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// What is to be installed.
    pub(crate) workflow: Workflow,
    /// The boot medium's outside address; none for our own media.
    pub(crate) boot_url: Option<&'a str>,
}

impl<'a> From<&'a Record> for Wanted<'a> {
    fn from(record: &'a Record) -> Self {
        let workflow = record.job.plan().workflow;
        Self { workflow, boot_url: record.boot_url.as_deref() }
    }
}

/// In which ways media can be served.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    /// There is a plain listener for media.
    pub(crate) http: bool,
    /// What jobs boot.
    pub(crate) boot: BootMedia,
    /// Where BMCs find our media.
    pub(crate) addresses: Addresses,
}

impl Bmcs {
    /// No connection is made yet.
    pub(crate) fn new(
        store: Store,
        settings: &settings::Redfish,
        learning: Learning,
        offered: Offered,
        clock: Clock,
    ) -> Self {
        let options = ArcSwap::from_pointee(options(settings, &learning));
        let insecure_allowed = settings.insecure;
        let (open, places) = (Mutex::default(), Mutex::default());
        Self { store, options, learning, insecure_allowed, offered, clock, open, places }
    }

    /// Takes another timing and other profiles for connections made from now on.
    pub(crate) fn configure(&self, settings: &settings::Redfish) {
        self.options.store(Arc::new(options(settings, &self.learning)));
    }

    pub(super) fn options(&self) -> Options {
        Options::clone(&self.options.load())
    }

    /// Wall time.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The timing of connections made from now on.
    pub(super) fn timeout(&self) -> Duration {
        self.options.load().request_timeout
    }

    /// Connects anew and reads all there is to know of the server's machine, which may share its BMC
    /// with others.
    pub(crate) async fn discover(&self, turn: &Turn) -> Result<Discovery, Reach> {
        let refused = match self.kept(&turn.server) {
            Some(bmc) => bmc.refused_logins().await,
            None => 0,
        };
        self.close(turn.serial()).await;
        let bmc = self.prepared(turn, refused).await?;
        Ok(bmc.discover_machine(turn.serial().as_str()).await?)
    }

    /// The connection that is kept, or a new one; nothing is sent.
    pub(super) async fn line(&self, turn: &Turn) -> Result<Bmc, Fault> {
        if let Some(bmc) = self.kept(&turn.server) {
            return Ok(bmc);
        }
        self.close(turn.serial()).await;
        self.prepared(turn, 0).await
    }

    /// A new connection. It is kept before it logs in, so that whatever fails next the session is
    /// given back.
    async fn prepared(&self, turn: &Turn, refused: u8) -> Result<Bmc, Fault> {
        let endpoint = self.endpoint(&turn.server).await?;
        let refused_logins = turn.logins.refused.max(refused);
        let kind = turn.server.hardware.as_ref().and_then(kind);
        let options = Options { refused_logins, kind, ..self.options() };
        let bmc = Bmc::prepare(&endpoint, options).map_err(|error| of_redfish(&error))?;
        self.keep(&turn.server, &bmc);
        Ok(bmc)
    }

    /// The connection a planned job uses; made from the plan, without asking the BMC again.
    pub(crate) async fn resume(&self, turn: &Turn, plan: &Plan) -> Result<Bmc, Reach> {
        if let Some(bmc) = self.kept(&turn.server) {
            return Ok(bmc);
        }
        let serial = turn.serial();
        self.close(serial).await;
        let endpoint = self.endpoint(&turn.server).await?;
        let options = Options { refused_logins: turn.logins.refused, ..self.options() };
        let bmc = Bmc::resume(&endpoint, options, plan)?;
        self.keep(&turn.server, &bmc);
        if contradicts(&bmc.look().await?.identity, &plan.identity) {
            self.close(serial).await;
            let why = "the BMC belongs to another machine than the one this job was planned for; \
                 correct the server's address";
            return Err(Fault::operator(why).into());
        }
        Ok(bmc)
    }

    /// Ends the session with a BMC. Sessions are few on most BMCs, so idle ones are given back.
    pub(crate) async fn close(&self, serial: &ServerSerial) {
        let kept = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(serial);
        if let Some((_, bmc)) = kept
            && let Err(error) = bmc.close().await
        {
            tracing::debug!(server_serial = %serial, %error, "the BMC session ends by itself");
        }
    }

    /// Ends all sessions.
    pub(crate) async fn close_all(&self) {
        let serials: Vec<ServerSerial> =
            self.open.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        futures_util::future::join_all(serials.iter().map(|serial| self.close(serial))).await;
    }

    /// What a server's media plan has to respect.
    pub(crate) fn plan_request(&self, server: &ServerRecord, wanted: Wanted<'_>) -> PlanRequest {
        PlanRequest { left: server.residue.clone(), ..self.request_for(&server.server, wanted) }
    }

    /// The same where no earlier job can have left anything.
    pub(super) fn request_for(&self, server: &Server, wanted: Wanted<'_>) -> PlanRequest {
        let mut boot_schemes = vec![RedfishScheme::Https];
        if self.offered.http {
            boot_schemes.push(RedfishScheme::Http);
        }
        let mut task_schemes = boot_schemes.clone();
        if !server.allow_plain_media {
            task_schemes.retain(|scheme| *scheme == RedfishScheme::Https);
        }
        match server.media_scheme {
            Some(Scheme::Https) => boot_schemes.retain(|scheme| *scheme == RedfishScheme::Https),
            Some(Scheme::Http) => {
                boot_schemes.retain(|scheme| *scheme == RedfishScheme::Http);
                task_schemes.reverse();
            }
            None => {}
        }
        if let Some(url) = wanted.boot_url {
            let plain = url.starts_with("http://");
            boot_schemes = vec![if plain { RedfishScheme::Http } else { RedfishScheme::Https }];
        }
        let (workflow, outside) = (wanted.workflow, wanted.boot_url.is_some());
        let overlay = !outside && self.offered.boot.takes_overlay(workflow);
        PlanRequest {
            boot_schemes,
            task_schemes,
            media: if overlay { Media::TwoOrCombined } else { Media::Two },
            ours: self.ours(wanted),
            task_kinds: self.offered.boot.task_kinds(workflow, outside),
            ..PlanRequest::default()
        }
    }

    /// What marks an image in a slot as ours: its path is one of ours, or that of the outside boot
    /// medium this very job names. The host may be another than the BMC was given.
    pub(super) fn ours(&self, wanted: Wanted<'_>) -> Vec<String> {
        let mut ours = self.offered.addresses.ours();
        let named = wanted.boot_url.and_then(|url| Url::parse(url).ok());
        if let Some(url) = named {
            ours.extend(url.path().rsplit('/').next().map(str::to_owned));
            ours.push(url.path().to_owned());
        }
        ours.extend(FILES.map(str::to_owned));
        ours
    }

    pub(super) fn kept(&self, server: &ServerRecord) -> Option<Bmc> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (made_for, bmc) = open.get(&server.server.serial)?;
        (*made_for == server.updated_at).then(|| bmc.clone())
    }

    fn keep(&self, server: &ServerRecord, bmc: &Bmc) {
        let serial = server.server.serial.clone();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(serial, (server.updated_at, bmc.clone()));
    }

    async fn endpoint(&self, server: &ServerRecord) -> Result<Endpoint, Fault> {
        let serial = &server.server.serial;
        let account = self
            .store
            .credentials(serial)
            .await
            .map_err(|error| store_fault(&error))?
            .ok_or_else(|| Fault::operator("the server has no BMC credentials; set them"))?;
        let tls = self.tls(&server.server.tls)?;
        let account =
            Credentials::new(account.user, Secret::new(account.password.expose().as_str()));
        Endpoint::new(&server.server.bmc_address, tls, account)
            .map_err(|error| Fault::operator(error.to_string()))
    }

    pub(super) fn tls(&self, policy: &TlsPolicy) -> Result<Tls, Fault> {
        match policy {
            TlsPolicy::Ca { pem } => Ok(Tls::Ca(pem.clone())),
            TlsPolicy::Pin { sha256 } => sha256
                .parse()
                .map(Tls::Pin)
                .map_err(|_| Fault::operator("the server's certificate pin is no SHA-256")),
            TlsPolicy::Insecure { reason } if self.insecure_allowed => {
                Ok(Tls::Insecure { reason: reason.clone() })
            }
            TlsPolicy::Insecure { .. } => Err(Fault::operator(
                "the server asks for an unverified BMC certificate, which REDFISH_INSECURE does not allow",
            )),
        }
    }
}

fn options(settings: &settings::Redfish, learning: &Learning) -> Options {
    Options {
        request_timeout: settings.timeout,
        retries: settings.retries,
        profiles: Arc::clone(&settings.profiles),
        learning: learning.clone(),
        ..Options::default()
    }
}

/// Whether two accounts of a machine cannot be of the same one. What one does not say is no contradiction.
fn contradicts(seen: &Identity, planned: &Identity) -> bool {
    let differ = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b));
    differ(&seen.serial, &planned.serial)
        || differ(&seen.sku, &planned.sku)
        || differ(&seen.uuid, &planned.uuid)
}

/// The kind of a BMC that was read before.
fn kind(hardware: &Hardware) -> Option<String> {
    let (model, firmware) = (hardware.bmc_model.as_deref(), hardware.firmware.as_deref());
    hardware.vendor.as_deref().map(|vendor| Learned::kind_of(vendor, model, firmware))
}

/// Whether the BMC has several machines and none goes by this name, so that any choice is a guess.
pub(super) fn is_ambiguous(discovery: &Discovery, serial: &ServerSerial) -> bool {
    !discovery.other_systems.is_empty() && discovery.named_by(serial.as_str()).is_none()
}

/// What a BMC says about its machine.
pub(super) fn hardware(discovery: &Discovery) -> Hardware {
    let identity = &discovery.identity;
    Hardware {
        serial: identity.serial.clone(),
        sku: identity.sku.clone(),
        uuid: identity.uuid.clone(),
        vendor: Some(discovery.vendor.label().to_owned()),
        model: discovery.model.clone(),
        firmware: discovery.firmware.clone(),
        bmc_model: discovery.manager_model.clone(),
    }
}
