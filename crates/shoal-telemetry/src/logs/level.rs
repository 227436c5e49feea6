//! Which events are logged, changeable while running. Spans at info and above stay on whatever
//! the level is: they carry `job_id` and `server_serial`, and a warning without them is useless.

use std::{
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use tracing::{Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    filter::Targets,
    layer::{Context, Filter},
};

/// A level for everything, with exceptions by target: `info`, `warn,shoal_redfish=debug`.
#[derive(Debug, Clone)]
pub struct Level(Targets);

/// A level that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "understand log level {given:?}: expected off, error, warn, info, debug or trace, or target=level, separated by commas"
)]
pub struct InvalidLevel {
    /// The part that is wrong.
    pub given: String,
}

impl Default for Level {
    fn default() -> Self {
        Self(Targets::new().with_default(LevelFilter::INFO))
    }
}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        let mut targets = Targets::new().with_default(LevelFilter::INFO);
        for part in text.split(',').map(str::trim) {
            let invalid = || InvalidLevel { given: part.to_owned() };
            let (target, word) = match part.split_once('=') {
                Some((target, word)) if !target.is_empty() => (Some(target), word),
                Some(_) => return Err(invalid()),
                None => (None, part),
            };
            let level = level(word).ok_or_else(invalid)?;
            targets = match target {
                Some(target) => targets.with_target(target, level),
                None => targets.with_default(level),
            };
        }
        Ok(Self(targets))
    }
}

fn level(word: &str) -> Option<LevelFilter> {
    Some(match word.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}

/// The filter of the log layer; clones share one level.
#[derive(Debug, Clone)]
pub(crate) struct Verbosity(Arc<RwLock<Level>>);

impl Verbosity {
    pub(crate) fn new(level: Level) -> Self {
        Self(Arc::new(RwLock::new(level)))
    }

    pub(crate) fn set(&self, level: Level) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = level;
        // Call sites remember whether they are enabled; they must ask again.
        tracing::callsite::rebuild_interest_cache();
    }

    fn allows(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() && *metadata.level() <= tracing::Level::INFO {
            return true;
        }
        let level = self.0.read().unwrap_or_else(PoisonError::into_inner);
        level.0.would_enable(metadata.target(), metadata.level())
    }
}

impl<S> Filter<S> for Verbosity {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.allows(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.allows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let level = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let widest = level.0.iter().map(|(_, level)| level).chain(level.0.default_level()).max();
        Some(widest.map_or(LevelFilter::INFO, |widest| widest.max(LevelFilter::INFO)))
    }
}
