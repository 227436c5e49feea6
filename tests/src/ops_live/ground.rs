//! How one alert is proven: it does not stand, a cause is made, it arrives as its rule says, the cause
//! is removed, it ends.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result};
use tokio::time::sleep;

use crate::{plan::Plan, receiver::Receiver, stage::Stage};

/// Between two repetitions of a cause.
pub(crate) const PACE: Duration = Duration::from_millis(300);

/// What a cause is made with, and where its alert arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) receiver: &'a Receiver,
    pub(crate) plan: &'a Plan,
}

/// How it went with one alert.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) alert: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) result: Result<Times>,
}

/// From the cause to the alert, and from its end to the alert's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    fired: Duration,
    resolved: Duration,
}

impl Ground<'_> {
    /// Before a cause is made.
    pub(crate) async fn drained(&self, alert: &str) -> Result<Instant> {
        self.receiver.ends(alert).await.context("it stood before its cause was made")?;
        Ok(Instant::now())
    }

    /// Waits for the alert and looks at what arrived.
    pub(crate) async fn fires(&self, alert: &str, begun: Instant) -> Result<Duration> {
        let arrived = self.receiver.fires(alert).await?;
        self.plan.check(alert, &arrived).with_context(|| format!("{alert} arrived otherwise"))?;
        Ok(begun.elapsed())
    }

    /// Waits for the alert's end after its cause's.
    pub(crate) async fn resolves(&self, alert: &str, fired: Duration) -> Result<Times> {
        let mended = Instant::now();
        self.receiver.ends(alert).await?;
        Ok(Times { fired, resolved: mended.elapsed() })
    }

    /// A cause that is there for as long as it is repeated.
    pub(crate) async fn by_repeating(
        &self,
        alert: &str,
        act: impl AsyncFn() -> Result<()>,
    ) -> Result<Times> {
        let begun = self.drained(alert).await?;
        let fired = tokio::select! {
            fired = self.fires(alert, begun) => fired?,
            error = repeat(act) => return Err(error.context("make the cause")),
        };
        self.resolves(alert, fired).await
    }

    /// A cause that is there from one change until another.
    pub(crate) async fn by_change(
        &self,
        alert: &str,
        make: impl AsyncFnOnce() -> Result<()>,
        mend: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<Times> {
        let begun = self.drained(alert).await?;
        make().await.context("make the cause")?;
        let fired = self.fires(alert, begun).await;
        // Also when it did not fire: what comes next needs a ground without this cause.
        mend().await.context("remove the cause")?;
        self.resolves(alert, fired?).await
    }
}

/// Repeats until it fails.
async fn repeat(act: impl AsyncFn() -> Result<()>) -> Error {
    loop {
        if let Err(error) = act().await {
            return error;
        }
        sleep(PACE).await;
    }
}

/// What was proven, a line each.
pub(crate) fn table(told: &[Told]) -> String {
    let mut text = format!("\n{:<28} {:>8} {:>10}  cause\n", "alert", "fires", "resolves");
    for Told { alert, cause, result } in told {
        // Writing to a string cannot fail.
        let _ = match result {
            Ok(Times { fired, resolved }) => {
                let (fired, resolved) = (fired.as_secs_f64(), resolved.as_secs_f64());
                writeln!(text, "{alert:<28} {fired:>6.1} s {resolved:>8.1} s  {cause}")
            }
            Err(_) => writeln!(text, "{alert:<28} {:>8} {:>10}  {cause}", "FAILED", "-"),
        };
    }
    text
}
