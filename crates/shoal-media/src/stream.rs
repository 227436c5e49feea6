//! A response being produced: pieces in order, one chunk at a time, each held back until the
//! milestones it would prove are durable.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::catalog::LedgerDown;
use crate::content::{Content, Run, read_blocking, read_cached};
use crate::extent::Extent;
use crate::watch::{Commit, Gate};

/// How many bytes of one long response go by before the read strip hears of them.
const OBSERVE_EVERY: u64 = 4 * 1024 * 1024;

/// A part of a response body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes that are not the medium's: the frame around multipart ranges.
    Text(Bytes),
    /// Bytes of the medium.
    Span(Extent),
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Text(bytes) => bytes.len() as u64,
            Self::Span(extent) => extent.len(),
        }
    }
}

/// Why a response ends before its last byte.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    #[error("record what the next bytes prove")]
    Ledger(#[source] LedgerDown),
    #[error("read medium")]
    Read(#[source] io::Error),
    #[error("serve a medium whose path was revoked")]
    Revoked,
}

enum State {
    Idle,
    Committing(Commit),
    Reading(JoinHandle<io::Result<Bytes>>),
}

/// The bytes of one response, in order.
pub(crate) struct Stream {
    content: Content,
    gate: Option<Gate>,
    pieces: VecDeque<Piece>,
    state: State,
    primed: Option<Bytes>,
    left: u64,
    unobserved: Option<Extent>,
}

impl Stream {
    /// `gate` is what has to be durable first; media without a ledger have none.
    pub(crate) fn new(content: Content, gate: Option<Gate>, pieces: VecDeque<Piece>) -> Self {
        let left = pieces.iter().map(Piece::len).sum();
        Self { content, gate, pieces, state: State::Idle, primed: None, left, unobserved: None }
    }

    /// Bytes not yet handed out.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Produces the first chunk ahead of the status line, so that a failure which already shows
    /// there can still become a status. BMCs ask for small ranges: mostly it is the whole answer.
    pub(crate) async fn prime(&mut self) -> Result<(), Cut> {
        self.primed = poll_fn(|cx| self.poll_produce(cx)).await.transpose()?;
        Ok(())
    }

    /// The next bytes; `None` after the last. After an error nothing follows.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let chunk = match self.primed.take() {
            Some(chunk) => Some(Ok(chunk)),
            None => ready!(self.poll_produce(cx)),
        };
        match &chunk {
            Some(Ok(bytes)) => self.left = self.left.saturating_sub(bytes.len() as u64),
            Some(Err(_)) => self.left = 0,
            None => {}
        }
        Poll::Ready(chunk)
    }

    fn poll_produce(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            match &mut self.state {
                State::Idle => {}
                State::Committing(commit) => {
                    let committed = ready!(commit.as_mut().poll(cx));
                    self.state = State::Idle;
                    if let Err(down) = committed {
                        return Poll::Ready(Some(Err(self.cut(Cut::Ledger(down)))));
                    }
                }
                State::Reading(read) => {
                    let read = ready!(Pin::new(read).poll(cx));
                    self.state = State::Idle;
                    let read = read.unwrap_or_else(|gone| Err(io::Error::other(gone)));
                    return Poll::Ready(Some(self.produced(read)));
                }
            }
            match self.next_step() {
                Some(Step::Have(bytes)) => return Poll::Ready(Some(bytes)),
                Some(Step::Wait) => {}
                None => return Poll::Ready(None),
            }
        }
    }

    /// Begins work on the front piece; `None` when there is none left.
    fn next_step(&mut self) -> Option<Step> {
        let span = match self.pieces.front()? {
            Piece::Span(span) => *span,
            Piece::Text(bytes) => {
                let bytes = bytes.clone();
                self.pieces.pop_front();
                return Some(Step::Have(Ok(bytes)));
            }
        };
        let run = self.content.run(span);
        let chunk = Extent::new(span.offset(), run.len()).unwrap_or(span);
        if let Some(gate) = &self.gate {
            if gate.is_revoked() {
                return Some(Step::Have(Err(self.cut(Cut::Revoked))));
            }
            if let Some(commit) = gate.commit_before(chunk) {
                self.state = State::Committing(commit);
                return Some(Step::Wait);
            }
        }
        let (file, extent) = match run {
            Run::Memory(bytes) => return Some(Step::Have(self.produced(Ok(bytes)))),
            Run::File(file, extent) => (file, extent),
        };
        // A page-cache hit costs less than handing the read to another thread; a miss must not hold
        // up every other response of this thread.
        match read_cached(&file, extent) {
            Ok(None) => {
                let read = move || read_blocking(&file, extent);
                self.state = State::Reading(tokio::task::spawn_blocking(read));
                Some(Step::Wait)
            }
            Ok(Some(bytes)) => Some(Step::Have(self.produced(Ok(bytes)))),
            Err(error) => Some(Step::Have(self.produced(Err(error)))),
        }
    }

    /// Accounts for bytes read from the front span.
    fn produced(&mut self, read: io::Result<Bytes>) -> Result<Bytes, Cut> {
        let bytes = read.map_err(|error| self.cut(Cut::Read(error)))?;
        let Some(Piece::Span(span)) = self.pieces.pop_front() else { return Ok(bytes) };
        let Some(sent) = Extent::new(span.offset(), bytes.len() as u64) else {
            return Err(self.cut(Cut::Read(io::ErrorKind::UnexpectedEof.into())));
        };
        if let Some(rest) = span.skip(sent.len()) {
            self.pieces.push_front(Piece::Span(rest));
        }
        if let Some(gate) = &self.gate {
            gate.sent(sent);
            self.unobserved = self.note(gate, sent);
        }
        Ok(bytes)
    }

    /// Joins `sent` to what was not observed yet and observes it when it is long or torn.
    fn note(&self, gate: &Gate, sent: Extent) -> Option<Extent> {
        let Some(before) = self.unobserved else { return Some(sent) };
        if before.end() != sent.offset() {
            gate.observe(before);
            return Some(sent);
        }
        let joined = Extent::between(before.offset(), sent.end())?;
        if joined.len() < OBSERVE_EVERY {
            return Some(joined);
        }
        gate.observe(joined);
        None
    }

    /// Ends the response: nothing follows an error.
    fn cut(&mut self, cut: Cut) -> Cut {
        self.pieces.clear();
        cut
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let (Some(gate), Some(extent)) = (&self.gate, self.unobserved) {
            gate.observe(extent);
        }
    }
}

enum Step {
    Have(Result<Bytes, Cut>),
    Wait,
}
