//! Looking at a server's BMC, and letting logins through again after refused ones stopped them.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{ServerSerial, Time};
use shoal_store::{Actor, Error as StoreError};

use super::unknown;
use crate::{
    api::Shared,
    audit,
    error::Error,
    openapi::shape,
    param::Named,
    prober::{NotProbed, Probe, Shown},
    timestamp::At,
};

/// What retrying logins did.
#[derive(Serialize, JsonSchema)]
pub(super) struct LoginsRetried<'a> {
    #[schemars(with = "shape::ServerSerial")]
    server_serial: &'a ServerSerial,
    /// Whether any login had been refused.
    cleared: bool,
}

/// `POST /servers/{serial}/probe`: looks now. A BMC that cannot be reached is an answer.
pub(crate) async fn probe(
    State(shared): State<Arc<Shared>>,
    Named(serial): Named,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|_| unknown())?;
    let server = shared.store().server(&serial).await.map_err(Error::store)?;
    let probe = shared.api.prober.probe(server.ok_or_else(unknown)?).await;
    let probe = probe.map_err(|error| refused(&shared, error))?;
    Ok(Json(shown(&serial, &probe, shared.now(), shared.now())).into_response())
}

/// `POST /servers/{serial}/retry-login`: the account was unlocked, or the password is right now.
pub(crate) async fn retry_login(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Named(serial): Named,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|_| unknown())?;
    let cleared = match shared.store().retry_login(&serial, actor, shared.now()).await {
        Ok(cleared) => cleared,
        Err(StoreError::UnknownServer(_)) => return Err(unknown()),
        Err(error) => return Err(Error::store(error)),
    };
    let answer = Json(LoginsRetried { server_serial: &serial, cleared });
    Ok((Extension(audit::Kept), answer).into_response())
}

pub(super) fn shown<'a>(
    server_serial: &'a ServerSerial,
    probe: &'a Probe,
    at: Time,
    now: Time,
) -> Shown<'a> {
    let age_seconds = now.since(at).as_secs();
    Shown { server_serial, probed_at: At(at), age_seconds, probe }
}

/// A probe that did not come about.
pub(crate) fn refused(shared: &Shared, error: NotProbed) -> Error {
    match error {
        NotProbed::Gone => unknown(),
        NotProbed::Store(error) => Error::store(error),
        NotProbed::Busy => {
            let patience = shared.api.prober.patience();
            let message = format!("{error}; this call waited {} s", patience.as_secs());
            Error { retry_after: Some(patience), ..Error::unavailable(message) }
        }
        NotProbed::Ending => Error::unavailable("the controller is about to stop; try again"),
    }
}
