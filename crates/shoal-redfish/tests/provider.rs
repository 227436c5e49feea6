//! A program that embeds this crate may have installed a rustls provider for the whole process, and
//! its own use of TLS must neither disturb ours nor be disturbed. The other tests run without one;
//! this one has a process of its own, because such a provider cannot be taken away again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use shoal_redfish::{Bmc, Credentials, Endpoint, Options, Secret, Tls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::{CryptoProvider, ring::default_provider},
        pki_types::PrivateKeyDer,
    },
};

const ROOT: &str = r#"{"@odata.id": "/redfish/v1/", "Vendor": "Contoso"}"#;

/// Answers every request with a service root.
async fn root_over_tls() -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    // Built as an embedding program would, from the provider of the process.
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 2048];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request.get(..read).unwrap().starts_with(b"GET /redfish/v1/ "));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ROOT.len());
            stream.write_all(format!("{head}{ROOT}").as_bytes()).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_provider_of_the_process_is_neither_needed_nor_in_the_way() {
    default_provider().install_default().unwrap();
    assert!(CryptoProvider::get_default().is_some());
    let url = root_over_tls().await;
    let account = || Credentials::new("admin", Secret::new("password"));
    let any = Tls::Insecure { reason: "a test on loopback".to_owned() };
    let first = Endpoint::new(&url, any, account()).unwrap();
    let seen = Bmc::connect(first, Options::default()).await.unwrap().certificate().unwrap();
    let pinned = Endpoint::new(&url, Tls::Pin(seen.sha256), account()).unwrap();
    Bmc::connect(pinned, Options::default()).await.unwrap();
}
