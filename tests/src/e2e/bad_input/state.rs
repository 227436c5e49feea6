//! Everything an operator can see of the jobs and servers, and whether it is still the same.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::Value;
use shoal_tests::Api;

/// What can be seen: jobs, servers and the whole history.
pub(super) struct State([Value; 3]);

const VIEWS: [&str; 3] = ["/jobs?limit=500", "/servers?limit=500", "/events?limit=500"];

impl State {
    pub(super) async fn of(api: &Api) -> Result<Self> {
        let mut seen = [const { Value::Null }; VIEWS.len()];
        for (view, path) in seen.iter_mut().zip(VIEWS) {
            *view = api.call(Method::GET, path, None).await?.wants(200)?;
        }
        Ok(Self(seen))
    }

    /// That nothing has changed.
    pub(super) async fn check(&self, api: &Api) -> Result<()> {
        let now = Self::of(api).await?;
        for ((before, after), path) in self.0.iter().zip(&now.0).zip(VIEWS) {
            ensure!(before == after, "{path} has changed\n from {before}\n   to {after}");
        }
        Ok(())
    }
}
