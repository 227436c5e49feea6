//! The HTTP side of a BMC: request bodies, and the faults that strike between a
//! request and its answer. A request that arrived is carried out even when its sender is gone.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::mpsc;

use crate::{
    bmc::{Ask, Bmc, Body},
    fault::{Action, Fault, Verdict},
    journal::Ended,
    reply::{JSON, Reply},
    target::Target,
};

const MAX_BODY: usize = 1 << 20;

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut")]
pub(crate) struct Cut;

pub(crate) type Answer = Response<Either<Full<Bytes>, Drip>>;

/// Answers one request of a connection.
pub(crate) async fn respond(
    bmc: Arc<Bmc>,
    connection: u64,
    request: Request<Incoming>,
) -> Result<Answer, Cut> {
    let ask = receive(&bmc, connection, request).await?;
    let task = bmc.tasks.spawn(exchange(Arc::clone(&bmc), ask));
    task.await.unwrap_or(Err(Cut))
}

async fn receive(bmc: &Bmc, connection: u64, request: Request<Incoming>) -> Result<Ask, Cut> {
    let (head, body) = request.into_parts();
    let content = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Cut)?.to_bytes();
    let body = if content.is_empty() {
        Body::Empty
    } else {
        serde_json::from_slice(&content).map_or(Body::Other, Body::Json)
    };
    Ok(Ask {
        connection,
        at: bmc.clock.now(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        method: head.method,
        headers: head.headers,
        body,
        pretends: false,
    })
}

/// Carries out one request and records how it ended.
async fn exchange(bmc: Arc<Bmc>, mut ask: Ask) -> Result<Answer, Cut> {
    let shown =
        if ask.query.is_empty() { ask.path.clone() } else { format!("{}?{}", ask.path, ask.query) };
    let method = ask.method.as_str();
    let seq = bmc.journal.begin(ask.connection, ask.at, method, &shown, ask.json());
    let outcome = bmc.stop.run_until_cancelled(answer(&bmc, &mut ask, seq)).await;
    let outcome = outcome.unwrap_or(Err(Cut));
    bmc.journal.ended(
        seq,
        match &outcome {
            Ok(answer) => Ended::Answered(answer.status().as_u16()),
            Err(Cut) => Ended::Cut,
        },
    );
    outcome
}

async fn answer(bmc: &Arc<Bmc>, ask: &mut Ask, seq: u64) -> Result<Answer, Cut> {
    let method = ask.method.as_str();
    let target = Target::find(&bmc.persona, &ask.path);
    let intent = target.and_then(|target| target.intent(method, ask.json()));
    let Some((action, fault)) = bmc.faults.pick(method, &ask.path, intent) else {
        return Ok(plain(ask, &bmc.perform(ask, seq).await));
    };
    ask.pretends = matches!(action, Action::PretendInsert);
    if let Some(reply) = before(bmc, ask, &action, &fault).await? {
        return Ok(plain(ask, &reply));
    }
    let reply = bmc.perform(ask, seq).await;
    after(bmc, ask, reply, (action, fault)).await
}

/// What a fault does before the effect; an answer means that there is none.
async fn before(
    bmc: &Bmc,
    ask: &Ask,
    action: &Action,
    fault: &Fault,
) -> Result<Option<Reply>, Cut> {
    match action {
        Action::Status { code, message_id, retry_after } => {
            let reply = Reply::error(*code, message_id, "The request was not carried out.", &[]);
            Ok(Some(match retry_after {
                Some(value) => reply.with(header::RETRY_AFTER, value),
                None => reply,
            }))
        }
        Action::Delay(span) => {
            bmc.clock.sleep_until(ask.at + *span).await;
            Ok(None)
        }
        Action::HoldBefore if fault.hold().await == Verdict::Cut => Err(Cut),
        Action::CloseBefore => Err(Cut),
        Action::HoldBefore
        | Action::HoldAfter
        | Action::CloseAfter
        | Action::Truncate
        | Action::Html
        | Action::WrongJson
        | Action::Huge(_)
        | Action::SlowBody { .. }
        | Action::PretendInsert
        | Action::Rewrite { .. } => Ok(None),
    }
}

/// What a fault does between the effect and the answer.
async fn after(
    bmc: &Arc<Bmc>,
    ask: &Ask,
    reply: Reply,
    (action, fault): (Action, Fault),
) -> Result<Answer, Cut> {
    let other_body = |content_type, body: String| {
        let changed = Reply { body: Some((content_type, body)), ..reply.clone() };
        Ok(plain(ask, &changed))
    };
    match action {
        Action::HoldAfter if fault.hold().await == Verdict::Cut => Err(Cut),
        Action::CloseAfter => Err(Cut),
        Action::Html => other_body("text/html", "<html><body>Busy</body></html>".to_owned()),
        Action::WrongJson => other_body(JSON, "[7]".to_owned()),
        Action::Huge(bytes) => {
            let filler = "x".repeat(bytes.saturating_sub(14));
            other_body(JSON, format!("{{\"Filler\":\"{filler}\"}}"))
        }
        Action::Rewrite { pointer, value } => other_body(JSON, rewritten(&reply, &pointer, value)),
        Action::Truncate => Ok(dripping(bmc, &reply, (2, Duration::ZERO), ask.at, Ends::Early)),
        Action::SlowBody { pieces, pause } => {
            Ok(dripping(bmc, &reply, (pieces, pause), ask.at, Ends::Whole))
        }
        Action::HoldAfter
        | Action::HoldBefore
        | Action::CloseBefore
        | Action::Status { .. }
        | Action::PretendInsert
        | Action::Delay(_) => Ok(plain(ask, &reply)),
    }
}

/// The answer's document with another value at the pointer; unchanged where nothing is there.
fn rewritten(reply: &Reply, pointer: &str, value: serde_json::Value) -> String {
    let text = reply.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
    let Ok(mut document) = serde_json::from_str::<serde_json::Value>(&text) else { return text };
    if let Some(place) = document.pointer_mut(pointer) {
        *place = value;
    }
    document.to_string()
}

fn plain(ask: &Ask, reply: &Reply) -> Answer {
    let body = reply.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
    let mut answer = head(reply).map(|()| Either::Left(Full::new(Bytes::from(body))));
    if ask.method == http::Method::HEAD {
        *answer.body_mut() = Either::Left(Full::default());
    }
    answer
}

fn head(reply: &Reply) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() =
        http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some((content_type, _)) = &reply.body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name.clone(), value);
        }
    }
    answer
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Whole,
    Early,
}

/// An answer whose body comes in pieces, each a pause after the one before and the first a pause
/// after the request; one that ends early lacks the last piece.
fn dripping(
    bmc: &Arc<Bmc>,
    reply: &Reply,
    (pieces, pause): (u32, Duration),
    from: Duration,
    ends: Ends,
) -> Answer {
    let text = reply.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
    let body = Bytes::from(text);
    let len = body.len() as u64;
    let (sender, receiver) = mpsc::channel(1);
    let clock = bmc.clock.clone();
    let stop = bmc.stop.clone();
    bmc.tasks.spawn(async move {
        let pour = async {
            let size = body.len().div_ceil(pieces.max(1) as usize).max(1);
            let count = body.len().div_ceil(size);
            let mut at = from;
            for (number, piece) in body.chunks(size).enumerate() {
                at += pause;
                clock.sleep_until(at).await;
                let cut = ends == Ends::Early && number + 1 == count;
                let piece = if cut {
                    Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                } else {
                    Ok(Bytes::copy_from_slice(piece))
                };
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        };
        stop.run_until_cancelled(pour).await;
    });
    head(reply).map(|()| Either::Right(Drip { receiver, len }))
}

/// A body whose length is told at once and whose bytes come as they are sent.
pub(crate) struct Drip {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    len: u64,
}

impl HttpBody for Drip {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.receiver.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len)
    }
}
