//! The least a push can cost here: bytes from a socket into aligned memory, their hash on a second
//! thread, and writes past the page cache on a third, without HTTP beyond what the client needs and
//! without anything that survives a failure. What a registry takes beyond that is its own doing.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use ring::digest::{Context, SHA256};
use rustix::fs::OFlags;

/// The first argument of a process of this program that is to be such a sink.
pub(crate) const SINK: &str = "--sink";

const BLOCK: usize = 4096;
/// As large and as many as the registry's.
const SLAB: usize = 1 << 20;
const SLABS: usize = 4;

/// Aligned memory that goes back where it came from.
struct Slab {
    memory: Vec<u8>,
    start: usize,
    home: Sender<(Vec<u8>, usize)>,
}

impl Drop for Slab {
    fn drop(&mut self) {
        self.home.send((std::mem::take(&mut self.memory), self.start)).ok();
    }
}

impl Slab {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + SLAB]
    }
}

/// Takes content in until it is killed.
pub(crate) fn serve(directory: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        while let Some(head) = head(&mut stream) {
            let answer = if head.starts_with("PUT") {
                let mut lines = head.lines();
                let length = lines.find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
                swallow(&mut stream, length.parse().unwrap(), directory);
                "201 Created"
            } else {
                "202 Accepted\r\nLocation: /v2/sink/blobs/uploads/one"
            };
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    }
}

/// The head of a request; none when the client is gone.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Receives a body of whole slabs.
fn swallow(stream: &mut TcpStream, length: usize, directory: &Path) {
    let (home, spare) = channel();
    for _ in 0..SLABS {
        let memory = vec![0; SLAB + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        home.send((memory, start)).unwrap();
    }
    let path = directory.join("sunk");
    let plain = File::create(&path).unwrap();
    let direct = i32::try_from(OFlags::DIRECT.bits()).unwrap();
    let file = OpenOptions::new().write(true).custom_flags(direct).open(&path).unwrap();
    let (to_hash, hashed) = channel::<Arc<Slab>>();
    let (to_write, written) = channel::<Arc<Slab>>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut hash = Context::new(&SHA256);
            for slab in hashed {
                hash.update(slab.bytes());
            }
            std::hint::black_box(hash.finish());
        });
        scope.spawn(move || {
            for (n, slab) in written.into_iter().enumerate() {
                file.write_all_at(slab.bytes(), (n * SLAB) as u64).unwrap();
            }
        });
        for _ in 0..length.div_ceil(SLAB) {
            let (mut memory, start) = spare.recv().unwrap();
            stream.read_exact(&mut memory[start..start + SLAB]).unwrap();
            let slab = Arc::new(Slab { memory, start, home: home.clone() });
            to_hash.send(Arc::clone(&slab)).unwrap();
            to_write.send(slab).unwrap();
        }
        drop((to_hash, to_write));
    });
    plain.sync_all().unwrap();
}
