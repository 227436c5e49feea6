//! The two shapes of a log line. JSON has its fields in a fixed order so that a person who reads
//! it raw finds them; the readable shape escapes control characters so that no value can forge a
//! line or drive a terminal.

use std::{fmt::Write as _, io::Write as _};

use serde::Serialize;
use serde_json::Value;
use tracing::Level;

use super::collect::Line;

/// The fields of the runbook after `time` and `level`, in its order.
const LEADING: [&str; 8] =
    ["job_id", "server_serial", "step", "worker_id", "op", "code", "duration_ms", "message"];

/// Names this module writes itself; a field of the same name gets a trailing underscore.
const RESERVED: [&str; 3] = ["time", "level", "target"];

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Render {
    Json,
    Human { colours: bool },
}

impl Render {
    /// The finished line with its newline.
    pub(super) fn line(self, line: &Line, time: jiff::Timestamp) -> Vec<u8> {
        let mut text = match self {
            Self::Json => json(line, time),
            Self::Human { colours } => human(line, time, colours).into_bytes(),
        };
        text.push(b'\n');
        text
    }
}

fn json(line: &Line, time: jiff::Timestamp) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    // Writing to a Vec cannot fail.
    write!(text, "{{\"time\":\"{time:.6}\",\"level\":\"{}\"", level_word(line.level))
        .unwrap_or_default();
    for name in LEADING {
        if let Some(value) = line.fields.find(name) {
            member(&mut text, name, value);
        }
    }
    for (name, value) in line.fields.iter().filter(|(name, _)| !LEADING.contains(name)) {
        if RESERVED.contains(&name) {
            member(&mut text, &format!("{name}_"), value);
        } else {
            member(&mut text, name, value);
        }
    }
    member(&mut text, "target", line.target);
    text.push(b'}');
    text
}

fn member<V: Serialize + ?Sized>(text: &mut Vec<u8>, name: &str, value: &V) {
    text.push(b',');
    serde_json::to_writer(&mut *text, name).unwrap_or_default();
    text.push(b':');
    serde_json::to_writer(text, value).unwrap_or_default();
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn human(line: &Line, time: jiff::Timestamp, colours: bool) -> String {
    let (colour, dim, end) =
        if colours { (level_colour(line.level), "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let clock = time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M:%S%.3f").to_string();
    let level = level_word(line.level);
    let mut text = format!("{dim}{clock}{end} {colour}{level:<5}{end} ");
    if let Some(message) = line.fields.find("message") {
        text.push_str(&plain(message));
    }
    let leading = LEADING.iter().filter_map(|name| Some((*name, line.fields.find(name)?)));
    let others = line.fields.iter().filter(|(name, _)| !LEADING.contains(name));
    for (name, value) in leading.chain(others).filter(|(name, _)| *name != "message") {
        write!(text, " {dim}{name}={end}{}", quoted(value)).unwrap_or_default();
    }
    text
}

fn level_colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    text.chars()
        .flat_map(|c| {
            let escape = c.is_control().then(|| c.escape_default());
            let keep = (!c.is_control()).then_some(c);
            escape.into_iter().flatten().chain(keep)
        })
        .collect()
}

fn quoted(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.is_empty() || text.contains([' ', '"', '=']) => {
            format!("\"{}\"", plain(&Value::from(text.replace('"', "\\\""))))
        }
        _ => plain(value),
    }
}
