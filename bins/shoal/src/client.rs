//! The one HTTP client. Calls that change nothing are repeated when the way to the controller is
//! shaky; calls that change something are sent once, and when their answer is lost the error says
//! that they may have taken effect.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::{Error, Transport};
use crate::pace::Pace;
use crate::profile::{Access, Login};
use crate::tls::{self, TlsFault, Trust};
use crate::wire::Refusal;

/// No answer of the API comes near; a stranger's endless body must not fill the memory.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// The longest page that the controller gives.
const PAGE: usize = 500;

pub(crate) struct Client {
    http: reqwest::Client,
    access: Access,
    pace: Pace,
}

/// A call that changes something.
#[derive(Default)]
pub(crate) struct Write<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, String)],
    /// A JSON document.
    pub(crate) body: Option<String>,
    pub(crate) idempotency_key: Option<&'a str>,
    /// The controller talks to a BMC before it answers.
    pub(crate) looks: bool,
}

/// A list that comes in pages.
pub(crate) struct Listing<'a> {
    pub(crate) path: &'a [&'a str],
    /// The member of a page that holds its entries.
    pub(crate) entries: &'a str,
    /// The parameter that takes the `next` of an earlier page.
    pub(crate) cursor: &'a str,
}

/// The first entries of a list.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) entries: Vec<Value>,
    /// Null when there are no more.
    pub(crate) next: Value,
}

/// An answer that is not a refusal.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(access: Access, pace: Pace) -> Result<Self, Error> {
        let url = access.base.to_string();
        let tls_error = |fault| Error::Tls { url: url.clone(), fault };
        // Plain HTTP needs no authorities, and a machine without any must not stand in its way.
        let trust = if access.base.scheme() == "http" && access.trust == Trust::System {
            None
        } else {
            tls::config(&access.trust).map_err(tls_error)?
        };
        let builder = reqwest::Client::builder()
            .user_agent(concat!("shoal/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(pace.connect);
        let builder = match trust {
            Some(config) => builder.tls_backend_preconfigured(config),
            None if access.base.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        // All that can fail here is to load what the operating system trusts.
        let http = builder.build().map_err(|_| tls_error(TlsFault::NoSystem))?;
        Ok(Self { http, access, pace })
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// The controller's address, for messages.
    pub(crate) fn address(&self) -> &str {
        self.access.base.as_str()
    }

    /// Reads something; repeated while the controller is not there or asks to come back later.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Error> {
        let call = call_name(&Method::GET, path);
        let mut nth = 0;
        loop {
            let request = self.request(Method::GET, path).query(query).timeout(self.pace.call);
            let (error, asked) = match request.send().await {
                Ok(response) => {
                    let asked = retry_after(&response);
                    match self.read(&call, "repeat the command", response).await {
                        Ok(answer) => return Ok(answer.body),
                        Err(error) => (error, asked),
                    }
                }
                Err(source) => (failed(self.address(), source), None),
            };
            nth += 1;
            if nth >= self.pace.tries || !is_transient(&error) {
                return Err(error);
            }
            tokio::time::sleep(self.pace.pause(nth - 1, asked)).await;
        }
    }

    /// Reads a list page by page, at most `most` of its entries.
    pub(crate) async fn pages(
        &self,
        listing: &Listing<'_>,
        query: &[(&str, String)],
        most: usize,
    ) -> Result<List, Error> {
        let mut list = List { entries: Vec::new(), next: Value::Null };
        loop {
            let missing = most - list.entries.len();
            let mut query = query.to_vec();
            query.push(("limit", missing.min(PAGE).to_string()));
            match &list.next {
                Value::Null => {}
                Value::String(text) => query.push((listing.cursor, text.clone())),
                other => query.push((listing.cursor, other.to_string())),
            }
            let mut page = self.get(listing.path, &query).await?;
            let Some(Value::Array(entries)) = page.get_mut(listing.entries).map(Value::take) else {
                let call = call_name(&Method::GET, listing.path);
                let why = format!("no list of {}", listing.entries);
                return Err(Error::BadAnswer { call, why });
            };
            // A page without entries would lead to itself for ever.
            let is_last = entries.is_empty();
            list.entries.extend(entries.into_iter().take(missing));
            list.next = page.get_mut("next").map(Value::take).unwrap_or_default();
            if is_last || list.next.is_null() || list.entries.len() == most {
                return Ok(list);
            }
        }
    }

    /// Sends something once. `again` tells the operator how to find out or repeat it safely when no
    /// answer comes back.
    pub(crate) async fn send(&self, write: Write<'_>, again: &str) -> Result<Answer, Error> {
        let call = call_name(&write.method, write.path);
        let patience = if write.looks { self.pace.look } else { self.pace.call };
        let mut request =
            self.request(write.method, write.path).query(write.query).timeout(patience);
        if let Some(key) = write.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = write.body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        match request.send().await {
            Ok(response) => self.read(&call, again, response).await,
            Err(source) => match failed(self.address(), source) {
                // Anything but a failure to connect happens with the request on its way.
                Error::Unreachable { source, .. }
                    if !source.is_connect() && !source.is_builder() =>
                {
                    let source = Transport::Http(source);
                    Err(Error::Unanswered { call, again: again.to_owned(), source })
                }
                error => Err(error),
            },
        }
    }

    /// Opens a stream of the events after the one with the id `after`; none when there will be none.
    pub(crate) async fn stream(
        &self,
        path: &[&str],
        after: i64,
    ) -> Result<Option<Response>, Error> {
        let call = call_name(&Method::GET, path);
        let request = self
            .request(Method::GET, path)
            .header(header::ACCEPT, "text/event-stream")
            .header("Last-Event-ID", after);
        let lost = || Error::StreamLost { url: self.address().to_owned(), times: 1 };
        let sent = tokio::time::timeout(self.pace.call, request.send()).await;
        let response =
            sent.map_err(|_| lost())?.map_err(|source| failed(self.address(), source))?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        if response.status().is_success() {
            return streaming(&call, response).map(Some);
        }
        // A refusal is always an error; should its body get lost, the stream did.
        self.read(&call, "", response).await.and_then(|_| Err(lost()))
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match &self.access.login {
            Login::Nobody => request,
            Login::Token(token) => request.bearer_auth(token.reveal()),
            Login::Password { user, password } => request.basic_auth(user, Some(password.reveal())),
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.access.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        url
    }

    async fn read(&self, call: &str, again: &str, mut response: Response) -> Result<Answer, Error> {
        let status = response.status();
        let unanswered =
            |source| Error::Unanswered { call: call.to_owned(), again: again.to_owned(), source };
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| unanswered(Transport::Http(error)))?
        {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(unanswered(Transport::TooLarge { limit: MAX_ANSWER_BYTES }));
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let refusal = Box::new(Refusal::read(status, &bytes));
            return Err(Error::Refused { call: call.to_owned(), status: status.as_u16(), refusal });
        }
        let body = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
        let body = body.map_err(|error| Error::BadAnswer {
            call: call.to_owned(),
            why: format!("no JSON at line {}, column {}", error.line(), error.column()),
        })?;
        Ok(Answer { status, body })
    }
}

/// Reads a value of the API into one of our views of it.
pub(crate) fn view<T: DeserializeOwned>(call: &str, value: &Value) -> Result<T, Error> {
    T::deserialize(value)
        .map_err(|error| Error::BadAnswer { call: call.to_owned(), why: error.to_string() })
}

fn streaming(call: &str, response: Response) -> Result<Response, Error> {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_stream = content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/event-stream"));
    if is_stream {
        return Ok(response);
    }
    Err(Error::BadAnswer { call: call.to_owned(), why: "no stream of events".to_owned() })
}

fn call_name(method: &Method, path: &[&str]) -> String {
    format!("{method} /api/v1/{}", path.join("/"))
}

fn failed(url: &str, source: reqwest::Error) -> Error {
    match TlsFault::inside(&source) {
        Some(fault) => Error::Tls { url: url.to_owned(), fault },
        // The address is told by our own message, once.
        None => Error::Unreachable { url: url.to_owned(), source: source.without_url() },
    }
}

/// Whether the same read may well succeed a moment later.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error {
        Error::Unreachable { source, .. } => !source.is_builder(),
        Error::Unanswered { .. } | Error::StreamLost { .. } => true,
        Error::Refused { status, .. } => matches!(status, 429 | 502..=504),
        _ => false,
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
