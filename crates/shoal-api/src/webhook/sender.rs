//! Who sends a report. Its secret alone decides which job and attempt the report is about.

use http::{Extensions, HeaderMap, HeaderValue};
use ring::digest;
use shoal_core::{JobId, ServerSerial};
use shoal_store::{KeyPurpose, Record, token};
use shoal_webhook::SECRET_HEADER;

use crate::{
    api::{ClientCertificate, Shared, WebhookCertificates},
    auth,
    error::{Code, Error},
};

/// Who reports: the attempt which the secret stands for.
pub(super) struct Sender {
    pub(super) record: Record,
    pub(super) attempt: u32,
    /// The fleet secret is on every machine, so it needs something that only this one can have done.
    pub(super) fleet: bool,
}

/// Why a sender is not believed.
pub(super) enum Refusal {
    /// Machines must show a certificate here.
    NoCertificate,
    /// The certificate is none of our machines'.
    ForeignCertificate,
    Missing,
    /// The server has a job, and the secret is neither its token nor the fleet's.
    Wrong,
    /// The secret is wrong, and the server has no job either.
    WrongWithoutJob,
    /// The secret is right, and the job is none we know.
    NoJob,
    Store(shoal_store::Error),
}

impl Refusal {
    /// Counted first, so that a rate limit never hides what an alert is waiting for.
    pub(super) fn told(self, shared: &Shared, extensions: &Extensions) -> Error {
        let missing = "send the job's token in X-Webhook-Secret";
        let wrong = "the token is wrong or belongs to another job";
        let no_job = "this server has no job such a report could belong to";
        let error = match self {
            Self::Store(error) => return Error::store(error),
            Self::NoCertificate => {
                count_auth_failure("cert");
                let message = "reports need a client certificate of this site";
                Error::new(Code::CertificateMissing, message)
            }
            Self::ForeignCertificate => {
                count_auth_failure("cert");
                let message = "the client certificate is not of this site, or its time is over";
                Error::new(Code::CertificateForeign, message)
            }
            Self::Missing => {
                count_auth_failure("missing");
                Error::new(Code::TokenMissing, missing)
            }
            Self::Wrong => {
                count_auth_failure("mismatch");
                Error::new(Code::TokenWrong, wrong)
            }
            Self::WrongWithoutJob => {
                count_auth_failure("mismatch");
                Error::new(Code::NoReportedJob, no_job)
            }
            Self::NoJob => {
                super::reject("no_job");
                Error::new(Code::NoReportedJob, no_job)
            }
        };
        match shared.strangers.check(&auth::network(auth::client(extensions))) {
            Ok(()) => error,
            Err(wait) => Error::rate_limited(wait),
        }
    }
}

impl From<shoal_store::Error> for Refusal {
    fn from(error: shoal_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Finds the job and attempt which the secret proves.
pub(super) async fn sender(
    shared: &Shared,
    serial: &str,
    headers: &HeaderMap,
    shown: ClientCertificate,
) -> Result<Sender, Refusal> {
    match (shared.api.webhook_certificates, shown) {
        (WebhookCertificates::Off, _)
        | (_, ClientCertificate::Trusted)
        | (WebhookCertificates::Optional, ClientCertificate::None) => {}
        (_, ClientCertificate::Foreign) => return Err(Refusal::ForeignCertificate),
        (WebhookCertificates::Required, ClientCertificate::None) => {
            return Err(Refusal::NoCertificate);
        }
    }
    let secret = headers.get(SECRET_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
    if secret.is_empty() {
        return Err(Refusal::Missing);
    }
    let serial: Option<ServerSerial> = serial.parse().ok();
    let store = shared.store();
    let keys = store.keys(KeyPurpose::WebhookToken).await?.at(shared.now());
    let proved = std::str::from_utf8(secret)
        .ok()
        .and_then(|text| token::verify(&keys, KeyPurpose::WebhookToken, text));
    if let Some((job, attempt)) = proved {
        return of_token(shared, serial.as_ref(), job, attempt).await;
    }
    let fleet =
        shared.api.installation.accepts_fleet_secret() && is_fleet_secret(shared, secret).await?;
    let active = match &serial {
        Some(serial) => store.active_on(serial).await?,
        None => None,
    };
    match (fleet, active) {
        (true, Some(record)) => Ok(Sender { attempt: record.job.attempt(), record, fleet }),
        (true, None) => Err(Refusal::NoJob),
        (false, Some(_)) => Err(Refusal::Wrong),
        (false, None) => Err(Refusal::WrongWithoutJob),
    }
}

async fn of_token(
    shared: &Shared,
    serial: Option<&ServerSerial>,
    job: JobId,
    attempt: u32,
) -> Result<Sender, Refusal> {
    let record = shared.store().job(job).await?.ok_or(Refusal::NoJob)?;
    if serial != Some(record.job.serial()) {
        return Err(Refusal::Wrong);
    }
    Ok(Sender { record, attempt, fleet: false })
}

/// Whether this is a secret of the fleet. Digests are compared: where they differ tells nobody
/// anything about the secret.
async fn is_fleet_secret(shared: &Shared, secret: &[u8]) -> Result<bool, Refusal> {
    let accepted = shared.store().keys(KeyPurpose::FleetWebhook).await?.at(shared.now());
    let given = digest::digest(&digest::SHA256, secret);
    let proved = accepted.iter().find(|key| key.secret.expose().as_slice() == given.as_ref());
    if let Some(key) = proved {
        accepted.note_use(KeyPurpose::FleetWebhook, key.id);
    }
    Ok(proved.is_some())
}

impl Sender {
    /// Whether reads of our media prove that the machine booted them in this attempt.
    pub(super) fn booted(&self) -> bool {
        let job = &self.record.job;
        job.has_boot_evidence() && job.evidence().milestones.keys().any(|seen| seen.proves_boot())
    }
}

fn count_auth_failure(reason: &'static str) {
    metrics::counter!("webhook_auth_failures_total", "reason" => reason).increment(1);
}
