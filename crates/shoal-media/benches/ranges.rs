//! 64 KiB ranged reads over plain HTTP/1.1 by eight keep-alive clients: this crate behind hyper, nginx
//! with sendfile, and the least a std socket server can do, in turns in one run. Also what checking a
//! signed path costs. It prints figures and judges none: on a busy machine only the ratios mean much.
//! Run it with `cargo bench -p shoal-media`; it needs nginx (`apt-get install nginx-light`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first thing that is not as it should be"
)]

use std::fs::{self, File, Permissions};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use shoal_media::{
    Catalog, Content, Digest, Extent, Form, Grant, Key, KeyId, Keyring, Kind, LedgerDown,
    MediaServer, Medium, Milestone, Milestones, ObjectId, OpenError, Opened, ReadSpan, SystemClock,
    Tripwire,
};

const FILE_LEN: u64 = 256 * 1024 * 1024;
const RANGE_LEN: u64 = 64 * 1024;
const CLIENTS: usize = 8;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: run it with cargo bench -p shoal-media");
        return;
    }
    time_verification();
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    write_image(&dir.path().join("boot.iso"));

    let (ours, path) = spawn_ours(&dir.path().join("boot.iso"));
    let raw = spawn_raw(&dir.path().join("boot.iso"));
    let nginx = Nginx::spawn(dir.path());
    let servers =
        [("shoal", ours, path.as_str()), ("nginx", nginx.address, "/boot.iso"), ("raw", raw, "/")];
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((_, address, path), rates) in servers.iter().zip(&mut rates) {
            rates.push(requests_per_second(*address, path));
        }
    }
    let median = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    println!(
        "64 KiB ranges, {CLIENTS} keep-alive clients, median of {ROUNDS} rounds of {ROUND:?}:"
    );
    for ((name, ..), rate) in servers.iter().zip(median) {
        println!("  {name:<6} {rate:>9.0} requests/s");
    }
    println!("  shoal / nginx = {:.2} (target at least 0.60)", median[0] / median[1]);
    println!("  shoal / raw   = {:.2} (target at least 0.40)", median[0] / median[2]);
    println!("whole image in one GET:");
    for (name, address, path) in &servers[..2] {
        println!("  {name:<6} {:>9.0} MB/s", megabytes_per_second(*address, path));
    }
}

fn time_verification() {
    let keyring = Keyring::new(key(), vec![]).unwrap();
    let path = keyring.sign(&grant());
    let rounds = 200_000;
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(keyring.verify(black_box(path.as_str()), 0)).unwrap();
    }
    let each = start.elapsed() / rounds;
    println!("checking a signed path: {each:?} (target below 5µs)");
}

/// Every eight bytes say where they are.
fn write_image(path: &Path) {
    let mut file = File::create(path).unwrap();
    for block in 0..FILE_LEN / RANGE_LEN {
        let words = (0..RANGE_LEN / 8).flat_map(|n| (block * RANGE_LEN + n * 8).to_le_bytes());
        file.write_all(&words.collect::<Vec<u8>>()).unwrap();
    }
}

fn requests_per_second(address: SocketAddr, path: &str) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                let mut socket = TcpStream::connect(address).unwrap();
                socket.set_nodelay(true).unwrap();
                let mut buffer = vec![0; 80 * 1024];
                let mut turn = client as u64 * 1_000_003;
                while !stop.load(Ordering::Relaxed) {
                    turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let from = (turn >> 33) % (FILE_LEN / RANGE_LEN) * RANGE_LEN;
                    read_range(&mut socket, path, from, &mut buffer);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
    });
    #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^52")]
    let done = done.load(Ordering::Relaxed) as f64;
    done / start.elapsed().as_secs_f64()
}

fn read_range(socket: &mut TcpStream, path: &str, from: u64, buffer: &mut [u8]) {
    let to = from + RANGE_LEN - 1;
    let request = format!("GET {path} HTTP/1.1\r\nHost: m\r\nRange: bytes={from}-{to}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let (mut filled, mut body_at) = (0, None);
    loop {
        let read = socket.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "hung up");
        filled += read;
        body_at = body_at.or_else(|| head_end(&buffer[..filled]));
        if body_at.is_some_and(|at| (filled - at) as u64 == RANGE_LEN) {
            break;
        }
    }
    let at = body_at.unwrap();
    assert!(buffer.starts_with(b"HTTP/1.1 206"), "{}", String::from_utf8_lossy(&buffer[..at]));
    assert_eq!(buffer[at..at + 8], from.to_le_bytes());
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    let head = &bytes[..bytes.len().min(1024)];
    head.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn megabytes_per_second(address: SocketAddr, path: &str) -> f64 {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n");
    let start = Instant::now();
    socket.write_all(request.as_bytes()).unwrap();
    let (mut buffer, mut total) = (vec![0; 256 * 1024], 0);
    loop {
        match socket.read(&mut buffer).unwrap() {
            0 => break,
            read => total += read as u64,
        }
    }
    assert!(total > FILE_LEN, "{total} bytes came");
    #[expect(clippy::cast_precision_loss, reason = "far fewer bytes than 2^52")]
    let megabytes = total as f64 / 1e6;
    megabytes / start.elapsed().as_secs_f64()
}

struct Shelf(Opened);

impl Catalog for Shelf {
    async fn open(&self, _: ObjectId, _: Kind) -> Result<Opened, OpenError> {
        Ok(self.0.clone())
    }

    async fn commit_milestone(&self, _: ObjectId, _: Milestone) -> Result<(), LedgerDown> {
        Ok(())
    }

    fn observe(&self, _: ObjectId, read: ReadSpan) {
        black_box(read);
    }
}

fn key() -> Key {
    Key::new(KeyId::new(1).unwrap(), vec![7; 32]).unwrap()
}

fn grant() -> Grant {
    Grant { object: ObjectId([5; 16]), kind: Kind::Boot, form: Form::Iso, expires_at: u32::MAX }
}

fn spawn_ours(image: &Path) -> (SocketAddr, String) {
    let wire = |milestone, offset| Tripwire {
        milestone,
        extent: Extent::new(offset, 16 * 1024 * 1024).unwrap(),
    };
    let wires = vec![wire(Milestone::BootImageRead, 1 << 20), wire(Milestone::OsLoading, 1 << 26)];
    let content = Content::file(File::open(image).unwrap()).unwrap();
    let medium = Medium::new(content, Digest([1; 32]), wires).unwrap();
    let shelf =
        Shelf(Opened { medium, already: Milestones::default(), together: ObjectId([0; 16]) });
    let keyring = Keyring::new(key(), vec![]).unwrap();
    let path = keyring.sign(&grant()).as_str().to_owned();
    let server = Arc::new(MediaServer::new(Arc::new(shelf), keyring, SystemClock::default()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
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
    });
    (address, path)
}

/// A thread per connection, one read and one write per request, no parsing beyond the offset.
fn spawn_raw(image: &Path) -> SocketAddr {
    let file = Arc::new(File::open(image).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (file, socket) = (Arc::clone(&file), socket.unwrap());
            socket.set_nodelay(true).unwrap();
            thread::spawn(move || answer_raw(&file, socket));
        }
    });
    address
}

fn answer_raw(file: &File, mut socket: TcpStream) {
    let mut request = [0; 1024];
    let head = format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {RANGE_LEN}\r\n\r\n");
    let mut response = head.clone().into_bytes();
    response.resize(head.len() + usize::try_from(RANGE_LEN).unwrap(), 0);
    while let Ok(read @ 1..) = socket.read(&mut request) {
        let text = String::from_utf8_lossy(&request[..read]);
        let from = text.split("bytes=").nth(1).and_then(|range| range.split('-').next());
        let from: u64 = from.unwrap().parse().unwrap();
        file.read_exact_at(&mut response[head.len()..], from).unwrap();
        if socket.write_all(&response).is_err() {
            break;
        }
    }
}

struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    fn spawn(dir: &Path) -> Self {
        // nginx cannot be handed a port 0; one that was free a moment ago has to do.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let at = dir.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {at}/{name};")).concat();
        let config = format!(
            "worker_processes 2; daemon off; pid {at}/nginx.pid; error_log {at}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n\
             {temporary} server {{ listen {address}; root {at}; }} }}\n"
        );
        let file = dir.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let child = Command::new("nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&file)
            .spawn()
            .expect("nginx is needed: apt-get install nginx-light");
        let mut nginx = Self { child, address };
        nginx.wait_until_listening();
        nginx
    }

    fn wait_until_listening(&mut self) {
        for _ in 0..500 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("nginx ended: {status}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not listen");
    }
}

impl Drop for Nginx {
    /// The master ends its workers when it is asked to end, and leaves them when it is killed.
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).ok();
        }
        self.child.wait().ok();
    }
}
