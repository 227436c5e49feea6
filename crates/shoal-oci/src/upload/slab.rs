//! Memory in which content is gathered on its way to the disk. An upload has only a few slabs, and
//! whoever drops one gives its memory back: that bounds what an upload keeps in memory, slows a client
//! that is faster than the disk, and spares the processor fresh memory for each of a million writes.

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Where direct writes begin and end in the file and in memory; no smaller than the block of any disk
/// that is met in practice.
pub(super) const BLOCK: u64 = BLOCK_SIZE as u64;
const BLOCK_SIZE: usize = 4096;

/// Bytes of a slab, which are written at once.
pub(super) const SLAB: usize = 1024 * 1024;

/// Slabs of one request: one being filled, one being hashed, one being written, and one in between.
pub(super) const SLABS: usize = 4;

/// Memory whose content begins at a block's boundary.
#[derive(Debug)]
struct Memory {
    bytes: Vec<u8>,
    start: usize,
}

/// Bytes that belong together.
#[derive(Debug)]
pub(crate) struct Slab {
    memory: Memory,
    /// How many bytes there is room for.
    room: usize,
    home: Sender<Memory>,
}

/// The slabs of one request.
#[derive(Debug)]
pub(super) struct Slabs {
    room: usize,
    made: usize,
    home: Sender<Memory>,
    spare: Receiver<Memory>,
}

impl Slabs {
    /// Slabs for content of that length, if it is known.
    pub(super) fn new(length: Option<u64>) -> Self {
        let room = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(SLAB);
        let (home, spare) = channel(SLABS);
        Self { room: room.min(SLAB), made: 0, home, spare }
    }

    /// An empty slab; waits until there is one.
    pub(super) async fn next(&mut self) -> Slab {
        let memory = match self.spare.try_recv() {
            Ok(memory) => Some(memory),
            Err(_) if self.made < SLABS => None,
            Err(_) => self.spare.recv().await,
        };
        let memory = memory.unwrap_or_else(|| {
            self.made += 1;
            Memory::new(self.room)
        });
        Slab { memory, room: self.room, home: self.home.clone() }
    }
}

impl Slab {
    /// Takes as many bytes as there is room for; the others.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(self.room - self.bytes().len()));
        self.memory.bytes.extend_from_slice(now);
        later
    }

    /// Whether there is no room left.
    pub(super) fn is_full(&self) -> bool {
        self.bytes().len() == self.room
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.bytes.get(self.memory.start..).unwrap_or_default()
    }

    /// A slab of its own.
    #[cfg(test)]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (home, _) = channel(1);
        let mut slab = Self { memory: Memory::new(bytes.len()), room: bytes.len(), home };
        slab.take(bytes);
        slab
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory.bytes);
        let start = self.memory.start;
        // Nobody wants it any more when the request has ended; there is room for all there are.
        let _ = self.home.try_send(Memory::again(memory, start));
    }
}

impl Memory {
    fn new(room: usize) -> Self {
        let mut bytes = Vec::<u8>::with_capacity(room + BLOCK_SIZE);
        // Where it cannot be aligned, direct writes are refused and others are made instead.
        let start = bytes.as_ptr().align_offset(BLOCK_SIZE).min(BLOCK_SIZE);
        bytes.resize(start, 0);
        Self { bytes, start }
    }

    fn again(mut bytes: Vec<u8>, start: usize) -> Self {
        bytes.truncate(start);
        Self { bytes, start }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn an_upload_has_a_few_slabs_and_gets_them_again() {
        let mut slabs = Slabs::new(None);
        let mut taken = Vec::new();
        for _ in 0..SLABS {
            taken.push(slabs.next().await);
        }
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(slabs.next()).poll(&mut context).is_pending());
        let mut given = taken.remove(0);
        assert_eq!(given.take(b"bytes"), b"");
        let address = given.bytes().as_ptr();
        drop(given);
        let mut again = slabs.next().await;
        assert_eq!(again.bytes(), b"");
        again.take(b"other");
        assert_eq!((again.bytes(), again.bytes().as_ptr()), (&b"other"[..], address));
    }

    #[tokio::test]
    async fn a_slab_takes_what_it_has_room_for() {
        let mut slab = Slabs::new(Some(3)).next().await;
        assert_eq!(slab.take(b"ab"), b"");
        assert!(!slab.is_full());
        assert_eq!(slab.take(b"cdef"), b"def");
        assert_eq!((slab.bytes(), slab.is_full()), (&b"abc"[..], true));
        let mut large = Slabs::new(None).next().await;
        large.take(&vec![7; SLAB]);
        assert_eq!(large.bytes().as_ptr().align_offset(BLOCK_SIZE), 0);
        assert!(large.is_full());
    }
}
