//! An image server with ranges, and with the manners of servers that lack them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// How an image server treats requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Ranges,
    /// Ignores `Range` and sends everything.
    Whole,
    /// Answers this status once for each ranged read left in the count.
    Failing(StatusCode, u32),
}

pub(crate) struct ImageServer {
    base: String,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

struct Shared {
    images: Mutex<BTreeMap<String, Bytes>>,
    manner: Mutex<Manner>,
    log: Mutex<Vec<String>>,
}

impl ImageServer {
    pub(crate) async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            images: Mutex::default(),
            manner: Mutex::new(Manner::Ranges),
            log: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (Arc::clone(&own), tls.clone());
                connections.spawn(async move {
                    let service = service_fn(|request| {
                        let answer = respond(&shared, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let http = http1::Builder::new();
                    match tls {
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            let _ = http.serve_connection(TokioIo::new(stream), service).await;
                        }
                        None => {
                            let _ = http.serve_connection(TokioIo::new(stream), service).await;
                        }
                    }
                });
            }
        });
        Self { base, shared, _serving: AbortOnDropHandle::new(serving) }
    }

    /// Serves an image and answers its URL.
    pub(crate) fn put(&self, name: &str, image: Vec<u8>) -> String {
        self.shared.images.lock().unwrap().insert(name.to_owned(), Bytes::from(image));
        self.url(name)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/media/sekrit-token/{name}", self.base)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Requests so far, as `METHOD name range`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().clone()
    }
}

fn respond(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let name = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let range = request.headers().get(header::RANGE).map(|value| value.to_str().unwrap());
    let line = format!("{} {name} {}", request.method(), range.unwrap_or("-"));
    shared.log.lock().unwrap().push(line);
    let status = |code| Response::builder().status(code).body(Full::default()).unwrap();
    let Some(image) = shared.images.lock().unwrap().get(&name).cloned() else {
        return status(StatusCode::NOT_FOUND);
    };
    let whole = Response::builder().header(header::ETAG, "\"v1\"");
    if request.method() == http::Method::HEAD {
        let sized = whole.header(header::CONTENT_LENGTH, image.len());
        return sized.body(Full::default()).unwrap();
    }
    let mut manner = shared.manner.lock().unwrap();
    match *manner {
        Manner::Whole => return whole.body(Full::new(image)).unwrap(),
        Manner::Failing(code, left) if left > 0 => {
            *manner = Manner::Failing(code, left - 1);
            return status(code);
        }
        Manner::Ranges | Manner::Failing(..) => {}
    }
    let (from, to) = range.unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    whole
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {from}-{to}/{}", image.len()))
        .body(Full::new(image.slice(from..=to)))
        .unwrap()
}

/// A certificate for the loopback address, and the acceptor that shows it.
pub(crate) fn certificate() -> (String, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (certificate.pem(), TlsAcceptor::from(Arc::new(config)))
}
