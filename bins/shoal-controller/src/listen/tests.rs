//! Real sockets on loopback, with clients we did not write where there is one. Waiting always ends
//! by an event of the other side; the limits in here are short so that those events come soon.

mod flood;
mod machine;

use std::{
    fs::File,
    io::Write,
    net::{IpAddr, Ipv4Addr, TcpStream},
    os::fd::OwnedFd,
    path::PathBuf,
    process::Command,
    time::SystemTime,
};

use axum::{Extension, body::Body, routing::get};
use command_fds::{CommandFdExt, FdMapping};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::{
    settings::{Settings, Sources},
    tls::{Prepared, Tls},
};

/// Guards a test against waiting for something that never comes.
const GUARD: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<io::Result<Drained>>,
}

impl Server {
    fn start(router: Router, limits: Limits, tls: Option<&Arc<Tls>>) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, router, (limits, tls))
    }

    fn start_at(
        address: Ipv4Addr,
        router: Router,
        (limits, tls): (Limits, Option<&Arc<Tls>>),
    ) -> Self {
        let listener = StdListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let tls = tls.cloned();
        let task = tokio::spawn(serve(listener, tls, router, limits, stop.clone()));
        Self { address, stop, task }
    }

    async fn drained(self) -> Drained {
        self.stop.cancel();
        self.task.await.unwrap().unwrap()
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    async fn connect(&self) -> tokio::net::TcpStream {
        tokio::net::TcpStream::connect(self.address).await.unwrap()
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route(
        "/peer",
        get(|Extension(peer): Extension<SocketAddr>| async move { peer.to_string() }),
    )
}

/// A router whose answer consists of what is sent through the channel.
fn told() -> (Router, mpsc::Sender<io::Result<&'static str>>, oneshot::Receiver<()>) {
    let (sender, receiver) = mpsc::channel(4);
    let (asked, was_asked) = oneshot::channel();
    let once = Arc::new(std::sync::Mutex::new(Some((receiver, asked))));
    let answer = move || {
        let (receiver, asked) = once.lock().unwrap().take().unwrap();
        asked.send(()).unwrap();
        std::future::ready(Body::from_stream(ReceiverStream::new(receiver)))
    };
    (Router::new().route("/", get(answer)), sender, was_asked)
}

struct Identity {
    directory: tempfile::TempDir,
    settings: Settings,
    tls: Arc<Tls>,
}

impl Identity {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let set = vec![format!("STORAGE_ROOT={}", directory.path().display())];
        let settings = Settings::load(&Sources { set, ..Sources::default() }).unwrap().settings;
        let tls = Arc::new(Tls::open(&settings, SystemTime::now()).unwrap());
        Self { directory, settings, tls }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("tls/ca.pem")
    }

    /// A client that trusts this authority and nobody else.
    fn client(&self) -> reqwest::Client {
        self.client_with(None)
    }

    /// The same, with a certificate of its own and its key, PEM.
    fn client_with(&self, identity: Option<&[u8]>) -> reqwest::Client {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = reqwest::Certificate::from_pem(self.tls.trust().pem.as_bytes()).unwrap();
        let mut client = reqwest::Client::builder();
        if let Some(pem) = identity {
            client = client.identity(reqwest::Identity::from_pem(pem).unwrap());
        }
        client.tls_certs_only([ca]).tls_info(true).no_proxy().timeout(GUARD).build().unwrap()
    }
}

fn shown(response: &reqwest::Response) -> String {
    let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    crate::tls::fingerprint(&info.peer_certificate().unwrap().into())
}

/// Reads until the other side ends the connection.
async fn to_end(mut stream: tokio::net::TcpStream) -> Vec<u8> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = timeout(GUARD, stream.read_to_end(&mut bytes)).await.expect("the connection lives on");
    bytes
}

async fn write(stream: &mut tokio::net::TcpStream, bytes: &[u8]) {
    tokio::io::AsyncWriteExt::write_all(stream, bytes).await.unwrap();
}

fn short(head: u64) -> Limits {
    let short = Duration::from_millis(head);
    Limits { handshake: short, head: short, ..Limits::default() }
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_connects_and_handlers_see_its_address() {
    let identity = Identity::new();
    let server = Server::start(hello(), Limits::default(), Some(&identity.tls));

    let response = identity.client().get(server.url("https", "/peer")).send().await.unwrap();

    assert_eq!(shown(&response), identity.tls.leaf_sha256());
    let peer: SocketAddr = response.text().await.unwrap().parse().unwrap();
    assert_eq!(peer.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let stranger = Identity::new().client().get(server.url("https", "/")).send().await;
    assert!(stranger.unwrap_err().is_connect());
    server.drained().await;
}

#[tokio::test]
async fn curl_negotiates_either_protocol() {
    let identity = Identity::new();
    let server = Server::start(hello(), Limits::default(), Some(&identity.tls));
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let (url, ca) = (server.url("https", "/"), identity.ca());
        let curl = tokio::task::spawn_blocking(move || {
            let arguments = ["--silent", "--show-error", "--noproxy", "*", flag, "--write-out"];
            let mut curl = Command::new("curl");
            curl.args(arguments).arg(" %{http_version}").arg("--cacert").arg(ca).arg(url);
            curl.output().expect("curl is missing: apt-get install -y curl")
        });
        let said = curl.await.unwrap();
        let problem = String::from_utf8_lossy(&said.stderr);
        assert_eq!(String::from_utf8_lossy(&said.stdout), format!("hello {version}"), "{problem}");
    }
    server.drained().await;
}

#[tokio::test]
async fn exchanging_the_certificate_does_not_cut_an_open_transfer() {
    let identity = Identity::new();
    let (router, body, _asked) = told();
    let server = Server::start(
        router.route("/new", get(|| async {})),
        Limits::default(),
        Some(&identity.tls),
    );
    let before = identity.tls.leaf_sha256();
    body.send(Ok("first ")).await.unwrap();
    let mut transfer = identity.client().get(server.url("https", "/")).send().await.unwrap();
    assert_eq!(transfer.chunk().await.unwrap().unwrap(), "first ");

    std::fs::remove_file(identity.directory.path().join("tls/leaf.pem")).unwrap();
    let prepared = Prepared::read(&identity.settings, SystemTime::now()).unwrap();
    assert!(identity.tls.install(prepared));

    let fresh = identity.client().get(server.url("https", "/new")).send().await.unwrap();
    assert_eq!(shown(&fresh), identity.tls.leaf_sha256());
    assert_ne!(shown(&fresh), before);
    body.send(Ok("second")).await.unwrap();
    drop(body);
    assert_eq!(transfer.text().await.unwrap(), "second");
    server.drained().await;
}

#[tokio::test]
async fn a_peer_that_lingers_before_its_first_request_is_cut() {
    let server = Server::start(hello(), short(50), None);
    for beginning in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "PRI * HT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = server.connect().await;
        write(&mut stream, beginning.as_bytes()).await;
        let answer = to_end(stream).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK"), "{beginning:?}: {answer}");
    }
    server.drained().await;
}

#[tokio::test]
async fn a_peer_that_lingers_in_its_second_request_is_cut() {
    let server = Server::start(hello(), short(50), None);
    let mut stream = server.connect().await;

    write(&mut stream, b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo").await;

    let answer = to_end(stream).await;
    assert_eq!(String::from_utf8_lossy(&answer).matches("hello").count(), 1);
    server.drained().await;
}

#[tokio::test]
async fn a_peer_that_lingers_in_its_handshake_is_cut() {
    let identity = Identity::new();
    let server = Server::start(hello(), short(50), Some(&identity.tls));
    let mut stream = server.connect().await;

    write(&mut stream, &[0x16, 0x03, 0x01]).await;

    assert_eq!(to_end(stream).await, b"");
    server.drained().await;
}

#[tokio::test]
async fn an_answer_may_take_longer_than_any_limit_on_requests() {
    let (router, body, asked) = told();
    let server = Server::start(router, short(50), None);
    let mut stream = server.connect().await;
    write(&mut stream, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    asked.await.unwrap();

    // Another connection that is cut for its silence shows that the limit has passed.
    to_end(server.connect().await).await;
    body.send(Ok("late")).await.unwrap();
    drop(body);

    let answer = to_end(stream).await;
    assert!(String::from_utf8_lossy(&answer).contains("late"));
    server.drained().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let (router, body, asked) = told();
    let server = Server::start(router.route("/second", get(|| async { "second" })), limits, None);
    let mut first = server.connect().await;
    write(&mut first, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    asked.await.unwrap();

    let mut second = server.connect().await;
    write(&mut second, b"GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    body.send(Ok("first")).await.unwrap();
    let mut peeked = [0];
    let nothing = tokio::select! {
        biased;
        _ = second.peek(&mut peeked) => false,
        _ = first.readable() => true,
    };
    assert!(nothing, "the second connection was served beside the first");
    drop(body);

    assert!(String::from_utf8_lossy(&to_end(first).await).contains("first"));
    assert!(String::from_utf8_lossy(&to_end(second).await).contains("second"));
    server.drained().await;
}

#[tokio::test]
async fn draining_refuses_new_connections_and_finishes_what_is_under_way() {
    let (router, body, asked) = told();
    // An address of its own, at which nobody else can come to listen.
    let server = Server::start_at(Ipv4Addr::new(127, 0, 0, 2), router, (Limits::default(), None));
    let idle = server.connect().await;
    let mut busy = server.connect().await;
    write(&mut busy, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    asked.await.unwrap();

    server.stop.cancel();
    assert_eq!(to_end(idle).await, b"", "an idle connection holds nothing up");
    let refused = tokio::net::TcpStream::connect(server.address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    body.send(Ok("the whole ")).await.unwrap();
    body.send(Ok("answer")).await.unwrap();
    drop(body);

    let answer = String::from_utf8(to_end(busy).await).unwrap();
    assert!(answer.contains("the whole ") && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(server.drained().await, Drained { cut: 0 });
}

#[tokio::test]
async fn draining_ends_in_time_whatever_a_peer_does() {
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let (router, body, asked) = told();
    let server = Server::start(router, limits, None);
    let mut busy = server.connect().await;
    write(&mut busy, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    asked.await.unwrap();

    assert_eq!(server.drained().await, Drained { cut: 1 });

    to_end(busy).await;
    assert!(body.is_closed());
}

#[test]
fn a_taken_port_is_told_with_its_key() {
    let holder = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = format!("ADMIN_HTTP_ADDR={}", holder.local_addr().unwrap());
    let set = vec![taken, "CONTROLLER_HTTP_ADDR=127.0.0.1:0".to_owned()];
    let settings = Settings::load(&Sources { set, ..Sources::default() }).unwrap().settings;

    let error = Sockets::open(&settings.http, Activated::default()).unwrap_err();

    let wanted = format!("listen on {} (ADMIN_HTTP_ADDR)", holder.local_addr().unwrap());
    assert_eq!(error.to_string(), wanted);
}

/// Runs itself again as the process that a service manager starts, without `LISTEN_PID`.
#[test]
fn activated_sockets_are_taken_by_name_and_the_rest_is_bound() {
    if std::env::var_os("LISTEN_FDNAMES").is_some() {
        let set = vec![
            "CONTROLLER_HTTP_ADDR=127.0.0.1:0".to_owned(),
            "ADMIN_HTTP_ADDR=127.0.0.1:0".to_owned(),
        ];
        let settings = Settings::load(&Sources { set, ..Sources::default() }).unwrap().settings;
        let sockets = Sockets::open(&settings.http, Activated::take().unwrap()).unwrap();
        sockets.admin.local_addr().unwrap();
        for (listener, word) in [(sockets.api, "api"), (sockets.media.unwrap(), "media")] {
            listener.accept().unwrap().0.write_all(word.as_bytes()).unwrap();
        }
        return;
    }
    let listeners: Vec<_> =
        (0..2).map(|_| StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "listen::tests::activated_sockets_are_taken_by_name_and_the_rest_is_bound",
    ]);
    child.env_remove("LISTEN_PID").env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "media:api");
    child.stdout(File::create("/dev/null").unwrap());
    let descriptors = listeners.iter().enumerate().map(|(index, listener)| FdMapping {
        parent_fd: OwnedFd::from(listener.try_clone().unwrap()),
        child_fd: 3 + i32::try_from(index).unwrap(),
    });
    child.fd_mappings(descriptors.collect()).unwrap();
    let mut child = child.spawn().unwrap();

    let connect = |listener: &StdListener| {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        stream
    };
    let streams: Vec<TcpStream> = listeners.iter().map(connect).collect();
    let said: Vec<String> =
        streams.into_iter().map(|stream| io::read_to_string(stream).unwrap()).collect();

    assert_eq!(said, ["media", "api"]);
    assert!(child.wait().unwrap().success());
}
