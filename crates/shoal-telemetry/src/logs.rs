//! Log lines: one flat JSON object per event for machines, one readable line on a terminal. It
//! exists to keep three promises no ready-made formatter keeps together: literal field names with
//! the job's identity inherited from spans, secrets masked, and never a blocked caller.

#[cfg(test)]
pub(crate) mod captured;
mod collect;
mod level;
mod queue;
mod render;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

pub(crate) use collect::LogLayer;
pub(crate) use level::Verbosity;
pub use level::{InvalidLevel, Level};
pub(crate) use queue::Queue;
use render::Render;

/// How log lines look and where they go.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is logged; changed later through [`crate::Guard::set_level`].
    pub level: Level,
    /// JSON or readable lines.
    pub format: Format,
    /// The stream that receives them.
    pub output: Output,
    /// Bytes of finished lines that may wait for the stream; lines beyond it are dropped and
    /// counted.
    pub queue_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: Level::default(),
            format: Format::Auto,
            output: Output::Stdout,
            queue_bytes: 4 * 1024 * 1024,
        }
    }
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Readable with colours on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Readable; colours only on a terminal.
    Human,
}

/// The stream log lines are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// Standard output, what service managers collect.
    #[default]
    Stdout,
    /// Standard error, for programs whose standard output is their result.
    Stderr,
}

/// Changes what is logged while the process runs. Clones change the same log.
#[derive(Debug, Clone)]
pub struct Levels(pub(crate) Verbosity);

impl Levels {
    /// Changes what is logged from now on.
    pub fn set(&self, level: Level) {
        self.0.set(level);
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The writer thread could not be started.
    #[error("start the log writer thread")]
    Thread(#[source] io::Error),
}

/// The running log: its filter and its queue.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) verbosity: Verbosity,
    pub(crate) queue: Queue,
}

impl Log {
    /// Lets everything logged so far reach the stream, for at most `limit`.
    pub(crate) fn close(&self, limit: Duration) -> bool {
        self.queue.close(limit)
    }
}

/// Starts the writer and builds the layer that feeds it.
pub(crate) fn start(config: &Config) -> Result<(LogLayer, Log), Error> {
    let (stream, terminal): (Box<dyn Write + Send>, bool) = match config.output {
        Output::Stdout => (Box::new(io::stdout()), io::stdout().is_terminal()),
        Output::Stderr => (Box::new(io::stderr()), io::stderr().is_terminal()),
    };
    start_on(config, stream, terminal)
}

pub(crate) fn start_on(
    config: &Config,
    stream: Box<dyn Write + Send>,
    terminal: bool,
) -> Result<(LogLayer, Log), Error> {
    let render = match (config.format, terminal) {
        (Format::Json, _) | (Format::Auto, false) => Render::Json,
        (Format::Human | Format::Auto, colours) => Render::Human { colours },
    };
    let queue = Queue::start(stream, config.queue_bytes).map_err(Error::Thread)?;
    let layer = LogLayer::new(render, queue.clone());
    Ok((layer, Log { verbosity: Verbosity::new(config.level.clone()), queue }))
}

#[cfg(test)]
mod tests;
