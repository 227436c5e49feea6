//! The report itself: what the maintenance OS says and how the controller reads it. There is one
//! reader and one writer, side by side, so that the two cannot drift apart.

use serde_json::{Map, Number, Value};

use crate::field::{Id, Message, Name, Percent};
use crate::invalid::{Code, Invalid};

/// Largest body that is read, in bytes.
pub const REPORT_MAX: usize = 64 * 1024;

/// The progress step by which the maintenance OS says that it no longer needs its media.
pub const MEDIA_RELEASED: &str = "media_released";

/// One report from the maintenance OS about one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How the attempt stands.
    pub status: Status,
    /// The sender's name for this delivery; equal on every try of the same report.
    pub delivery_id: Option<Id>,
    /// The job the sender believes to serve; the token decides, this only explains.
    pub job_id: Option<Id>,
    /// The attempt the sender believes to serve, counted from 1; the token decides.
    pub attempt: Option<u32>,
    /// Text for a person.
    pub message: Option<Message>,
    /// Name of the maintenance OS build which sends this.
    pub build: Option<Name>,
}

/// How the attempt stands, with the fields that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The workflow is done.
    Success,
    /// The workflow has failed and will not go on by itself.
    Failed {
        /// Step key, or the name of the failed unit, as sent.
        failed_step: Name,
        /// The unit that failed, where the step does not say it.
        unit: Option<Name>,
    },
    /// The workflow goes on.
    Progress {
        /// Step key, unit or milestone (such as [`MEDIA_RELEASED`]) this speaks of.
        step: Option<Name>,
        /// Share of the step that is done.
        percent: Option<Percent>,
        /// Bytes of the step that are done.
        bytes: Option<u64>,
    },
}

impl Status {
    /// The word on the wire and the metric label.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed { .. } => "failed",
            Self::Progress { .. } => "progress",
        }
    }

    /// Whether this ends the attempt.
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Progress { .. })
    }

    /// The step this speaks of: the failed one, or the one in progress.
    pub fn step(&self) -> Option<&Name> {
        match self {
            Self::Success => None,
            Self::Failed { failed_step, .. } => Some(failed_step),
            Self::Progress { step, .. } => step.as_ref(),
        }
    }
}

/// What makes two reports of one job the same report; equal text means a duplicate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// A printable key, at most 300 bytes, unique within one job.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Report {
    /// A report which says nothing but its status.
    pub fn new(status: Status) -> Self {
        Self { status, delivery_id: None, job_id: None, attempt: None, message: None, build: None }
    }

    /// Reads a body of at most [`REPORT_MAX`] bytes.
    ///
    /// Unknown fields, and fields which do not belong to the status, are ignored: an older
    /// controller must be able to take the report of a newer maintenance OS. `null` means absent.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        if body.len() > REPORT_MAX {
            return Err(Invalid::new("", Code::TooLarge));
        }
        // serde_json bounds the depth by itself (128), so hostile nesting ends here as well.
        let value: Value = serde_json::from_slice(body).map_err(|error| Invalid {
            path: "",
            code: Code::Json,
            message: format!(
                "is not readable JSON: line {} column {}",
                error.line(),
                error.column()
            ),
        })?;
        let Value::Object(object) = value else {
            return Err(Invalid::new("", Code::Type));
        };
        let fields = Fields(object);
        Ok(Self {
            status: fields.status()?,
            delivery_id: fields.id("/delivery_id")?,
            job_id: fields.id("/job_id")?,
            attempt: fields.attempt()?,
            message: fields.text("/message")?.map(Message::cut),
            build: fields.name("/build")?,
        })
    }

    /// The body to post, well below [`REPORT_MAX`]; [`Report::parse`] gives back an equal report.
    pub fn to_json(&self) -> String {
        let mut object = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                object.insert(key.to_owned(), value);
            }
        };
        put("status", Some(self.status.word().into()));
        match &self.status {
            Status::Success => {}
            Status::Failed { failed_step, unit } => {
                put("failed_step", Some(failed_step.as_str().into()));
                put("unit", unit.as_ref().map(|v| v.as_str().into()));
            }
            Status::Progress { step, percent, bytes } => {
                put("step", step.as_ref().map(|v| v.as_str().into()));
                put("percent", percent.map(|v| v.value().into()));
                put("bytes", bytes.map(Value::from));
            }
        }
        put("delivery_id", self.delivery_id.as_ref().map(|v| v.as_str().into()));
        put("job_id", self.job_id.as_ref().map(|v| v.as_str().into()));
        put("attempt", self.attempt.map(Value::from));
        put("message", self.message.as_ref().map(|v| v.as_str().into()));
        put("build", self.build.as_ref().map(|v| v.as_str().into()));
        Value::Object(object).to_string()
    }

    /// What makes this the same report as another one of the same job.
    ///
    /// `attempt` is the attempt which the token proved: what the body claims must not let a sender
    /// of one attempt shadow the report of another.
    pub fn identity(&self, attempt: u32) -> Identity {
        match &self.delivery_id {
            Some(id) => Identity(format!("delivery:{id}")),
            None => {
                let step = self.status.step().map_or("", Name::as_str);
                Identity(format!("content:{attempt}:{}:{step}", self.status.word()))
            }
        }
    }
}

/// The fields of a body, read by JSON pointer so that a refusal names its place.
struct Fields(Map<String, Value>);

impl Fields {
    fn status(&self) -> Result<Status, Invalid> {
        match self.text("/status")? {
            None => Err(Invalid::new("/status", Code::Required)),
            Some("success") => Ok(Status::Success),
            Some("failed") => Ok(Status::Failed {
                failed_step: self
                    .name("/failed_step")?
                    .ok_or_else(|| Invalid::new("/failed_step", Code::Required))?,
                unit: self.name("/unit")?,
            }),
            Some("progress") => Ok(Status::Progress {
                step: self.name("/step")?,
                percent: self
                    .number("/percent")?
                    .map(Percent::new)
                    .transpose()
                    .map_err(|code| Invalid::new("/percent", code))?,
                bytes: self.number("/bytes")?,
            }),
            Some(_) => Err(Invalid::new("/status", Code::Unknown)),
        }
    }

    fn attempt(&self) -> Result<Option<u32>, Invalid> {
        self.number("/attempt")?
            .map(|number| u32::try_from(number).map_err(|_| Invalid::new("/attempt", Code::Range)))
            .transpose()
    }

    fn name(&self, path: &'static str) -> Result<Option<Name>, Invalid> {
        self.text(path)?.map(Name::parse).transpose().map_err(|code| Invalid::new(path, code))
    }

    fn id(&self, path: &'static str) -> Result<Option<Id>, Invalid> {
        self.text(path)?.map(Id::parse).transpose().map_err(|code| Invalid::new(path, code))
    }

    fn text(&self, path: &'static str) -> Result<Option<&str>, Invalid> {
        match self.value(path) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Invalid::new(path, Code::Type)),
        }
    }

    fn number(&self, path: &'static str) -> Result<Option<u64>, Invalid> {
        match self.value(path) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                whole(number).map(Some).ok_or_else(|| Invalid::new(path, Code::Range))
            }
            Some(_) => Err(Invalid::new(path, Code::Type)),
        }
    }

    fn value(&self, path: &'static str) -> Option<&Value> {
        self.0.get(path.trim_start_matches('/')).filter(|value| !value.is_null())
    }
}

/// A number that is whole, however it is written: `40.0` is 40, as JSON Schema has it.
fn whole(number: &Number) -> Option<u64> {
    /// Beyond this, not every whole number has a form of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let fits = |it: &f64| it.fract() == 0.0 && (0.0..=EXACT).contains(it);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative and small enough"
    )]
    let cast = |it: f64| it as u64;
    number.as_u64().or_else(|| number.as_f64().filter(fits).map(cast))
}

#[cfg(test)]
mod tests;
