//! From pieces as the network brought them to slabs as the disk likes them. How a piece is cut is up
//! to the connection (a read of a socket, a record of TLS), and handing each to another thread would
//! cost more than copying it.

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::slab::{BLOCK, SLABS, Slab, Slabs};
use crate::error::Error;

/// Bytes a request has brought before the rest of it fills whole slabs. Until then each piece is
/// handed on as it comes: somebody may be following a small or slow upload.
const WHOLE_FROM: u64 = 4 * 1024 * 1024;

/// Fills the slabs of one request. Whatever it still has when it is dropped is handed on.
#[derive(Debug)]
pub(super) struct Gather {
    slabs: Slabs,
    filling: Option<Slab>,
    filled: Sender<Slab>,
    /// Bytes of the content.
    offset: u64,
    /// Bytes of the request.
    gathered: u64,
    whole: bool,
}

impl Gather {
    /// For a request that begins at `offset` of the content and brings `length` bytes, if that is
    /// known; and where the slabs come out.
    pub(super) fn new(offset: u64, length: Option<u64>) -> (Self, Receiver<Slab>) {
        let (filled, slabs) = channel(SLABS);
        let gather = Self {
            slabs: Slabs::new(length),
            filling: None,
            filled,
            offset,
            gathered: 0,
            whole: false,
        };
        (gather, slabs)
    }

    /// Takes bytes, and waits for room.
    ///
    /// # Errors
    /// [`Error::Closed`] when nobody takes the slabs any more.
    pub(super) async fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (head, rest) = bytes.split_at(self.loose(bytes.len()));
        self.fill(head).await?;
        if !self.whole {
            self.hand_on()?;
            self.whole = self.gathered >= WHOLE_FROM && self.offset.is_multiple_of(BLOCK);
        }
        self.fill(rest).await
    }

    /// How many of so many bytes are handed on at once: all of them at first, and then those up to the
    /// beginning of a block, where whole slabs begin.
    fn loose(&self, bytes: usize) -> usize {
        if self.whole {
            return 0;
        }
        let gap = usize::try_from(self.offset.wrapping_neg() % BLOCK).unwrap_or(0);
        if self.gathered >= WHOLE_FROM { gap.min(bytes) } else { bytes }
    }

    async fn fill(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let slab = match &mut self.filling {
                Some(slab) => slab,
                None => self.filling.insert(self.slabs.next().await),
            };
            let rest = slab.take(bytes);
            let taken = (bytes.len() - rest.len()) as u64;
            self.offset += taken;
            self.gathered += taken;
            bytes = rest;
            if slab.is_full() {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    fn hand_on(&mut self) -> Result<(), Error> {
        let Some(slab) = self.filling.take() else { return Ok(()) };
        // There is room for all the slabs there are.
        self.filled.try_send(slab).map_err(|_| Error::Closed)
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        // A thread that gave up says why.
        let _ = self.hand_on();
    }
}

#[cfg(test)]
mod tests {
    use super::super::slab::SLAB;
    use super::*;

    #[tokio::test]
    async fn much_comes_out_in_whole_slabs_from_a_block_on() {
        const BEGIN: u64 = 1_000_003;
        let content: Vec<u8> = (0..=250).cycle().take(9 * SLAB + 5).collect();
        let (mut gather, mut slabs) = Gather::new(BEGIN, None);
        let taking = async {
            let (mut at, mut parts) = (BEGIN, Vec::new());
            while let Some(slab) = slabs.recv().await {
                parts.push((at, slab.bytes().to_vec()));
                at += slab.bytes().len() as u64;
            }
            parts
        };
        let sending = async {
            for piece in content.chunks(70_001) {
                gather.take(piece).await.unwrap();
            }
            drop(gather);
        };
        let ((), parts) = tokio::join!(sending, taking);
        assert!(parts.iter().flat_map(|(_, bytes)| bytes).eq(&content));
        let first = parts.iter().position(|(_, bytes)| bytes.len() == SLAB).unwrap();
        assert!(parts[first].0 >= BEGIN + WHOLE_FROM);
        assert!(parts[first].0.is_multiple_of(BLOCK));
        let (last, whole) = parts[first..].split_last().unwrap();
        assert!(whole.iter().all(|(_, bytes)| bytes.len() == SLAB));
        assert!((1..SLAB).contains(&last.1.len()));
    }

    #[tokio::test]
    async fn what_comes_first_is_handed_on_as_it_comes() {
        let (mut gather, mut slabs) = Gather::new(0, None);
        for piece in [&b"one"[..], b"two"] {
            gather.take(piece).await.unwrap();
            assert_eq!(slabs.try_recv().unwrap().bytes(), piece);
        }
        drop(slabs);
        assert!(matches!(gather.take(b"three").await, Err(Error::Closed)));
    }

    #[tokio::test]
    async fn what_was_gathered_when_a_request_is_cut_off_is_handed_on() {
        let (mut gather, mut slabs) = Gather::new(0, None);
        gather.whole = true;
        gather.take(b"cut").await.unwrap();
        assert!(slabs.try_recv().is_err());
        drop(gather);
        assert_eq!(slabs.recv().await.unwrap().bytes(), b"cut");
        assert!(slabs.recv().await.is_none());
    }
}
