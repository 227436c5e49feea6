//! One mock machine and what must be true of it when a job is over.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{Boot, BootFrom, EffectKind, Event, Mock, Moment};

use crate::PATIENCE;

/// The one account of every BMC.
pub(crate) const USER: &str = "operator";

/// A mock BMC with the host behind it.
#[derive(Debug)]
pub struct Machine {
    mock: Mock,
    serial: String,
    persona: String,
    password: String,
}

impl Machine {
    pub(crate) fn new(mock: Mock, serial: &str, persona: &str, password: String) -> Self {
        Self { mock, serial: serial.to_owned(), persona: persona.to_owned(), password }
    }

    /// Its serial number, by which the controller knows it.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Its kind.
    pub fn persona(&self) -> &str {
        &self.persona
    }

    /// The machine itself: journal, faults, state.
    pub fn mock(&self) -> &Mock {
        &self.mock
    }

    /// The record by which the controller is to know it.
    pub fn record(&self) -> Value {
        self.record_pinned_to(&self.mock.cert_sha256())
    }

    /// The password of its BMC.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The same with another fingerprint.
    pub fn record_pinned_to(&self, sha256: &str) -> Value {
        json!({
            "bmc_address": self.mock.url(),
            "credentials": {"user": USER, "password": self.password},
            "tls": {"policy": "pin", "sha256": sha256},
        })
    }

    /// Switches the host on through its BMC as a person in the data centre would, so that a job
    /// meets a machine that is on.
    pub async fn switch_on(&self) -> Result<()> {
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        let systems: Value =
            self.ask(http.get(format!("{}/redfish/v1/Systems", self.mock.url()))).await?;
        let system = systems.pointer("/Members/0/@odata.id").and_then(Value::as_str);
        let system = system.context("the BMC has no system")?;
        let reset = format!("{}{system}/Actions/ComputerSystem.Reset", self.mock.url());
        self.ask(http.post(reset).json(&json!({"ResetType": "On"}))).await?;
        // By then the BMC also says so; its power state lags behind.
        self.wait_for(|event| matches!(event, Event::Booted(_))).await?;
        Ok(())
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let answer = request.basic_auth(USER, Some(&self.password)).send().await?;
        let answer = answer.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// The first event at the machine, past or future, that `wanted` accepts.
    pub async fn wait_for(&self, wanted: impl Fn(&Event) -> bool) -> Result<Moment> {
        let seen = self.mock.wait_for(PATIENCE, |moment| wanted(&moment.event)).await;
        seen.with_context(|| format!("watch machine {}", self.serial))
    }

    /// The root directory of the maintenance OS that runs or ran last.
    pub async fn maintenance_root(&self) -> Result<PathBuf> {
        let up = self.wait_for(|event| matches!(event, Event::MaintenanceOsUp { .. })).await?;
        match up.event {
            Event::MaintenanceOsUp { root } => Ok(root),
            other => anyhow::bail!("{other:?} is not the start of a maintenance OS"),
        }
    }

    /// How often the host booted from there.
    pub fn boots_from(&self, from: BootFrom) -> usize {
        self.mock.boots().iter().filter(|Boot { from: it, .. }| *it == from).count()
    }

    /// How often a kind of change happened through the BMC.
    pub fn count(&self, kind: EffectKind) -> usize {
        self.mock.journal().count(kind)
    }

    /// Both slots are empty and no boot override is left.
    pub fn check_clean(&self) -> Result<()> {
        let state = self.mock.state();
        for slot in &state.slots {
            ensure!(slot.image.is_none(), "slot {} still holds {:?}", slot.id, slot.image);
        }
        ensure!(state.boot.enabled == "Disabled", "the override is left: {:?}", state.boot);
        Ok(())
    }

    /// No more sessions than these are open.
    pub fn check_sessions(&self, most: usize) -> Result<()> {
        let open = self.mock.state().sessions;
        ensure!(open <= most, "{open} sessions are left open");
        Ok(())
    }

    /// The host was installed exactly once, runs what was installed, and its BMC is clean.
    pub async fn check_provisioned(&self) -> Result<()> {
        self.wait_for(|event| *event == Event::InstalledOsUp).await?;
        let (installer, disk) =
            (self.boots_from(BootFrom::BootMedium), self.boots_from(BootFrom::Disk));
        ensure!(installer == 1, "the host booted the installer {installer} times");
        ensure!(disk == 1, "the host booted the installed system {disk} times");
        let state = self.mock.state();
        ensure!(state.on && state.installed, "the host is not up: {state:?}");
        self.check_clean()
    }

    /// The host is off and its BMC is clean.
    pub fn check_off_and_clean(&self) -> Result<()> {
        ensure!(!self.mock.state().on, "the host is still on");
        self.check_clean()
    }

    /// Ends the machine and everything that runs on it.
    pub async fn shutdown(self) {
        self.mock.shutdown().await;
    }
}
