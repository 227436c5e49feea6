//! A real Prometheus, and the blackbox exporter that probes for it.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use shoal_tests::{PATIENCE, Ready};
use tokio::time::{sleep, timeout};

use crate::program::Program;

/// Longest answer to a query.
const CALL: Duration = Duration::from_mins(2);
/// Between two questions about the same thing.
const PAUSE: Duration = Duration::from_millis(250);
/// How fine what is drawn is.
const STEP: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Prometheus {
    server: Program,
    _exporter: Program,
    http: reqwest::Client,
}

/// One series of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    pub(crate) metric: BTreeMap<String, String>,
    /// The time and the value, of a query about now.
    value: Option<(f64, String)>,
    /// Times and values, of a query over time.
    #[serde(default)]
    pub(crate) values: Vec<(f64, String)>,
}

impl Series {
    /// Whether there is something to see: a share of nothing is a series and no number.
    pub(crate) fn has_a_number(&self) -> bool {
        let mut values = self.value.iter().chain(&self.values);
        values.any(|(_, value)| value.parse().is_ok_and(f64::is_finite))
    }
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    result: Value,
}

impl Prometheus {
    /// Starts both; they scrape and evaluate every second, and tell `alertmanager`.
    pub(crate) async fn start(
        directory: &Path,
        rules: &Path,
        controller: &Ready,
        alertmanager: SocketAddr,
    ) -> Result<Self> {
        let directory = directory.join("prometheus");
        fs::create_dir_all(&directory).context("make a directory for Prometheus")?;
        let exporter = exporter(&directory, controller).await?;
        let file = directory.join("prometheus.yml");
        let config = configuration(rules, controller, exporter.address(), alertmanager)?;
        // Every JSON document is a YAML document.
        fs::write(&file, config.to_string()).context("write Prometheus' configuration")?;
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", directory.join("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            "--rules.alert.resend-delay=1s".to_owned(),
        ];
        let ready = "Server is ready to receive web requests";
        let program = ("prometheus", "prometheus");
        let server = Program::start(program, &arguments, ready, &directory).await?;
        let http = reqwest::Client::builder().no_proxy().timeout(CALL).build()?;
        Ok(Self { server, _exporter: exporter, http })
    }

    /// What a query finds now.
    async fn query(&self, expr: &str) -> Result<Vec<Series>> {
        self.ask("query", &[("query", expr.to_owned())]).await
    }

    /// What a query found over the last while.
    pub(crate) async fn range(&self, expr: &str, span: Duration) -> Result<Vec<Series>> {
        let end = jiff::Timestamp::now();
        let start = end - jiff::SignedDuration::try_from(span)?;
        let parameters = [
            ("query", expr.to_owned()),
            ("start", start.to_string()),
            ("end", end.to_string()),
            ("step", format!("{}s", STEP.as_secs())),
        ];
        self.ask("query_range", &parameters).await
    }

    async fn ask(&self, call: &str, parameters: &[(&str, String)]) -> Result<Vec<Series>> {
        let url = format!("http://{}/api/v1/{call}", self.server.address());
        let answer: Answer = self
            .http
            .get(url)
            .query(parameters)
            .send()
            .await
            .context("ask Prometheus")?
            .json()
            .await
            .context("understand Prometheus")?;
        ensure!(answer.status == "success", "Prometheus refuses: {}", answer.error);
        let data = answer.data.context("Prometheus answers without data")?;
        match data.result {
            // A scalar is a time and a value, and one series.
            result @ Value::Array(_) if result.get(0).is_some_and(Value::is_number) => {
                let value = serde_json::from_value(result).context("understand a scalar")?;
                Ok(vec![Series { metric: BTreeMap::default(), value: Some(value), values: vec![] }])
            }
            result => serde_json::from_value(result).context("understand what Prometheus found"),
        }
    }

    /// Waits until a query finds a number.
    pub(crate) async fn answers(&self, expr: &str) -> Result<()> {
        let search = async {
            while !self.query(expr).await?.iter().any(Series::has_a_number) {
                sleep(PAUSE).await;
            }
            anyhow::Ok(())
        };
        match timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => bail!("{expr} found nothing within {} s", PATIENCE.as_secs()),
        }
    }
}

async fn exporter(directory: &Path, controller: &Ready) -> Result<Program> {
    let file = directory.join("blackbox.yml");
    let config = json!({"modules": {"shoal_livez": {
        "prober": "http",
        "timeout": "900ms",
        "http": {
            "valid_status_codes": [200],
            "follow_redirects": false,
            "fail_if_not_ssl": true,
            "tls_config": {"ca_file": controller.ca_file},
        },
    }}});
    fs::write(&file, config.to_string()).context("write the exporter's configuration")?;
    let arguments = [
        format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ];
    let name = "prometheus-blackbox-exporter";
    Program::start((name, name), &arguments, "Listening on", directory).await
}

/// The jobs are called as in the example for operators, since the rules know them by these names.
fn configuration(
    rules: &Path,
    controller: &Ready,
    exporter: SocketAddr,
    alertmanager: SocketAddr,
) -> Result<Value> {
    let admin = controller.admin.strip_prefix("http://").context("the admin listener is plain")?;
    Ok(json!({
        "global": {
            "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s",
        },
        "rule_files": [rules.join("*.yml")],
        "alerting": {"alertmanagers": [
            {"static_configs": [{"targets": [alertmanager.to_string()]}]},
        ]},
        "scrape_configs": [
            {"job_name": "shoal", "static_configs": [{"targets": [admin]}]},
            {
                "job_name": "shoal-livez",
                "metrics_path": "/probe",
                "params": {
                    "module": ["shoal_livez"], "target": [format!("{}/livez", controller.api)],
                },
                "static_configs": [{
                    "targets": [exporter.to_string()],
                    "labels": {"instance": controller.api},
                }],
            },
        ],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_is_no_number_at_any_time_shows_nothing() {
        let series = |json: Value| serde_json::from_value::<Series>(json).unwrap();
        assert!(series(json!({"metric": {}, "value": [1.5, "0"]})).has_a_number());
        assert!(!series(json!({"metric": {}, "value": [1.5, "NaN"]})).has_a_number());
        assert!(!series(json!({"metric": {}, "value": [1.5, "+Inf"]})).has_a_number());
        let values = |values: &[&str]| {
            let points: Vec<_> = values.iter().map(|value| json!([1.5, value])).collect();
            series(json!({"metric": {}, "values": points}))
        };
        assert!(values(&["NaN", "0.25", "NaN"]).has_a_number());
        assert!(!values(&["NaN", "NaN"]).has_a_number());
        assert!(!values(&[]).has_a_number());
    }
}
