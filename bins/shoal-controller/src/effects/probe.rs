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
    Asked, BootSeen, Finding, Forecast, LoginState, Looking, MachineSeen, NotProbed, Probe, Prober,
};
use shoal_core::Workflow;
use shoal_redfish::{Bmc, Discovery};
use shoal_store::{HardwareCheck, ServerRecord, Store, StoredProbe};

use super::{
    bmc::{self, Bmcs, Wanted},
    turn::Turn,
};

/// Looks for the API.
#[derive(Clone)]
pub(crate) struct Looks {
    pub(crate) store: Store,
    pub(crate) bmcs: Arc<Bmcs>,
}

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
        let mut probe =
            Probe { bmc_address: turn.server.server.bmc_address.clone(), ..Probe::default() };
        probe.tls.policy = seen::policy(&turn.server.server.tls).to_owned();
        probe.login.refused = turn.logins.refused;
        let bmc = match self.bmcs.line(turn).await {
            Ok(bmc) => bmc,
            Err(fault) => {
                probe.problems.push(findings::of_fault(&fault));
                return Ok(Looked { probe, discovery: None });
            }
        };
        let timeout = self.bmcs.timeout();
        let reached = bmc.within(timeout).reach().await;
        seen::certificate(&mut probe, bmc.certificate(), reached.as_ref().err(), self.bmcs.now());
        if let Err(error) = reached {
            seen::login_failed(&mut probe, &error);
            // A refused login proves that somebody is there.
            probe.reachable = probe.login.state != LoginState::NotTried;
            probe.problems.push(findings::of_error(&error));
            return Ok(self.refused(probe, &bmc).await);
        }
        probe.reachable = true;
        match bmc.within(timeout * 2).discover().await {
            Ok(discovery) => {
                let discovery = self.describe(&mut probe, turn, discovery).await?;
                Ok(Looked { probe, discovery: Some(discovery) })
            }
            Err(error) => {
                seen::login_failed(&mut probe, &error);
                probe.problems.push(findings::of_error(&error));
                Ok(self.refused(probe, &bmc).await)
            }
        }
    }

    async fn refused(&self, mut probe: Probe, bmc: &Bmc) -> Looked {
        probe.login.refused = bmc.refused_logins().await;
        Looked { probe, discovery: None }
    }

    /// Tells what was read, records or checks the machine's identity, and plans.
    async fn describe(
        &self,
        probe: &mut Probe,
        turn: &Turn,
        discovery: Discovery,
    ) -> Result<Discovery, NotProbed> {
        probe.login.state = LoginState::Accepted;
        probe.login.refused = 0;
        probe.clock_ahead_seconds = discovery.clock_ahead_seconds;
        let hardware = bmc::hardware(&discovery);
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
        probe.machine = Some(MachineSeen {
            bmc_model: discovery.manager_model.clone(),
            serial_is: discovery.named_by(serial.as_str()).map(str::to_owned),
            recorded: recorded.to_owned(),
            expected,
            power: seen::power(discovery.power).to_owned(),
            other_systems: discovery.other_systems.iter().map(|(path, _)| path.clone()).collect(),
            seen: hardware,
        });
        probe.profile = Some(seen::profile(&discovery));
        probe.licence_hint.clone_from(&discovery.profile.media.licence);
        let wanted = Wanted { workflow: Workflow::Linux, boot_url: None };
        let request = self.bmcs.plan_request(&turn.server, wanted);
        let planned = discovery.plan(&request);
        probe.slots = seen::slots(&discovery, planned.as_ref().ok());
        match &planned {
            Ok(plan) => {
                probe.media_plan = Some(seen::media(plan));
                probe.boot = Some(BootSeen {
                    strategy: plan.boot.strategy.clone(),
                    target: plan.boot.target.clone(),
                    mode: plan.boot.mode.clone(),
                });
            }
            Err(refusal) => probe.problems.push(findings::of_refusal(refusal, Workflow::Linux)),
        }
        probe.warnings.extend(discovery.diagnostics.iter().cloned());
        if let Some(ahead) = discovery.clock_ahead_seconds.filter(|ahead| ahead.abs() > 300) {
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            let by = ahead.abs();
            probe.warnings.push(format!(
                "the BMC's clock is {by} s {side} ours; certificates may look invalid to it"
            ));
        }
        Ok(discovery.without_addresses(&self.bmcs.ours(wanted)))
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

fn text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
