//! Restarting a host, for whoever embeds this crate. Provisioning never does: a restart does not prove
//! that power was gone in between, and one sent twice is two restarts.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    bmc::Bmc,
    call::Change,
    discover::Discovery,
    error::Error,
    kind::{BusyReason, Kind},
    patience::Patience,
    transcript::Op,
    view::{Power, SystemView},
    wire::Method,
};

/// The kinds of restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Restart {
    /// The operating system is asked to.
    Graceful,
    /// At once, without asking anybody.
    Forced,
    /// Power goes off and comes on again.
    PowerCycle,
}

impl Restart {
    const ALL: [Self; 3] = [Self::Graceful, Self::Forced, Self::PowerCycle];

    fn reset_type(self) -> &'static str {
        match self {
            Self::Graceful => "GracefulRestart",
            Self::Forced => "ForceRestart",
            Self::PowerCycle => "PowerCycle",
        }
    }
}

impl Discovery {
    /// The kinds of restart the BMC says it takes; none where it says nothing.
    pub fn restarts(&self) -> Vec<Restart> {
        let told = self.reset.as_ref().and_then(|(_, allowed)| allowed.as_deref());
        let told = told.unwrap_or_default();
        let offered = |kind: &Restart| told.iter().any(|name| name == kind.reset_type());
        Restart::ALL.into_iter().filter(offered).collect()
    }
}

impl Bmc {
    /// Restarts a host that is on, with one request. **Not idempotent.** Where the BMC tells when the
    /// system was last reset, that is waited for; elsewhere the BMC's word is all there is.
    ///
    /// # Errors
    /// `Unsupported` for a kind that [`Discovery::restarts`] does not list, `Busy` when the host is not
    /// on, `WrongMachine` before anything is sent, and `VerifyFailed` when the restart does not show.
    /// With [`Error::may_have_taken_effect`] the host may restart: look, do not call again.
    pub async fn restart(&self, discovery: &Discovery, kind: Restart) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        self.told(self.restart_once(discovery, kind).await)
    }

    async fn restart_once(&self, discovery: &Discovery, kind: Restart) -> Result<(), Error> {
        let Some((target, _)) = &discovery.reset else { return Err(unsupported(kind)) };
        if !discovery.restarts().contains(&kind) {
            return Err(unsupported(kind));
        }
        let before = self.restarted_system(discovery).await?;
        if before.power != Power::On {
            return Err(Error::new(Kind::Busy(BusyReason::StateConflict)).at("POST", target));
        }
        let body = json!({"ResetType": kind.reset_type()});
        let change = Change {
            op: Op::Reset,
            method: Method::Post,
            path: target,
            body: Some(&body),
            timeout: self.inner.options.request_timeout,
        };
        let answer = self.change_once(&change, None).await?;
        self.settled(&change, answer).await?;
        if before.last_reset_time.is_none() {
            return Ok(());
        }
        let options = &self.inner.options;
        let mut patience =
            Patience::new(options.power_timeout, options.poll_first, options.poll_most);
        while patience.pause(None).await {
            let now = self.restarted_system(discovery).await.map_err(|error| error.unsure(true))?;
            if now.last_reset_time != before.last_reset_time {
                return Ok(());
            }
        }
        let expected = "a later time of the last reset".to_owned();
        let seen = before.last_reset_time.unwrap_or_default();
        Err(Error::new(Kind::VerifyFailed { expected, seen }).at("POST", target).unsure(true))
    }

    async fn restarted_system(&self, discovery: &Discovery) -> Result<SystemView, Error> {
        let seen = self.observe(Op::Reset, &discovery.system).await?;
        let view = SystemView::read(&seen.body, &discovery.system);
        match discovery.identity.conflict(&view.identity) {
            None => Ok(view),
            Some((expected, seen)) => Err(Error::new(Kind::WrongMachine {
                expected: expected.to_owned(),
                seen: seen.to_owned(),
            })),
        }
    }
}

fn unsupported(kind: Restart) -> Error {
    Error::new(Kind::Unsupported { what: format!("the reset type {}", kind.reset_type()) })
}
