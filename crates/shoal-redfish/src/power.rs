//! Power as a level: switching off may be repeated freely and ends when the host was seen off;
//! switching on happens once. After a lost answer to a power-on the host's state is the only
//! evidence, so it is looked at and the request is never sent a second time.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    bmc::Bmc,
    call::Change,
    error::Error,
    identity::Identity,
    kind::{BusyReason, Kind},
    patience::Patience,
    plan::Plan,
    recent::{Look, Seen},
    transcript::Op,
    view::{Power, SystemView},
    wire::Method,
};

/// Looks without an effect after which an accepted power-off is sent again.
const LOOKS_BEFORE_REPEAT: u32 = 5;

/// How long a power-on whose answer was lost is watched for its effect.
const LOST_ANSWER: Duration = Duration::from_secs(30);

/// How long a host that went off by itself may still be shown as on.
const LAG: Duration = Duration::from_secs(10);

/// One look at a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sight {
    /// Its power state.
    pub power: Power,
    /// How far it has booted, such as `OSRunning`; few BMCs say.
    pub boot_progress: Option<String>,
    /// When it was last reset, as the BMC writes it; compare for change only.
    pub last_reset_time: Option<String>,
    /// Who it is.
    pub identity: Identity,
    /// Whether the next boot is redirected; absent where the system does not show it.
    pub boot_overridden: Option<bool>,
}

/// What a power-on found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOn {
    /// It was off and came on after our request.
    Started,
    /// It was on already: nothing was sent, or only what the BMC refused because of that.
    WasOn,
}

impl Bmc {
    /// Looks at the machine: one request, once the system is known from a plan or a discovery.
    ///
    /// # Errors
    /// Transport and login failures.
    pub async fn look(&self) -> Result<Sight, Error> {
        let known = self.known().system.clone();
        let path = match known {
            Some(path) => path,
            None => self.discover().await?.system,
        };
        let seen = self.told(self.observe(Op::Poll, &path).await)?;
        let view = SystemView::read(&seen.body, &path);
        Ok(Sight {
            power: view.power,
            boot_progress: view.boot_progress,
            last_reset_time: view.last_reset_time,
            identity: view.identity,
            boot_overridden: view.boot.map(|boot| !boot.is_clear()),
        })
    }

    /// Cuts power unless the host is off, and returns when it was seen off. Idempotent.
    ///
    /// # Errors
    /// `WrongMachine` before anything is sent; otherwise the reason why it stayed on.
    pub async fn ensure_off(&self, plan: &Plan) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.told(self.switch_off(plan).await)
    }

    pub(crate) async fn switch_off(&self, plan: &Plan) -> Result<(), Error> {
        let op = self.purpose.reset();
        let mut view = self.system(op, plan, Look::Recent).await?;
        if view.power == Power::Off {
            view = self.system(op, plan, Look::Fresh).await?;
        }
        let options = &self.inner.options;
        let mut patience =
            Patience::new(options.power_timeout, options.poll_first, options.poll_most);
        let mut failure = None;
        let mut looks_since_sent = None;
        let mut sent_at = None;
        while view.power != Power::Off {
            let due = looks_since_sent.is_none_or(|looks| looks >= LOOKS_BEFORE_REPEAT);
            if due && view.power != Power::TurningOff {
                let body = json!({"ResetType": plan.power.off});
                if sent_at.is_some() {
                    self.sent_again(op, &"it does not show");
                }
                sent_at.get_or_insert_with(Instant::now);
                match self.change(&self.reset(plan, &body), None).await {
                    Ok(_) => looks_since_sent = Some(0),
                    Err(error) if worth_waiting(&error) => {
                        // Cutting power twice is harmless, so a lost request is given two looks only.
                        let nearly_due = LOOKS_BEFORE_REPEAT - 2;
                        looks_since_sent = error.may_have_taken_effect().then_some(nearly_due);
                        failure = Some(error);
                    }
                    Err(error) => return self.is_off_after_all(plan, error).await,
                }
            }
            if !patience.pause(None).await {
                self.never_showed();
                return Err(failure.unwrap_or_else(|| unseen(plan, Power::Off, view.power)));
            }
            looks_since_sent = looks_since_sent.map(|looks| looks + 1);
            view = self.system(op, plan, Look::Fresh).await?;
        }
        if let Some(sent_at) = sent_at {
            self.showed(sent_at);
        }
        Ok(())
    }

    /// Some BMCs refuse to switch off what is off, and show only after a while that it is.
    async fn is_off_after_all(&self, plan: &Plan, refusal: Error) -> Result<(), Error> {
        let options = &self.inner.options;
        let limit = LAG.min(options.power_timeout);
        let mut patience = Patience::new(limit, options.poll_first, options.poll_most);
        loop {
            let view = self.system(self.purpose.reset(), plan, Look::Fresh).await?;
            if view.power == Power::Off {
                return Ok(());
            }
            if !patience.pause(None).await {
                return Err(refusal);
            }
        }
    }

    /// Switches the host on, once. **Not idempotent**: store that you are about to call this first.
    /// A request that may have been received is never sent again by this function; one that the BMC
    /// refused with an answer is, as long as the host is seen off.
    ///
    /// # Errors
    /// With [`Error::may_have_taken_effect`] the host may still come on: look, do not call again.
    pub async fn power_on(&self, plan: &Plan) -> Result<PowerOn, Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.told(self.switch_on(plan).await)
    }

    pub(crate) async fn switch_on(&self, plan: &Plan) -> Result<PowerOn, Error> {
        let op = self.purpose.reset();
        let options = &self.inner.options;
        let mut patience =
            Patience::new(options.busy_timeout, options.poll_first, options.poll_most);
        let mut found = PowerOn::WasOn;
        let mut refused = None;
        loop {
            // Whoever believes that it is off must have seen it just now, with the media in.
            let mut view = self.system(op, plan, Look::JustNow).await?;
            if view.power != Power::Off {
                view = self.system(op, plan, Look::Fresh).await?;
            }
            let error = match view.power {
                Power::On | Power::TurningOn => return Ok(found),
                Power::TurningOff | Power::Unknown => unseen(plan, Power::Off, view.power),
                Power::Off => match self.send_power_on(plan, refused.take()).await? {
                    None => return Ok(PowerOn::Started),
                    Some(refusal) => refusal,
                },
            };
            // A BMC that says it conflicts with the state tells that the machine is on already;
            // other refusals have been seen of BMCs which then did what they refused.
            if view.power == Power::Off && *error.kind() != Kind::Busy(BusyReason::StateConflict) {
                found = PowerOn::Started;
            }
            if !patience.pause(pause_of(&error)).await {
                return Err(error);
            }
            refused = Some(error).filter(|_| view.power == Power::Off);
        }
    }

    /// `None` when the host came on; a refusal when the BMC said no and asking again may help.
    async fn send_power_on(
        &self,
        plan: &Plan,
        refused: Option<Error>,
    ) -> Result<Option<Error>, Error> {
        let body = json!({"ResetType": plan.power.on});
        if let Some(error) = &refused {
            self.sent_again(self.purpose.reset(), error);
        }
        let sent = self.change_once(&self.reset(plan, &body), None).await;
        let Err(error) = sent else {
            let limit = self.inner.options.power_timeout;
            return self.await_on(plan, limit).await.map(|()| None);
        };
        if error.may_have_taken_effect() {
            // Whatever goes wrong while looking, the answer to the caller is that of the lost request.
            let limit = LOST_ANSWER.min(self.inner.options.power_timeout);
            return match self.await_on(plan, limit).await {
                Ok(()) => Ok(None),
                Err(_) => Err(error),
            };
        }
        if worth_waiting(&error) { Ok(Some(error)) } else { Err(error) }
    }

    async fn await_on(&self, plan: &Plan, limit: Duration) -> Result<(), Error> {
        let options = &self.inner.options;
        let mut patience = Patience::new(limit, options.poll_first, options.poll_most);
        let mut power = Power::Off;
        let sent_at = Instant::now();
        while patience.pause(None).await {
            power = self
                .system(self.purpose.reset(), plan, Look::Fresh)
                .await
                .map_err(|error| error.unsure(true))?
                .power;
            if matches!(power, Power::On | Power::TurningOn) {
                self.showed(sent_at);
                return Ok(());
            }
        }
        self.never_showed();
        Err(unseen(plan, Power::On, power).unsure(true))
    }

    /// A reset's effect was read back.
    fn showed(&self, sent_at: Instant) {
        let vendor = self.inner.wire.vendor().label();
        let seconds = sent_at.elapsed().as_secs_f64();
        metrics::histogram!("redfish_poll_duration_seconds", "vendor" => vendor).record(seconds);
    }

    /// A reset's effect did not show in time.
    fn never_showed(&self) {
        let vendor = self.inner.wire.vendor().label();
        metrics::counter!("redfish_poll_timeouts_total", "vendor" => vendor).increment(1);
    }

    fn reset<'a>(&self, plan: &'a Plan, body: &'a serde_json::Value) -> Change<'a> {
        Change {
            op: self.purpose.reset(),
            method: Method::Post,
            path: &plan.power.target,
            body: Some(body),
            timeout: self.inner.options.request_timeout,
        }
    }

    /// Reads the plan's system and makes sure that it is still the planned machine.
    pub(crate) async fn system(
        &self,
        op: Op,
        plan: &Plan,
        look: Look,
    ) -> Result<SystemView, Error> {
        let seen = self.seen(op, &plan.system, look).await?;
        let view = SystemView::read(&seen.body, &plan.system);
        match plan.identity.conflict(&view.identity) {
            None => Ok(view),
            Some((expected, seen)) => Err(Error::new(Kind::WrongMachine {
                expected: expected.to_owned(),
                seen: seen.to_owned(),
            })),
        }
    }

    pub(crate) async fn seen(&self, op: Op, path: &str, look: Look) -> Result<Seen, Error> {
        let recent = self.known().recent.as_of(path, look);
        match recent {
            Some(seen) => Ok(seen),
            None => self.observe(op, path).await,
        }
    }
}

/// Failures that time or another look may cure.
pub(crate) fn worth_waiting(error: &Error) -> bool {
    let passing = match error.kind() {
        Kind::Busy(reason) => *reason != BusyReason::ConfigurationPending,
        Kind::NotReady { .. } | Kind::Unreachable | Kind::Timeout { .. } | Kind::Server => true,
        _ => false,
    };
    passing || error.may_have_taken_effect()
}

pub(crate) fn pause_of(error: &Error) -> Option<Duration> {
    match error.kind() {
        Kind::NotReady { retry_after } => *retry_after,
        _ => None,
    }
}

fn unseen(plan: &Plan, expected: Power, seen: Power) -> Error {
    let kind =
        Kind::VerifyFailed { expected: expected.name().to_owned(), seen: seen.name().to_owned() };
    Error::new(kind).at("GET", &plan.system)
}
