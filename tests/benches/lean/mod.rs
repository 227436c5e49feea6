//! The cheapest client there is, so that what is measured is the server: a keep-alive connection over
//! TLS that sends bytes made before and reads whole answers.

use std::{fs, sync::Arc};

use anyhow::{Context, Result, ensure};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use shoal_tests::Ready;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Largest answer.
const ANSWER_MAX: usize = 2 << 20;

/// One connection with the administrator's token.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    head: String,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(ready: &Ready) -> Result<Self> {
        let token = fs::read_to_string(&ready.admin_token_file)?;
        let address = ready.api.strip_prefix("https://").context("the API is not https")?;
        let name = ServerName::try_from("127.0.0.1")?;
        let stream = connector(ready)?.connect(name, TcpStream::connect(address).await?).await?;
        let head = format!("Host: {address}\r\nAuthorization: Bearer {}\r\n", token.trim());
        Ok(Self { stream, head, buffer: vec![0; ANSWER_MAX] })
    }

    /// The bytes of a GET.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\n{}\r\n", self.head).into_bytes()
    }

    /// The bytes of a POST of JSON.
    pub(crate) fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let (head, len) = (&self.head, body.len());
        let json = "Content-Type: application/json";
        format!("POST {path} HTTP/1.1\r\n{head}{json}\r\nContent-Length: {len}\r\n\r\n{body}")
            .into_bytes()
    }

    /// Sends a request and reads its answer, which must have that status.
    pub(crate) async fn exchange(&mut self, request: &[u8], status: u16) -> Result<()> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(room).await?;
            ensure!(read > 0, "the answer broke off or is larger than the buffer");
            filled += read;
            if is_whole(self.buffer.get(..filled).unwrap_or_default(), status)? {
                return Ok(());
            }
        }
    }
}

fn connector(ready: &Ready) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(&ready.ca_file)?) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn is_whole(answer: &[u8], status: u16) -> Result<bool> {
    let Some(end) = answer.windows(4).take(4096).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default())?.to_ascii_lowercase();
    ensure!(head.starts_with(&format!("http/1.1 {status}")), "answered {head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("an answer without a length")?.trim().parse()?;
    Ok(answer.len() >= end + 4 + length)
}
