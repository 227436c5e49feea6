//! A trace collector: takes what controllers export as OTLP over HTTP, decodes it with the published
//! types, and shows it. It can also be one that fails, or one that never says a word.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1,
};
use prost::Message as _;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::PATIENCE;

/// Largest export that is read.
const LARGEST: usize = 16 << 20;

/// How a collector treats what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Takes it.
    Takes,
    /// Answers 500.
    Fails,
    /// Reads it and never answers.
    Silent,
}

/// A running collector; it ends when it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    told: watch::Receiver<Told>,
    serving: JoinHandle<()>,
}

/// Everything a collector was sent.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The spans, in the order in which they came.
    pub spans: Vec<Span>,
    /// The bytes of all exports.
    pub bytes: Vec<u8>,
}

/// One span. Ids are lower-case hex.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// `internal`, `server` or `client`.
    pub kind: &'static str,
    /// The trace it is in.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The id of its parent; empty for a root.
    pub parent: String,
    /// The trace and span of each link.
    pub links: Vec<(String, String)>,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether its status is an error.
    pub failed: bool,
    /// How many nanoseconds after its beginning it ended.
    pub nanos: u64,
}

impl Collector {
    /// Listens on loopback.
    pub async fn start(mood: Mood) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen")?;
        let address = listener.local_addr().context("read the collector's address")?;
        let (telling, told) = watch::channel(Told::default());
        let serving = tokio::spawn(async move {
            let telling = Arc::new(telling);
            while let Ok((stream, _)) = listener.accept().await {
                // What is no export ends its connection and nothing else.
                tokio::spawn(serve(stream, mood, Arc::clone(&telling)));
            }
        });
        Ok(Self { address, told, serving })
    }

    /// The base URL, as in `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything it was sent so far.
    pub fn told(&self) -> Told {
        self.told.borrow().clone()
    }

    /// Waits until the spans are as wanted.
    ///
    /// # Errors
    /// When they are not in time; names what came.
    pub async fn wait_for(&self, wanted: impl Fn(&[Span]) -> bool) -> Result<Vec<Span>> {
        let mut told = self.told.clone();
        let seen = timeout(PATIENCE, told.wait_for(|told| wanted(&told.spans))).await;
        if let Ok(seen) = seen {
            return Ok(seen.context("the collector has ended")?.spans.clone());
        }
        let names: Vec<String> = self.told().spans.into_iter().map(|span| span.name).collect();
        anyhow::bail!("the spans that were waited for did not come; there are {names:?}")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream, mood: Mood, telling: Arc<watch::Sender<Told>>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let body = export(&mut stream).await?;
        match mood {
            Mood::Takes => {
                let spans = spans(&body)?;
                telling.send_modify(|told| {
                    told.spans.extend(spans);
                    told.bytes.extend_from_slice(&body);
                });
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            }
            Mood::Fails => {
                let answer = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await?;
            }
            Mood::Silent => std::future::pending().await,
        }
    }
}

/// Reads one request and gives its body.
async fn export(stream: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        ensure!(stream.read_line(&mut line).await? > 0, "the connection ended");
        if line == "\r\n" {
            break;
        }
        head.push(line.to_ascii_lowercase());
    }
    let first = head.first().map(String::as_str).unwrap_or_default();
    ensure!(first.starts_with("post /v1/traces "), "this is no export: {first}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("an export without a length")?.trim().parse()?;
    ensure!(length <= LARGEST, "an export of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn spans(body: &[u8]) -> Result<Vec<Span>> {
    let export = ExportTraceServiceRequest::decode(body).context("decode an export")?;
    let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    Ok(scopes.flat_map(|scope| scope.spans).map(Span::of).collect())
}

impl Span {
    /// An attribute, empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map(String::as_str).unwrap_or_default()
    }

    fn of(span: v1::Span) -> Self {
        let kind = match span.kind {
            2 => "server",
            3 => "client",
            _ => "internal",
        };
        let links = span.links.iter();
        let links = links.map(|it| (HEXLOWER.encode(&it.trace_id), HEXLOWER.encode(&it.span_id)));
        let text = |value: Option<Value>| match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::BoolValue(flag)) => flag.to_string(),
            other => format!("{other:?}"),
        };
        Self {
            kind,
            trace_id: HEXLOWER.encode(&span.trace_id),
            span_id: HEXLOWER.encode(&span.span_id),
            parent: HEXLOWER.encode(&span.parent_span_id),
            links: links.collect(),
            failed: span.status.is_some_and(|status| status.code == 2),
            nanos: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
            attributes: (span.attributes.into_iter())
                .map(|it| (it.key, text(it.value.and_then(|value| value.value))))
                .collect(),
            name: span.name,
        }
    }
}
