//! A client that asks the registry for much and takes nothing of it loses its connection, through the
//! listener as it is served.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
};
use http_body_util::Full;
use shoal_controller::listen::{Drained, Limits, serve};
use shoal_oci::{
    Algorithm, Config, Digest, Registry, audit::LogAudit, auth::Open, http::Service,
    registry::Incoming,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// More than the sockets of both sides hold.
const MUCH: usize = 48 << 20;

#[tokio::test]
async fn who_takes_nothing_of_a_blob_is_cut() {
    let root = tempfile::tempdir().unwrap();
    let mut config = Config::new(root.path());
    config.limits.headroom_bytes = 0;
    config.limits.stall = Duration::from_millis(50);
    let opened = tokio::task::spawn_blocking(|| Registry::open(config)).await.unwrap();
    let registry = opened.unwrap();
    let content = vec![7; MUCH];
    let digest = Digest::of(Algorithm::Sha256, &content);
    let body = Full::new(Bytes::from(content));
    let incoming = Incoming { body, length: None, range: None };
    registry.put_blob(&"a".parse().unwrap(), digest, incoming).await.unwrap();
    let service = Service::new(registry, Arc::new(Open), Arc::new(LogAudit));
    let router = Router::new().fallback(move |request: Request| {
        let service = service.clone();
        async move { service.respond(request).await.map(Body::new) }
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    // A stop waits for as long as it takes: what ends the connection is the registry's patience.
    let limits = Limits { drain: Duration::from_hours(1), ..Limits::default() };
    let served = tokio::spawn(serve(listener, None, router, limits, stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client.readable().await.unwrap();

    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_mins(5), served).await;
    assert_eq!(ended.expect("the connection goes on").unwrap().unwrap(), Drained { cut: 0 });

    let mut taken = Vec::new();
    // The end of a connection that was cut may be an error.
    let _ = client.read_to_end(&mut taken).await;
    assert!(taken.starts_with(b"HTTP/1.1 200"));
    assert!(taken.len() < MUCH, "{} bytes", taken.len());
}
