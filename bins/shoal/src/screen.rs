//! Where output goes: results to standard output, everything about the run to standard error.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde_json::Value;

use crate::args::Format;
use crate::error::Error;
use crate::table::{self, Cell, Tone, visible};

/// How bytes under way are drawn.
const BAR: &str =
    "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";

/// Something under way; gone from the screen when dropped.
pub(crate) struct Busy(ProgressBar);

impl Busy {
    /// What it does now. Only a person at a terminal sees it.
    pub(crate) fn tell(&self, what: &str) {
        self.0.set_message(visible(what).into_owned());
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Bytes under way; gone from the screen when dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// How many there are so far. Only a person at a terminal sees it.
    pub(crate) fn set(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The two streams, and how to write on them.
pub(crate) struct Screen<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    pub(crate) format: Format,
    pub(crate) coloured: bool,
    /// A person looks at both streams, so that progress may be drawn in place.
    pub(crate) animated: bool,
    pub(crate) now: Timestamp,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
        format: Format,
        now: Timestamp,
    ) -> Self {
        Self { out, err, format, coloured: false, animated: false, now }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// One line of the result.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Error> {
        writeln!(self.out, "{line}")?;
        Ok(self.out.flush()?)
    }

    /// The controller's own words, unknown members included.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Error> {
        self.line(&format!("{value:#}"))
    }

    pub(crate) fn table(&mut self, headings: &[&str], rows: &[Vec<Cell>]) -> Result<(), Error> {
        let lines = table::table(headings, rows, self.coloured);
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Names and values in two columns.
    pub(crate) fn pairs(&mut self, pairs: &[(&str, Cell)]) -> Result<(), Error> {
        let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, cell) in pairs {
            let line = format!("{name:width$}  {}", cell.painted(self.coloured));
            self.line(&line)?;
        }
        Ok(())
    }

    /// The heading of a section of the result.
    pub(crate) fn heading(&mut self, heading: &str) -> Result<(), Error> {
        let heading = Tone::Heading.paint(heading, self.coloured);
        self.line(&format!("\n{heading}"))
    }

    /// A remark that is not part of the result.
    pub(crate) fn note(&mut self, note: &str) -> Result<(), Error> {
        Ok(writeln!(self.err, "{}", visible(note))?)
    }

    /// Tells that something takes its time: a spinner for a person, a line for a log.
    pub(crate) fn busy(&mut self, what: &str) -> Result<Busy, Error> {
        let what = visible(what).into_owned();
        if !self.animated {
            writeln!(self.err, "{what}")?;
            return Ok(Busy(ProgressBar::hidden()));
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar.set_message(what);
        Ok(Busy(bar))
    }

    /// Tells that bytes are under way: a bar for a person, a line for a log.
    pub(crate) fn bar(&mut self, what: &str, total: u64) -> Result<Bar, Error> {
        let what = visible(what).into_owned();
        if !self.animated {
            writeln!(self.err, "{what}")?;
            return Ok(Bar(ProgressBar::hidden()));
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Ok(Bar(bar))
    }

    /// An error with its causes, what it is about, and the next step.
    pub(crate) fn error(&mut self, error: &Error) {
        let mut lines = vec![format!("error: {error}")];
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            // Some causes are written out over several lines with a drawing, which is kept.
            lines.extend(format!("  because: {inner}").lines().map(str::to_owned));
            cause = inner.source();
        }
        match error {
            Error::Recipe { problems, .. } => {
                lines.extend(problems.iter().map(|it| match it.line {
                    Some(line) => format!("  line {line}, {}", it.problem),
                    None => format!("  {}", it.problem),
                }));
            }
            Error::List { misfits, .. } => {
                lines.extend(misfits.iter().map(|misfit| format!("  {misfit}")));
            }
            Error::Refused { refusal, .. } => {
                // The only detail is often the message itself.
                let news =
                    refusal.details.iter().filter(|it| !refusal.message.contains(&it.message));
                lines.extend(news.map(|detail| {
                    let path = if detail.path.is_empty() { "/" } else { &detail.path };
                    format!("  {path}: {} ({})", detail.message, detail.code)
                }));
            }
            _ => {}
        }
        lines.extend(error.next_step().map(|step| format!("next step: {step}.")));
        for line in lines {
            // There is nobody left to tell when standard error is closed.
            let _ = writeln!(self.err, "{}", visible(&line));
        }
    }
}
