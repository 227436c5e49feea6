//! A server of images in memory, by ranges, as BMCs want it.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use shoal_redfish::{MediaUrl, Scheme};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

type Shelf = Arc<Mutex<BTreeMap<String, Bytes>>>;

pub(crate) struct Images {
    base: String,
    shelf: Shelf,
    serving: AbortHandle,
}

impl Images {
    /// Serves over plain HTTP, or over TLS with a certificate that nobody knows.
    pub(crate) async fn start(scheme: Scheme) -> Self {
        let shelf = Shelf::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("{scheme}://{}/media", listener.local_addr().unwrap());
        // Axum answers HEAD from the same route, without the body.
        let router =
            Router::new().route("/media/{name}", get(image)).with_state(Arc::clone(&shelf));
        let serving = tokio::spawn(async move {
            let _ = match scheme {
                Scheme::Https => axum::serve(Secure::new(listener), router).await,
                _ => axum::serve(listener, router).await,
            };
        });
        Self { base, shelf, serving: serving.abort_handle() }
    }

    pub(crate) fn put(&self, name: &str, image: Vec<u8>) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.insert(name.to_owned(), Bytes::from(image));
    }

    pub(crate) fn url(&self, name: &str) -> MediaUrl {
        MediaUrl::parse(&format!("{}/{name}", self.base)).unwrap()
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Accepts connections and shakes hands on them.
struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Secure {
    fn new(listener: TcpListener) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

async fn image(
    State(shelf): State<Shelf>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let image = shelf.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    let Some(image) = image else { return StatusCode::NOT_FOUND.into_response() };
    let tag = (header::ETAG, "\"1\"".to_owned());
    match wanted(&headers) {
        None => ([tag], Body::from(image)).into_response(),
        Some(range) if range.end <= image.len() => {
            let told = format!("bytes {}-{}/{}", range.start, range.end - 1, image.len());
            let told = (header::CONTENT_RANGE, told);
            (StatusCode::PARTIAL_CONTENT, [tag, told], image.slice(range)).into_response()
        }
        Some(_) => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
    }
}

fn wanted(headers: &HeaderMap) -> Option<Range<usize>> {
    let text = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (from, to) = text.split_once('-')?;
    Some(from.parse().ok()?..to.parse::<usize>().ok()? + 1)
}
