//! Ten thousand peers that linger in every way they can, and one that wants something.

use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use super::*;

const PEERS: usize = 10_000;
const PLACES: usize = 500;
/// Files besides connections that may be open by then.
const OTHERS: usize = 20;
/// Says to the test that it is alone in its process.
const ALONE: &str = "SHOAL_TEST_ALONE";

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Connects and lingers; how depends on the number.
async fn linger(address: SocketAddr, number: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let said: &[u8] = match number % 4 {
        0 => b"",
        1 => b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        2 => b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
        _ => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    // Those before us may have been cut already, and so may we.
    let _ = stream.write_all(said).await;
    if number.is_multiple_of(3) {
        let _ = stream.shutdown().await;
    }
    stream
}

/// Runs itself again in a process of its own, where no other test needs memory or files.
#[test]
fn ten_thousand_idle_peers_cost_little_and_keep_nobody_out() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(flood());
    }
    let name = "listen::tests::flood::ten_thousand_idle_peers_cost_little_and_keep_nobody_out";
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let ended = alone.args(["--exact", name]).env(ALONE, "").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}

async fn flood() {
    let files = raise_file_limit();
    assert!(files > 12_000, "this test needs 12000 open files, the hard limit is {files}");
    let limits = Limits { connections: PLACES, ..Limits::default() };
    let server = Server::start(hello(), limits, None);
    let (before, files_before) = (resident(), open_files());
    let mut peers = Vec::with_capacity(PEERS);
    for number in 0..PEERS {
        peers.push(linger(server.address, number).await);
        if number % 1000 == 999 {
            let mut wants = server.connect().await;
            write(&mut wants, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let answer = to_end(wants).await;
            assert!(String::from_utf8_lossy(&answer).ends_with("hello"), "after {number} peers");
        }
    }

    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{PEERS} idle peers cost {grown} bytes");
    let ours = open_files().saturating_sub(files_before + PEERS);
    assert!(ours <= PLACES + OTHERS, "{ours} connections are open");
    drop(peers);
    server.drained().await;
}
