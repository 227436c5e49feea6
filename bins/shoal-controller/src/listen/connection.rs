//! One connection from accept to end: handshake, protocol, requests, and the way it is asked to
//! finish. The HTTP library limits the head of a request but not the time before it knows which
//! protocol it speaks, so silence before the first request is watched for here.

use std::{convert::Infallible, future::pending, io, net::SocketAddr, pin::pin, sync::Arc};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use shoal_api::{Arrived, ClientCertificate};
use shoal_oci::http::{Patience, Watched};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Limits,
    answer::Answer,
    places::Place,
    stamp::{Stamp, Stamped},
};
use crate::tls::{Clients, Tls};

/// Requests of one HTTP/2 connection at one time.
const MOST_STREAMS: u32 = 128;

/// Bytes of all headers of one HTTP/2 request; HTTP/1 has its own bound on the whole head.
const MOST_HEADER_BYTES: u32 = 32 * 1024;

/// Bytes that HTTP/1 buffers, and with them the longest head.
const MOST_HEAD_BYTES: usize = 64 * 1024;

/// What all connections of one listener share.
#[derive(Clone)]
pub(super) struct Connection {
    tls: Option<(TlsAcceptor, Clients)>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    http: auto::Builder<TokioExecutor>,
}

/// Who is at the other end.
#[derive(Clone)]
struct Caller {
    peer: SocketAddr,
    shown: ClientCertificate,
    place: Arc<Place>,
    stamp: Stamp,
    patience: Patience,
}

impl Connection {
    pub(super) fn new(
        tls: Option<&Tls>,
        router: Router,
        limits: Limits,
        stop: CancellationToken,
    ) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(MOST_HEAD_BYTES);
        // A peer that vanished answers no ping; one that is merely idle does.
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.head)
            .keep_alive_timeout(limits.head)
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(MOST_HEADER_BYTES);
        let tls = tls.map(|tls| (TlsAcceptor::from(tls.server_config()), tls.clients()));
        Self { tls, router, limits, stop, http }
    }

    pub(super) async fn run(&self, stream: TcpStream, peer: SocketAddr, place: Arc<Place>) {
        // Small answers must not wait for the acknowledgement of the piece before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "could not set TCP_NODELAY");
        }
        let (stamp, patience) = (Stamp::default(), Patience::default());
        let stream = Watched::new(stream, patience.clone());
        let Some((tls, clients)) = &self.tls else {
            let shown = ClientCertificate::None;
            return self.serve(stream, Caller { peer, shown, place, stamp, patience }).await;
        };
        let handshake = timeout(self.limits.handshake, tls.accept(stream));
        // Nobody has been promised anything yet, so a stop may end a handshake.
        match self.stop.run_until_cancelled(handshake).await {
            None => {}
            Some(Ok(Ok(stream))) => {
                let shown = clients.shown(stream.get_ref().1);
                self.serve(stream, Caller { peer, shown, place, stamp, patience }).await;
            }
            Some(Ok(Err(error))) => {
                // Who merely went away, such as a check whether the port is open, failed at nothing.
                if error.kind() == io::ErrorKind::InvalidData {
                    metrics::counter!("tls_handshake_failures_total", "peer" => "client")
                        .increment(1);
                }
                tracing::debug!(%peer, %error, "TLS handshake failed");
            }
            Some(Err(_)) => tracing::debug!(%peer, "TLS handshake took too long"),
        }
    }

    async fn serve<S>(&self, stream: S, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, stamp) = (caller.peer, caller.stamp.clone());
        let heard = CancellationToken::new();
        let service = service_fn(|request: Request<Incoming>| {
            heard.cancel();
            self.answer(request, caller.clone())
        });
        let silence = async {
            if timeout(self.limits.head, heard.cancelled()).await.is_ok() {
                pending::<()>().await;
            }
        };
        let stream = TokioIo::new(Stamped::new(stream, stamp));
        let mut exchange = pin!(self.http.serve_connection(stream, service));
        let ended = tokio::select! {
            ended = exchange.as_mut() => ended,
            () = silence => {
                tracing::debug!(%peer, "connection sent no request in time");
                return;
            }
            () = self.stop.cancelled() => {
                exchange.as_mut().graceful_shutdown();
                exchange.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, error = %error, "connection ended early");
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        Caller { peer, shown, place, stamp, patience }: Caller,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
        let arrived = Arrived(stamp.arrival(request.version()));
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(shown);
        request.extensions_mut().insert(arrived);
        // A machine may take a medium as slowly as it boots; only the registry sets a limit.
        patience.lift();
        request.extensions_mut().insert(patience);
        let (router, busy) = (self.router.clone(), place.busy());
        async move {
            let response = router.oneshot(request).await?;
            Ok(response.map(|body| Body::new(Answer::new(body, busy, stamp))))
        }
    }
}
