//! What stands where Alertmanager would: takes every alert that Prometheus delivers, and remembers how
//! each stands.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, anyhow};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

/// Longest wait for an alert to come or go.
const PATIENCE: Duration = Duration::from_mins(5);

type Labels = BTreeMap<String, String>;
type Standing = BTreeMap<Labels, Alert>;

/// An alert as it was delivered last.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) labels: Labels,
    pub(crate) annotations: Labels,
    ends_at: Timestamp,
    /// Whether its end lay in the past when it was delivered.
    #[serde(skip)]
    over: bool,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

impl Alert {
    fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }
}

impl Receiver {
    pub(crate) async fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for alerts")?;
        let address = listener.local_addr().context("read the address of a socket")?;
        let (sender, standing) = watch::channel(Standing::new());
        let router = Router::new().route("/api/v2/alerts", post(take)).with_state(sender);
        let task = tokio::spawn(async move {
            // It ends with the task; a failure shows as alerts that never arrive.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, standing, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until an alert of that name is delivered as firing.
    pub(crate) async fn fires(&self, name: &str) -> Result<Alert> {
        let firing = |standing: &Standing| {
            standing.values().find(|alert| alert.name() == name && !alert.over).cloned()
        };
        self.until(firing).await.with_context(|| format!("{name} did not arrive"))
    }

    /// Waits until no alert of that name stands: each was delivered again with its end in the past.
    pub(crate) async fn ends(&self, name: &str) -> Result<()> {
        let over = |standing: &Standing| {
            let mut alerts = standing.values().filter(|alert| alert.name() == name);
            alerts.all(|alert| alert.over).then_some(())
        };
        self.until(over).await.with_context(|| format!("{name} did not resolve"))
    }

    /// Names of alerts that came, and are none of these.
    pub(crate) fn bystanders<'a>(&self, known: impl Iterator<Item = &'a str>) -> Vec<String> {
        let known: Vec<&str> = known.collect();
        let standing = self.standing.borrow();
        let mut names: Vec<String> = standing.values().map(|it| it.name().to_owned()).collect();
        names.retain(|name| !known.contains(&name.as_str()));
        names.sort();
        names.dedup();
        names
    }

    async fn until<T>(&self, found: impl Fn(&Standing) -> Option<T>) -> Result<T> {
        let mut standing = self.standing.clone();
        let search = async {
            let standing = standing.wait_for(|standing| found(standing).is_some()).await;
            found(&*standing.context("nobody receives alerts any more")?)
                .context("an alert changed as it was looked at")
        };
        timeout(PATIENCE, search).await.map_err(|_| anyhow!("waited {} s", PATIENCE.as_secs()))?
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(
    State(standing): State<watch::Sender<Standing>>,
    Json(alerts): Json<Vec<Alert>>,
) -> StatusCode {
    let now = Timestamp::now();
    standing.send_modify(|standing| {
        for alert in alerts {
            let over = alert.ends_at <= now;
            standing.insert(alert.labels.clone(), Alert { over, ..alert });
        }
    });
    StatusCode::OK
}
