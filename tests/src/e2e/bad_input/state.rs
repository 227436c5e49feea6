//! Everything an administrator can see of the jobs, the servers and the installation, and whether it
//! is still the same.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::Value;
use shoal_tests::Api;

/// What can be seen: jobs, servers, the whole history, and the installation. The audit log is left
/// out: refused calls are in it.
pub(super) struct State([Value; VIEWS.len()]);

const VIEWS: [&str; 7] = [
    "/jobs?limit=500",
    "/servers?limit=500",
    "/events?limit=500",
    "/admin/tokens",
    "/admin/secrets",
    "/admin/drain",
    "/admin/changes?since=30d",
];

impl State {
    pub(super) async fn of(api: &Api) -> Result<Self> {
        let mut seen = [const { Value::Null }; VIEWS.len()];
        for (view, path) in seen.iter_mut().zip(VIEWS) {
            *view = api.call(Method::GET, path, None).await?.wants(200)?;
            unused(view);
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

/// Forgets the day of a token's last use, which looking changes at midnight.
fn unused(view: &mut Value) {
    let tokens = view.get_mut("tokens").and_then(Value::as_array_mut);
    for token in tokens.into_iter().flatten().filter_map(Value::as_object_mut) {
        token.remove("last_used_at");
    }
}
