//! Read-only looks at BMCs for operators, through the same turns as jobs.
//!
//! A look waits for its turn at most as long as one request may take, and then takes at most three
//! times as long: one to reach the BMC, two to read it. It sends nothing but reads and a login.

mod findings;
mod seen;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use shoal_api::{
    Asked, Finding, Forecast, Looking, MachineSeen, NotProbed, Probe, Prober, Stranger,
};
use shoal_core::{Fault, Workflow};
use shoal_redfish::{
    Bmc, Credentials, Discovery, Endpoint, Fingerprint, Learning, Options, PlanRequest,
    Secret as RedfishSecret, Tls,
};
use shoal_store::{HardwareCheck, Server, ServerRecord, Store, StoredProbe, TlsPolicy};
use tokio::sync::Semaphore;

use super::{
    bmc::{self, Bmcs, Wanted},
    fault::of_redfish,
    turn::Turn,
};

/// Looks for the API.
#[derive(Clone)]
pub(crate) struct Looks {
    store: Store,
    bmcs: Arc<Bmcs>,
    /// Looks at strangers that may go on at one time; a look outlives its caller.
    seats: Arc<Semaphore>,
}

/// Looks at BMCs without a server that may go on at one time.
const STRANGERS: usize = 8;

/// A look and what plans can be made from.
struct Looked {
    probe: Probe,
    discovery: Option<Discovery>,
}

impl Prober for Looks {
    fn probe(&self, server: ServerRecord) -> Looking<Probe> {
        let looks = self.clone();
        detached(async move { Ok(looks.look(&server).await?.probe) })
    }

    fn examine(&self, stranger: Stranger) -> Looking<Probe> {
        let looks = self.clone();
        detached(async move { looks.examine_stranger(stranger).await })
    }

    fn forecast(&self, asked: Asked) -> Looking<Forecast> {
        let looks = self.clone();
        detached(async move {
            if asked.live {
                looks.forecast_now(&asked).await
            } else {
                looks.forecast_last(&asked).await
            }
        })
    }

    fn forget(&self, kind: String) -> Looking<bool> {
        let looks = self.clone();
        detached(async move { Ok(looks.bmcs.forget_learned(&kind).await?) })
    }

    fn patience(&self) -> Duration {
        self.bmcs.timeout()
    }
}

/// Goes on when its caller hangs up, so that no login is given up half-way and left open.
fn detached<T: Send + 'static>(
    looking: impl Future<Output = Result<T, NotProbed>> + Send + 'static,
) -> Looking<T> {
    let task = tokio::spawn(looking);
    Box::pin(async move { task.await.unwrap_or(Err(NotProbed::Ending)) })
}

impl Looks {
    /// Over these connections.
    pub(crate) fn new(store: Store, bmcs: Arc<Bmcs>) -> Self {
        Self { store, bmcs, seats: Arc::new(Semaphore::new(STRANGERS)) }
    }

    async fn look(&self, server: &ServerRecord) -> Result<Looked, NotProbed> {
        let serial = &server.server.serial;
        let turn = match tokio::time::timeout(self.patience(), self.bmcs.turn(serial)).await {
            Err(_) => return Err(NotProbed::Busy),
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => {
                let known = self.store.server(serial).await?;
                return Err(if known.is_some() { NotProbed::Ending } else { NotProbed::Gone });
            }
        };
        let started = Instant::now();
        let mut looked = self.look_in_turn(&turn).await?;
        looked.probe.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let stored = StoredProbe {
            at: self.bmcs.now(),
            report: text(&looked.probe),
            discovery: looked.discovery.as_ref().map(text),
        };
        let kept = self.store.set_probe(serial, stored).await;
        self.bmcs.settle(&turn).await;
        if matches!(self.store.active_on(serial).await, Ok(None)) {
            // Nobody else needs this session; sessions are few.
            self.bmcs.close(serial).await;
        }
        drop(turn);
        kept?;
        Ok(looked)
    }

    async fn look_in_turn(&self, turn: &Turn) -> Result<Looked, NotProbed> {
        let bmc_address = turn.server.server.bmc_address.clone();
        let bmc = match self.bmcs.line(turn).await {
            Ok(bmc) => bmc,
            Err(fault) => {
                let mut probe = Probe { bmc_address, ..Probe::default() };
                seen::policy(&turn.server.server.tls).clone_into(&mut probe.tls.policy);
                probe.login.refused = turn.logins.refused;
                probe.problems.push(findings::of_fault(&fault));
                return Ok(Looked { probe, discovery: None });
            }
        };
        let wanted = Wanted { workflow: Workflow::Linux, boot_url: None };
        let machine = Some(turn.serial().to_string());
        let request = PlanRequest { machine, ..self.bmcs.plan_request(&turn.server, wanted) };
        let examined = bmc.within(self.time()).examine(&request).await;
        let mut probe = seen::probe(&examined.report);
        probe.bmc_address = bmc_address;
        probe.problems.iter_mut().for_each(findings::advise_on_server);
        if let Some(discovery) = &examined.discovery
            && bmc::is_ambiguous(discovery, turn.serial())
        {
            probe.machine = Some(seen::machine(discovery, None, "unknown"));
        } else if let Some(discovery) = &examined.discovery {
            self.identify(&mut probe, turn, discovery).await?;
        }
        seen::count(&probe);
        let ours = self.bmcs.ours(wanted);
        let discovery = examined.discovery.map(|found| found.without_addresses(&ours));
        Ok(Looked { probe, discovery })
    }

    /// Three times what one request may take: one to reach the BMC, two to read it.
    fn time(&self) -> Duration {
        self.bmcs.timeout() * 3
    }

    /// Records the machine's identity, or checks it against the recorded one.
    async fn identify(
        &self,
        probe: &mut Probe,
        turn: &Turn,
        discovery: &Discovery,
    ) -> Result<(), NotProbed> {
        let hardware = bmc::hardware(discovery);
        let serial = turn.serial();
        let check = self.store.set_hardware(serial, hardware.clone(), self.bmcs.now()).await?;
        let (recorded, expected) = match check {
            HardwareCheck::FirstSeen => ("first_seen", None),
            HardwareCheck::Same => ("same", None),
            HardwareCheck::Mismatch { recorded } => ("mismatch", Some(recorded)),
        };
        if expected.is_some() {
            probe.problems.push(findings::other_machine());
        }
        let serial_is = discovery.named_by(serial.as_str());
        probe.machine =
            Some(MachineSeen { expected, ..seen::machine(discovery, serial_is, recorded) });
        Ok(())
    }

    /// Looks at a BMC no server was registered with, in turn with whoever else is at its address.
    /// Nobody logs in to a registered one here: its refused logins are counted with the server.
    async fn examine_stranger(&self, stranger: Stranger) -> Result<Probe, NotProbed> {
        let _seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| NotProbed::Busy)?;
        let whole = stranger.tls.is_some() && stranger.credentials.is_some();
        if whole && let Some(serial) = self.store.server_at(&stranger.bmc_address).await? {
            let problems = vec![findings::registered(&serial)];
            return Ok(Probe { bmc_address: stranger.bmc_address, problems, ..Probe::default() });
        }
        let place = self.bmcs.place(&stranger.bmc_address).lock_owned();
        let Ok(_turn) = tokio::time::timeout(self.patience(), place).await else {
            return Err(NotProbed::Busy);
        };
        let given = stranger.tls.as_ref().map_or("none", seen::policy);
        let mut probe = match self.meet(&stranger).await {
            Ok(probe) => probe,
            Err(fault) => {
                let problems = vec![findings::of_fault(&fault)];
                Probe { bmc_address: stranger.bmc_address.clone(), problems, ..Probe::default() }
            }
        };
        given.clone_into(&mut probe.tls.policy);
        if !whole && probe.tls.sha256.is_some() {
            probe.reachable = true;
            probe.tls.accepted = None;
            probe.problems = vec![findings::not_trusted(&probe.tls, stranger.tls.is_none())];
        }
        seen::count(&probe);
        Ok(probe)
    }

    /// Where nobody has said how the BMC proves who it is, or how to log in, no certificate is
    /// accepted: it is seen, and nothing is sent.
    async fn meet(&self, stranger: &Stranger) -> Result<Probe, Fault> {
        let (tls, account) = match (&stranger.tls, &stranger.credentials) {
            (Some(policy), Some(account)) => {
                let password = RedfishSecret::new(account.password.expose().as_str());
                (self.bmcs.tls(policy)?, Credentials::new(account.user.as_str(), password))
            }
            _ => (Tls::Pin(no_certificate()?), Credentials::new("", RedfishSecret::new(""))),
        };
        let endpoint = Endpoint::new(&stranger.bmc_address, tls, account)
            .map_err(|error| Fault::operator(error.to_string()))?;
        // A book of its own: what a stranger teaches is neither kept nor believed of others.
        let learning = Learning::of(self.bmcs.learning.all());
        let options = Options { learning, ..self.bmcs.options() };
        let bmc = Bmc::prepare(&endpoint, options).map_err(|e| of_redfish(&e))?;
        let serial = "unknown".parse().map_err(|_| Fault::permanent("a serial is no serial"))?;
        let policy = stranger.tls.clone();
        let policy = policy.unwrap_or(TlsPolicy::Pin { sha256: String::new() });
        let server = Server::new(serial, stranger.bmc_address.as_str(), policy);
        let wanted = Wanted { workflow: Workflow::Linux, boot_url: None };
        let request = self.bmcs.request_for(&server, wanted);
        let examined = bmc.within(self.time()).examine(&request).await;
        if let Err(error) = bmc.close().await {
            tracing::debug!(%error, "the BMC session ends by itself");
        }
        let mut probe = seen::probe(&examined.report);
        probe.bmc_address.clone_from(&stranger.bmc_address);
        let found = examined.discovery.as_ref();
        probe.machine = found.map(|discovery| seen::machine(discovery, None, "unknown"));
        Ok(probe)
    }

    async fn forecast_now(&self, asked: &Asked) -> Result<Forecast, NotProbed> {
        let looked = self.look(&asked.server).await?;
        let note = "the BMC was looked at for this answer".to_owned();
        let mut forecast = self.planned(asked, &looked.probe, looked.discovery.as_ref());
        forecast.probed_at = Some(self.bmcs.now());
        forecast.notes.push(note);
        Ok(forecast)
    }

    async fn forecast_last(&self, asked: &Asked) -> Result<Forecast, NotProbed> {
        let serial = &asked.server.server.serial;
        let stored = self.store.probe(serial).await?;
        let read = stored.and_then(|stored| {
            let probe: Probe = serde_json::from_str(&stored.report).ok()?;
            let discovery = stored.discovery.map(|text| serde_json::from_str(&text)).transpose();
            Some((stored.at, probe, discovery.ok()?))
        });
        let Some((at, probe, discovery)) = read else {
            let note = format!(
                "the BMC was never looked at, so there is no media plan: POST \
                 /api/v1/servers/{serial}/probe, or ask with probe=live"
            );
            return Ok(unknown(note));
        };
        if probe.bmc_address != asked.server.server.bmc_address {
            let note = "the newest probe is of another BMC address: probe again".to_owned();
            return Ok(unknown(note));
        }
        let mut forecast = self.planned(asked, &probe, discovery.as_ref());
        forecast.probed_at = Some(at);
        forecast.notes.push(
            "the media plan is that of the newest probe; the job looks at the BMC anew".to_owned(),
        );
        Ok(forecast)
    }

    /// What a look means for a job.
    fn planned(&self, asked: &Asked, probe: &Probe, discovery: Option<&Discovery>) -> Forecast {
        let workflow = asked.plan.workflow;
        let mut forecast = unknown(String::new());
        forecast.notes.clear();
        let Some(discovery) = discovery else {
            forecast.problems.clone_from(&probe.problems);
            return forecast;
        };
        let mismatch = |finding: &&Finding| finding.code == findings::OTHER_MACHINE;
        forecast.problems.extend(probe.problems.iter().filter(mismatch).cloned());
        let wanted = Wanted { workflow, boot_url: asked.boot_url.as_deref() };
        match discovery.plan(&self.bmcs.plan_request(&asked.server, wanted)) {
            Ok(plan) => forecast.media_plan = Some(seen::media(&plan)),
            Err(refusal) => forecast.problems.push(findings::of_refusal(&refusal, workflow)),
        }
        forecast
    }
}

fn unknown(note: String) -> Forecast {
    Forecast { probed_at: None, media_plan: None, problems: Vec::new(), notes: vec![note] }
}

/// A pin that no certificate has.
fn no_certificate() -> Result<Fingerprint, Fault> {
    "0".repeat(64).parse().map_err(|_| Fault::permanent("a fingerprint is no fingerprint"))
}

fn text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
