//! The queue between the code that logs and the stream that may be slow. A full pipe must stop
//! neither a job nor a request, so a line that finds no room is dropped and counted instead.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use metrics::counter;

/// Clones feed one writer thread. At most twice `capacity` bytes are held: the batch being
/// written and the lines waiting behind it.
#[derive(Clone)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
    capacity: usize,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled when a line arrives where none was waiting, or the queue closes.
    arrived: Condvar,
    /// Signalled when the writer has nothing left to write.
    drained: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    lines: u64,
    writing: bool,
    closed: bool,
    dropped: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Starts the thread that owns `stream`.
    pub(crate) fn start(stream: Box<dyn Write + Send>, capacity: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || write(&writer, stream))?;
        Ok(Self { shared, capacity })
    }

    /// Adds one finished line, newline included. Never waits for the stream.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        if state.closed || state.waiting.len() + line.len() > self.capacity {
            state.dropped += 1;
            drop(state);
            counter!("log_lines_dropped_total").increment(1);
            return;
        }
        // Behind other lines it needs no signal of its own, and a signal is a call of the system.
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.lines += 1;
        drop(state);
        if first {
            self.shared.arrived.notify_one();
        }
    }

    /// Refuses further lines and waits until the earlier ones are written, for at most `limit`.
    /// Answers whether they all were.
    pub(crate) fn close(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.arrived.notify_one();
        while state.writing || !state.waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.drained.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lines lost so far, to a full queue or to a stream that refused them.
    #[cfg(test)]
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

fn write(shared: &Shared, mut stream: Box<dyn Write + Send>) {
    let mut batch = Vec::new();
    loop {
        let mut state = shared.lock();
        while state.waiting.is_empty() && !state.closed {
            state = shared.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.waiting.is_empty() {
            return;
        }
        mem::swap(&mut state.waiting, &mut batch);
        let lines = mem::take(&mut state.lines);
        state.writing = true;
        drop(state);

        let written = stream.write_all(&batch).and_then(|()| stream.flush());
        batch.clear();
        let mut state = shared.lock();
        state.writing = false;
        if written.is_err() {
            // There is nowhere left to say why; the counter is on the metrics page.
            state.dropped += lines;
            counter!("log_lines_dropped_total").increment(lines);
        }
        if state.waiting.is_empty() {
            shared.drained.notify_all();
        }
    }
}
