//! Servers as callers see them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{JobId, ServerSerial};
use shoal_store::{Hardware, Logins, Scheme, ServerRecord};

use super::tls::Tls;
use crate::{openapi::shape, prober::Shown, timestamp::At};

/// One server alone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Server")]
pub(super) struct View<'a> {
    #[schemars(with = "shape::ServerSerial")]
    serial: &'a ServerSerial,
    bmc_address: &'a str,
    /// Whether credentials are stored; they never come back.
    has_credentials: bool,
    vendor_hint: Option<&'a str>,
    tls: Tls,
    #[schemars(with = "Option<shape::Scheme>")]
    media_scheme: Option<Scheme>,
    allow_plain_media: bool,
    media_host: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    quarantine: Option<&'a str>,
    #[schemars(with = "Option<shape::Hardware>")]
    hardware: Option<&'a Hardware>,
    hands_off_until: Option<At>,
    residue: &'a [String],
    #[schemars(with = "Option<shape::JobId>")]
    active_job: Option<JobId>,
    /// Logins that the BMC refused in a row, and since when none is tried.
    refused_logins: u8,
    logins_stopped_at: Option<At>,
    last_probe: Option<Shown<'a>>,
    created_at: At,
    updated_at: At,
}

/// What was learned of a server's BMC.
pub(super) struct Looked<'a> {
    pub(super) logins: Logins,
    pub(super) last_probe: Option<Shown<'a>>,
}

/// One server in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ServerSummary")]
pub(super) struct Listed<'a> {
    #[schemars(with = "shape::ServerSerial")]
    serial: &'a ServerSerial,
    bmc_address: &'a str,
    labels: &'a BTreeMap<String, String>,
    quarantine: Option<&'a str>,
    #[schemars(with = "Option<shape::Hardware>")]
    hardware: Option<&'a Hardware>,
    created_at: At,
    updated_at: At,
}

impl<'a> View<'a> {
    pub(super) fn of(
        record: &'a ServerRecord,
        has_credentials: bool,
        active_job: Option<JobId>,
        looked: Looked<'a>,
    ) -> Self {
        let server = &record.server;
        Self {
            serial: &server.serial,
            bmc_address: &server.bmc_address,
            has_credentials,
            vendor_hint: server.vendor_hint.as_deref(),
            tls: server.tls.clone().into(),
            media_scheme: server.media_scheme,
            allow_plain_media: server.allow_plain_media,
            media_host: server.media_host.as_deref(),
            labels: &server.labels,
            quarantine: server.quarantine.as_deref(),
            hardware: record.hardware.as_ref(),
            hands_off_until: record.hands_off_until.map(At),
            residue: &record.residue,
            active_job,
            refused_logins: looked.logins.refused,
            logins_stopped_at: looked.logins.stopped_at.map(At),
            last_probe: looked.last_probe,
            created_at: At(record.created_at),
            updated_at: At(record.updated_at),
        }
    }
}

impl<'a> Listed<'a> {
    pub(super) fn of(record: &'a ServerRecord) -> Self {
        Self {
            serial: &record.server.serial,
            bmc_address: &record.server.bmc_address,
            labels: &record.server.labels,
            quarantine: record.server.quarantine.as_deref(),
            hardware: record.hardware.as_ref(),
            created_at: At(record.created_at),
            updated_at: At(record.updated_at),
        }
    }
}
