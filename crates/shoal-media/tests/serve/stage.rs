//! Everything around the server that the tests control: catalog, ledger, clock, listener, client.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use shoal_media::{
    Body, Catalog, Clock, Content, Digest, Extent, Form, Grant, Key, KeyId, Keyring, Kind,
    LedgerDown, MediaServer, Medium, Milestone, Milestones, ObjectId, OpenError, Opened, ReadSpan,
    Tripwire,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

pub(crate) const NOW: u32 = 1_800_000_000;
pub(crate) const TASK: ObjectId = ObjectId([1; 16]);
pub(crate) const BOOT: ObjectId = ObjectId([2; 16]);
pub(crate) const KIB: u64 = 1024;

/// What the ledger does when asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ledger {
    Works,
    Hangs,
    Fails,
}

pub(crate) struct Shelf {
    pub(crate) media: Mutex<HashMap<ObjectId, Result<Opened, OpenError>>>,
    pub(crate) ledger: watch::Sender<Ledger>,
    /// One permit for each commit asked for.
    pub(crate) asked: Semaphore,
    pub(crate) committed: Mutex<Vec<(ObjectId, Milestone)>>,
    pub(crate) observed: mpsc::UnboundedSender<(ObjectId, Extent)>,
}

impl Catalog for Shelf {
    async fn open(&self, object: ObjectId, _: Kind) -> Result<Opened, OpenError> {
        self.media.lock().unwrap().get(&object).cloned().unwrap_or(Err(OpenError::Gone))
    }

    async fn commit_milestone(&self, object: ObjectId, m: Milestone) -> Result<(), LedgerDown> {
        self.asked.add_permits(1);
        let mut ledger = self.ledger.subscribe();
        let now = *ledger.wait_for(|now| *now != Ledger::Hangs).await.map_err(|_| LedgerDown)?;
        if now == Ledger::Fails {
            return Err(LedgerDown);
        }
        self.committed.lock().unwrap().push((object, m));
        Ok(())
    }

    fn observe(&self, object: ObjectId, read: ReadSpan) {
        self.observed.send((object, read.extent)).ok();
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct HandClock {
    unix: Arc<AtomicU64>,
    monotonic: Arc<AtomicU64>,
}

impl HandClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.unix.fetch_add(seconds, Ordering::SeqCst);
        self.monotonic.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn unix_seconds(&self) -> u64 {
        self.unix.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.monotonic.load(Ordering::SeqCst))
    }
}

pub(crate) struct Stage {
    pub(crate) server: Arc<MediaServer<Shelf>>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) clock: HandClock,
    pub(crate) reads: mpsc::UnboundedReceiver<(ObjectId, Extent)>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = HandClock::default();
        clock.advance(u64::from(NOW));
        let (observed, reads) = mpsc::unbounded_channel();
        let shelf = Arc::new(Shelf {
            media: Mutex::default(),
            ledger: watch::Sender::new(Ledger::Works),
            asked: Semaphore::new(0),
            committed: Mutex::default(),
            observed,
        });
        let keyring = Keyring::new(key(1, 1), vec![]).unwrap();
        let server = Arc::new(MediaServer::new(Arc::clone(&shelf), keyring, clock.clone()));
        Self { server, shelf, clock, reads }
    }

    /// The same catalog and ledger behind a new process: nothing in memory survives.
    pub(crate) fn restarted(mut self) -> Self {
        let keyring = Keyring::new(key(1, 1), vec![]).unwrap();
        let shelf = Arc::clone(&self.shelf);
        self.server = Arc::new(MediaServer::new(shelf, keyring, self.clock.clone()));
        self
    }

    pub(crate) fn put(&self, object: ObjectId, medium: &Medium) {
        self.put_read(object, medium, &[]);
    }

    pub(crate) fn medium(&self, object: ObjectId) -> Medium {
        self.shelf.media.lock().unwrap().get(&object).unwrap().clone().unwrap().medium
    }

    pub(crate) fn put_read(&self, object: ObjectId, medium: &Medium, already: &[Milestone]) {
        let already: Milestones = already.iter().copied().collect();
        let opened = Opened { medium: medium.clone(), already, together: BOOT };
        self.shelf.media.lock().unwrap().insert(object, Ok(opened));
    }

    pub(crate) fn refuse(&self, object: ObjectId, error: OpenError) {
        self.shelf.media.lock().unwrap().insert(object, Err(error));
    }

    pub(crate) fn ledger(&self, now: Ledger) {
        self.shelf.ledger.send_replace(now);
    }

    /// Returns when a commit is being asked for.
    pub(crate) async fn commit_asked(&self) {
        self.shelf.asked.acquire().await.unwrap().forget();
    }

    pub(crate) fn committed(&self) -> Vec<Milestone> {
        self.shelf.committed.lock().unwrap().iter().map(|(_, milestone)| *milestone).collect()
    }

    pub(crate) fn path(&self, object: ObjectId, kind: Kind) -> String {
        self.server.keyring().sign(&grant(object, kind)).as_str().to_owned()
    }

    /// A request without a socket.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.respond(&request.body(()).unwrap().into_parts().0).await
    }

    pub(crate) async fn get(&self, path: &str, range: &str) -> Response<Body> {
        self.send("GET", path, &[("range", range)]).await
    }

    /// Serves the media on a loopback port until the runtime ends.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::clone(&self.server);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = Arc::clone(&server);
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let server = Arc::clone(&server);
                    async move {
                        let (head, _) = request.into_parts();
                        Ok::<_, std::convert::Infallible>(server.respond(&head).await)
                    }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
            }
        });
        address
    }
}

pub(crate) fn key(id: u16, fill: u8) -> Key {
    Key::new(KeyId::new(id).unwrap(), vec![fill; 32]).unwrap()
}

pub(crate) fn grant(object: ObjectId, kind: Kind) -> Grant {
    Grant { object, kind, form: Form::Iso, expires_at: NOW + 3600 }
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(len: u64) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8) ^ (n >> 16)).to_le_bytes()[0]).collect()
}

pub(crate) fn medium(bytes: &[u8], tripwires: &[(Milestone, u64, u64)]) -> Medium {
    let content = Content::memory(Bytes::copy_from_slice(bytes));
    Medium::new(content, Digest::of(bytes), wires(tripwires)).unwrap()
}

pub(crate) fn file_medium(bytes: &[u8], tripwires: &[(Milestone, u64, u64)]) -> Medium {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Medium::new(Content::file(file).unwrap(), Digest::of(bytes), wires(tripwires)).unwrap()
}

pub(crate) fn wires(tripwires: &[(Milestone, u64, u64)]) -> Vec<Tripwire> {
    let wire = |&(milestone, offset, len): &(Milestone, u64, u64)| Tripwire {
        milestone,
        extent: Extent::new(offset, len).unwrap(),
    };
    tripwires.iter().map(wire).collect()
}

pub(crate) async fn bytes_of(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// A client that shows every byte as it comes.
pub(crate) struct RawClient(pub(crate) TcpStream);

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &str) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: media\r\n{headers}\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// The response head, lower case.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    pub(crate) async fn body(&mut self, len: u64) -> Vec<u8> {
        let mut body = vec![0; usize::try_from(len).unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        body
    }

    /// What still comes until the server hangs up.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.ok();
        rest
    }
}
