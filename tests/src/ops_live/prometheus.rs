//! A real Prometheus, and the blackbox exporter that probes for it.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use shoal_tests::{PATIENCE, Ready};
use tokio::time::{sleep, timeout};

use crate::program::Program;

/// Longest answer to a query.
const CALL: Duration = Duration::from_secs(20);
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
    /// Times and values, of a query over time.
    #[serde(default)]
    pub(crate) values: Vec<(f64, String)>,
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
    pub(crate) async fn query(&self, expr: &str) -> Result<Vec<Series>> {
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
            Value::Array(items) if items.first().is_some_and(Value::is_number) => {
                Ok(vec![Series { metric: BTreeMap::default(), values: Vec::new() }])
            }
            result => serde_json::from_value(result).context("understand what Prometheus found"),
        }
    }

    /// Waits until a query finds something.
    pub(crate) async fn answers(&self, expr: &str) -> Result<()> {
        let search = async {
            while self.query(expr).await?.is_empty() {
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
