//! The writer: one thread, one connection, many closures per fsync. Callers queue closures; the
//! writer runs what has queued up inside one IMMEDIATE transaction, each in its own savepoint, and
//! answers all of them after COMMIT.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::connection::set;
use crate::filesystem::failed;
use crate::instance::InstanceLock;
use crate::member::{Fate, Member};
use crate::{Config, Error};

/// Members of one group at most: bounds how long the first one waits for the last.
const GROUP_LIMIT: usize = 64;

/// What the queue carries.
pub(crate) enum Message {
    /// A write.
    Write(Box<dyn Member>),
    /// Finish what was queued before, then close.
    Close(oneshot::Sender<Result<(), Error>>),
}

/// The callers' end of the writer. Dropping it lets the writer finish its queue, and waits for it.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    last_group_micros: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread, which owns the connection and the lock from now on.
    pub(crate) fn start(
        connection: Connection,
        lock: InstanceLock,
        config: &Config,
    ) -> Result<Self, Error> {
        // What a member may have to undo. In a file of its own SQLite would write every page once more
        // than the WAL does.
        set(&connection, "temp_store", "2")?;
        let gate = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&gate);
        connection.commit_hook(Some(move || !closed.load(Ordering::Relaxed)))?;
        let (queue, messages) = mpsc::channel(config.queue.max(1));
        let last_group_micros = Arc::new(AtomicU64::new(0));
        let desk = Desk {
            connection,
            gate,
            messages,
            closing: None,
            db: config.name,
            last_group_micros: Arc::clone(&last_group_micros),
            lock,
        };
        let thread = std::thread::Builder::new()
            .name(format!("sqlite-{}", config.name))
            .spawn(move || desk.run())
            .map_err(failed("start the writer of", &config.path))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), last_group_micros })
    }

    /// The queue; waiting for room in it is the back-pressure on writers.
    pub(crate) fn queue(&self) -> Result<&mpsc::Sender<Message>, Error> {
        self.queue.as_ref().ok_or(Error::Closed)
    }

    /// How long the latest group took from BEGIN to the end of COMMIT; zero before the first.
    pub(crate) fn last_group(&self) -> Duration {
        Duration::from_micros(self.last_group_micros.load(Ordering::Relaxed))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let Some(thread) = self.thread.take() else { return };
        // A closure may own the last handle; the writer cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the database writer panicked");
        }
    }
}

/// The writer thread's own state.
struct Desk {
    connection: Connection,
    /// Open only while the writer itself commits; see [`Writer::start`].
    gate: Arc<AtomicBool>,
    messages: mpsc::Receiver<Message>,
    closing: Option<oneshot::Sender<Result<(), Error>>>,
    db: &'static str,
    last_group_micros: Arc<AtomicU64>,
    lock: InstanceLock,
}

impl Desk {
    fn run(mut self) {
        while self.closing.is_none() {
            match self.messages.blocking_recv() {
                Some(Message::Write(first)) => self.commit_group(first),
                Some(Message::Close(reply)) => self.closing = Some(reply),
                None => break,
            }
        }
        self.close();
    }

    fn commit_group(&mut self, first: Box<dyn Member>) {
        let started = Instant::now();
        let Gathered { members, culprit, outcome } = self.gather_and_commit(first);
        let elapsed = started.elapsed();
        metrics::histogram!("sqlite_write_seconds", "db" => self.db).record(elapsed);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.last_group_micros.store(micros, Ordering::Relaxed);
        let Err(Failure { doubtful, source }) = outcome else {
            return members.into_iter().for_each(|member| member.settle(Fate::Committed));
        };
        if source.is_busy() {
            metrics::counter!("sqlite_busy_total", "db" => self.db).increment(1);
        }
        let source = Arc::new(source);
        for member in members {
            member.settle(Fate::Lost { doubtful, source: &source });
        }
        if let Some(culprit) = culprit {
            culprit.settle(Fate::LostByMe { source: &source });
        }
    }

    fn gather_and_commit(&mut self, first: Box<dyn Member>) -> Gathered {
        let mut next = Some(first);
        let mut members = Vec::new();
        let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let tx = match begun {
            Ok(tx) => tx,
            Err(error) => {
                // All who wait by now share the refusal, or each would wait for the busy timeout
                // again.
                while let Some(member) = next.take() {
                    members.push(member);
                    next = next_member(&mut self.messages, &mut self.closing, members.len());
                }
                return Gathered { members, culprit: None, outcome: Err(Failure::certain(error)) };
            }
        };
        while let Some(mut member) = next.take() {
            if let Err(error) = run_in_savepoint(&tx, member.as_mut()) {
                let outcome = Err(Failure { doubtful: false, source: error });
                return Gathered { members, culprit: Some(member), outcome };
            }
            members.push(member);
            next = next_member(&mut self.messages, &mut self.closing, members.len());
        }
        self.gate.store(true, Ordering::Relaxed);
        let outcome = tx.commit().map_err(Failure::at_commit);
        self.gate.store(false, Ordering::Relaxed);
        Gathered { members, culprit: None, outcome }
    }

    fn close(self) {
        let Self { connection, messages, closing, db, lock, .. } = self;
        // What is still queued is dropped unrun, and its callers hear that the database is closed.
        drop(messages);
        let checkpointed = checkpoint(&connection);
        if let Err(error) = &checkpointed
            && closing.is_none()
        {
            tracing::warn!(db, %error, "checkpoint at close failed; the WAL stays and is replayed");
        }
        let closed = connection.close().map_err(|(_, error)| Error::from(error));
        drop(lock);
        if let Some(reply) = closing {
            let _ = reply.send(checkpointed.and(closed));
        }
    }
}

/// A group after its commit was tried.
struct Gathered {
    members: Vec<Box<dyn Member>>,
    /// The member that made SQLite roll the whole group back.
    culprit: Option<Box<dyn Member>>,
    outcome: Result<(), Failure>,
}

struct Failure {
    doubtful: bool,
    source: Error,
}

impl Failure {
    fn certain(error: rusqlite::Error) -> Self {
        Self { doubtful: false, source: error.into() }
    }

    /// After a failed flush nobody knows whether the commit record is on disk.
    fn at_commit(error: rusqlite::Error) -> Self {
        let source = Error::from(error);
        Self { doubtful: source.is_io(), source }
    }
}

/// The next queued write, if the group may grow. A request to close ends the group.
fn next_member(
    messages: &mut mpsc::Receiver<Message>,
    closing: &mut Option<oneshot::Sender<Result<(), Error>>>,
    members: usize,
) -> Option<Box<dyn Member>> {
    if members >= GROUP_LIMIT || closing.is_some() {
        return None;
    }
    match messages.try_recv() {
        Ok(Message::Write(member)) => Some(member),
        Ok(Message::Close(reply)) => {
            *closing = Some(reply);
            None
        }
        Err(_) => None,
    }
}

/// Runs one member. An error means that the whole transaction is lost, not just this member.
fn run_in_savepoint(tx: &Transaction<'_>, member: &mut dyn Member) -> Result<(), Error> {
    step(tx, "SAVEPOINT member")?;
    let keep = member.run(tx);
    // A full disk and some I/O errors make SQLite roll everything back, whatever the closure made
    // of the error.
    if tx.is_autocommit() {
        return Err(Error::RolledBack);
    }
    if !keep {
        step(tx, "ROLLBACK TO member")?;
    }
    step(tx, "RELEASE member")
}

/// Runs a statement of every member's, kept prepared.
fn step(tx: &Transaction<'_>, sql: &str) -> Result<(), Error> {
    tx.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Moves the WAL into the database and empties it, so that the file alone is whole.
pub(crate) fn checkpoint(connection: &Connection) -> Result<(), Error> {
    let blocked: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if blocked {
        tracing::warn!("another process reads the database; its WAL stays and is replayed");
    }
    Ok(())
}
