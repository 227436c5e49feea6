//! The public HTTP API as an operator's program uses it.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Event, Job, Machine, PATIENCE, Ready};

/// Longest call; streams are bounded by silence instead.
const CALL: Duration = PATIENCE;
/// Longest silence of a stream, which sends a comment every 15 s.
const SILENCE: Duration = Duration::from_mins(3);

/// A caller of the API. Clones share connections.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    admin: String,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The body; null where there is none.
    pub body: Value,
}

impl Answer {
    /// The body, if the status is the wanted one.
    ///
    /// # Errors
    /// Otherwise, with the whole answer.
    pub fn wants(self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!("answered {} instead of {status}: {}", self.status, self.body);
        }
        Ok(self.body)
    }

    /// The stable code of a refusal, if the status is the wanted one.
    pub fn refusal(self, status: u16) -> Result<String> {
        let body = self.wants(status)?;
        let code = body.get("error").and_then(Value::as_str);
        code.map(str::to_owned).with_context(|| format!("a refusal without a code: {body}"))
    }
}

impl Api {
    pub(crate) fn connect(ready: &Ready) -> Result<Self> {
        let read =
            |path| fs::read(path).with_context(|| format!("read {}", ready.ca_file.display()));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&read(&ready.ca_file)?) {
            roots.add(certificate.context("read the controller's authority")?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let token = fs::read_to_string(&ready.admin_token_file)
            .with_context(|| format!("read {}", ready.admin_token_file.display()))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .context("use the administrator's token")?;
        bearer.set_sensitive(true);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .read_timeout(SILENCE)
            .build()
            .context("make an HTTP client")?;
        Ok(Self { http, base: ready.api.clone(), admin: ready.admin.clone() })
    }

    /// Sends a request and takes whatever is answered.
    ///
    /// # Errors
    /// Only when there is no answer, or it is not JSON.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let request = self.http.request(method.clone(), format!("{}/api/v1{path}", self.base));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        answer(request).await.with_context(|| format!("{method} {path}"))
    }

    /// `GET` of a path.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, None).await
    }

    /// `POST` of a body to a path.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `DELETE` of a path.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.call(Method::DELETE, path, None).await
    }

    /// Calls as somebody with a password.
    pub async fn get_as(&self, user: &str, password: &str, path: &str) -> Result<Answer> {
        let url = format!("{}/api/v1{path}", self.base);
        answer(self.http.get(url).basic_auth(user, Some(password))).await
    }

    /// Calls with another token than the administrator's.
    pub async fn get_with(&self, token: &str, path: &str) -> Result<Answer> {
        let url = format!("{}/api/v1{path}", self.base);
        answer(self.http.get(url).bearer_auth(token)).await
    }

    /// Asks for a path of the listener itself, and answers the text.
    pub async fn text_at(&self, path: &str) -> Result<String> {
        let request = self.http.get(format!("{}{path}", self.base)).timeout(CALL);
        Ok(request.send().await?.text().await?)
    }

    /// A request made by hand, at a path below the origin: another body, other headers. Answers are
    /// the caller's to read.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).timeout(CALL)
    }

    /// Makes a machine known, trusting its BMC by the fingerprint of its certificate.
    pub async fn enrol(&self, machine: &Machine) -> Result<()> {
        self.put_server(machine.serial(), &machine.record()).await?.wants(201)?;
        Ok(())
    }

    /// `PUT /servers/{serial}`.
    pub async fn put_server(&self, serial: &str, record: &Value) -> Result<Answer> {
        self.call(Method::PUT, &format!("/servers/{serial}"), Some(record)).await
    }

    /// `POST /jobs`; gives the id of the job that was accepted.
    pub async fn create_job(&self, request: &Value) -> Result<String> {
        let body = self.call(Method::POST, "/jobs", Some(request)).await?.wants(202)?;
        let id = body.get("job_id").and_then(Value::as_str);
        id.map(str::to_owned).with_context(|| format!("accepted without an id: {body}"))
    }

    /// `POST /jobs` with an `Idempotency-Key`.
    pub async fn create_job_once(&self, request: &Value, key: &str) -> Result<Answer> {
        let url = format!("{}/api/v1/jobs", self.base);
        answer(self.http.post(url).header("Idempotency-Key", key).json(request)).await
    }

    /// `GET /jobs/{id}`.
    pub async fn job(&self, id: &str) -> Result<Job> {
        let body = self.call(Method::GET, &format!("/jobs/{id}"), None).await?.wants(200)?;
        Job::read(body)
    }

    /// `POST /jobs/{id}/cancel`, `fail` and the like.
    pub async fn tell(&self, id: &str, verb: &str, body: &Value) -> Result<Answer> {
        self.call(Method::POST, &format!("/jobs/{id}/{verb}"), Some(body)).await
    }

    /// `POST /jobs/{id}/cancel`.
    pub async fn cancel(&self, id: &str) -> Result<()> {
        self.tell(id, "cancel", &json!({})).await?.wants(202)?;
        Ok(())
    }

    /// The whole history of a job, oldest first.
    pub async fn events(&self, id: &str) -> Result<Vec<Event>> {
        #[derive(Deserialize)]
        struct Page {
            events: Vec<Event>,
            next: Option<i64>,
        }
        let (mut events, mut after) = (Vec::new(), Some(0));
        while let Some(seen) = after {
            let path = format!("/jobs/{id}/events?after={seen}&limit=100");
            let body = self.call(Method::GET, &path, None).await?.wants(200)?;
            let page: Page = serde_json::from_value(body).context("understand a page of events")?;
            events.extend(page.events);
            after = page.next.filter(|next| *next > seen);
        }
        Ok(events)
    }

    /// Opens the stream of a job's events after the one with the id `after`.
    pub(crate) async fn stream(&self, id: &str, after: i64) -> Result<reqwest::Response> {
        let request = self
            .http
            .get(format!("{}/api/v1/jobs/{id}/events", self.base))
            .header("Accept", "text/event-stream")
            .header("Last-Event-ID", after.to_string());
        Ok(request.send().await?.error_for_status()?)
    }

    /// Posts a report as a maintenance OS would, with its token.
    pub async fn report(&self, serial: &str, token: &str, report: &Value) -> Result<Answer> {
        let mut secret = HeaderValue::try_from(token.trim()).context("use a job's token")?;
        secret.set_sensitive(true);
        let url = format!("{}/api/v1/status-webhook/{serial}", self.base);
        answer(self.http.post(url).header("X-Webhook-Secret", secret).json(report)).await
    }

    /// Fetches what a media address leads to.
    pub async fn download(&self, url: &str) -> Result<Vec<u8>> {
        let answer = self.http.get(url).timeout(CALL).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// Reads a stretch of a medium as a BMC does; answers the status and how many bytes came.
    pub async fn read(&self, url: &str, offset: usize, len: usize) -> Result<(u16, usize)> {
        let range = format!("bytes={offset}-{}", offset + len - 1);
        let answer = self.http.get(url).header("Range", range).timeout(CALL).send().await?;
        let status = answer.status().as_u16();
        let counts = status == 206;
        // What a refusal says is none of the medium's bytes.
        let bytes = answer.bytes().await.map_or(0, |bytes| bytes.len());
        Ok((status, if counts { bytes } else { 0 }))
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        let request = self.http.get(format!("{}/metrics", self.admin)).timeout(CALL);
        Ok(request.send().await?.error_for_status()?.text().await?)
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.timeout(CALL).send().await?;
    let status = response.status().as_u16();
    let text = response.bytes().await?;
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&text)
            .with_context(|| format!("answered {status} with {}", String::from_utf8_lossy(&text)))?
    };
    Ok(Answer { status, body })
}
