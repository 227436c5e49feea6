//! Log lines of the maintenance OS: one JSON object per line on standard error, which the journal
//! stamps with time and unit.

use std::io::Write;

use serde_json::json;

/// Writes one line; a closed standard error is ignored, the exit code is what counts.
pub(crate) fn line(out: &mut dyn Write, level: &str, step: &str, message: &str) {
    let _ = writeln!(out, "{}", json!({"level": level, "step": step, "message": message}));
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
