//! Ten thousand peers that linger in every way they can, and one that wants something.

use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use super::*;

const PEERS: usize = 10_000;
const PLACES: usize = 500;
/// Files that tests beside this one may have open.
const OTHER_TESTS: usize = 300;

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

#[tokio::test]
async fn ten_thousand_idle_peers_cost_little_and_keep_nobody_out() {
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
    assert!(ours <= PLACES + OTHER_TESTS, "{ours} connections are open");
    drop(peers);
    server.drained().await;
}
