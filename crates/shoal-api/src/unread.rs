//! What a handler leaves of a body. Many clients send the head of a request and its body apart. If the
//! answer is there before the body, the HTTP library ends the connection, and a client that was not
//! told loses its next request. So a short rest is read before the answer goes out, and with a long or
//! slow one the answer says that the connection ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use http::{Version, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::{sync::oneshot, time::timeout};

/// Bytes that a rest may have to be read.
const SHORT: u64 = 8 * 1024;
/// Longest wait for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A body that comes back from whoever drops it.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            // Nobody may be waiting for it any more.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}

/// The body of a request that somebody else handles.
pub(crate) enum Rest {
    /// There is none, or it shares its connection with others and ends alone.
    Nothing,
    /// It is lent to the handler.
    Lent(oneshot::Receiver<Body>),
    /// It is too long to be waited for, or the client waits with it until it is asked.
    Long,
}

impl Rest {
    /// Lends the body of a request to its handler.
    pub(crate) fn of(request: Request) -> (Request, Self) {
        if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
            return (request, Self::Nothing);
        }
        let short = request.body().size_hint().upper().is_some_and(|most| most <= SHORT);
        if !short || request.headers().contains_key(header::EXPECT) {
            return (request, Self::Long);
        }
        let (back, rest) = oneshot::channel();
        let request = request.map(|body| Body::new(Lent { body, back: Some(back) }));
        (request, Self::Lent(rest))
    }

    /// Reads what is left of it; whether the connection has to end after the answer. A long one was
    /// read by its handler, unless the request was refused.
    pub(crate) async fn ends_connection(self, refused: bool) -> bool {
        let mut body = match self {
            Self::Nothing => return false,
            Self::Long => return refused,
            // Who still has it after the answer reads it.
            Self::Lent(mut rest) => match rest.try_recv() {
                Ok(body) => body,
                Err(_) => return false,
            },
        };
        let read = async {
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return false;
                }
            }
            true
        };
        !timeout(PATIENCE, read).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, response::Response, routing::post};
    use futures_util::FutureExt as _;
    use tokio::sync::mpsc;
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        error::{Code, Error},
        observe,
    };

    const BODY: &[u8] = b"{\"reason\": \"later\"}";

    /// A body of a known length that comes when the test sends it.
    struct Coming(mpsc::UnboundedReceiver<Bytes>);

    impl HttpBody for Coming {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(BODY.len() as u64)
        }
    }

    /// What is answered to a request whose body is yet to come.
    fn call(path: &str) -> (mpsc::UnboundedSender<Bytes>, impl Future<Output = Response> + use<>) {
        let refuse = async || Error::new(Code::NoJob, "there is no such job");
        let app = Router::new()
            .route("/refused", post(refuse))
            .route("/read", post(async |body: Bytes| body))
            .layer(middleware::from_fn(observe::request));
        let (send, sent) = mpsc::unbounded_channel();
        let request = http::Request::post(path).body(Body::new(Coming(sent))).unwrap();
        (send, async { app.oneshot(request).await.unwrap() })
    }

    #[tokio::test]
    async fn a_refusal_waits_for_a_short_body_and_keeps_the_connection() {
        let (send, answer) = call("/refused");
        let mut answer = std::pin::pin!(answer);
        assert!(answer.as_mut().now_or_never().is_none(), "it was answered before its body came");
        send.send(Bytes::from_static(BODY)).unwrap();
        drop(send);
        let answer = answer.await;
        assert_eq!(
            (answer.status(), answer.headers().get(header::CONNECTION)),
            (404.try_into().unwrap(), None)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_ends_the_connection_and_the_client_is_told() {
        let (_send, answer) = call("/refused");
        let answer = answer.await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()[header::CONNECTION], "close");
    }

    #[tokio::test]
    async fn a_body_that_is_read_comes_whole() {
        let (send, answer) = call("/read");
        send.send(Bytes::from_static(BODY)).unwrap();
        drop(send);
        let answer = answer.await;
        assert_eq!(answer.headers().get(header::CONNECTION), None);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), BODY);
    }
}
