//! `job.json` is the part of a task medium that comes from the controller and not from the user:
//! which job this is, whose machine it is for, where to report and with which token.

use serde::{Deserialize, Serialize};

use crate::document;
use crate::http_url::HttpUrl;
use crate::problem::Problem;
use crate::sealed::Sealed;

/// Version of the `job.json` form.
const JOB_FILE_VERSION: u32 = 1;
/// Ids and tokens are far shorter; the bound keeps file names and headers sane.
const MAX_ID_BYTES: usize = 64;

/// Content of `job.json`.
///
/// Members that this release does not know are ignored, because a controller may be newer than the
/// maintenance image; a new meaning for a known member needs a new version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobFile {
    /// The job.
    pub job_id: String,
    /// Which install of the job this is, from 1.
    pub attempt: u32,
    /// The job that this one retries, first of its chain, or the job itself. Steps redo nothing that
    /// the same lineage has done on a disk, and everything that another lineage has.
    pub lineage: String,
    /// What is known about the right machine; empty when nothing is.
    pub identities: Vec<Identity>,
    /// Where reports are posted.
    pub webhook_url: HttpUrl,
    /// The registry that [`JobFile::registry_pull_token`] is for.
    #[serde(default)]
    pub registry_url: Option<HttpUrl>,
    /// Token that goes with every report.
    pub webhook_token: Sealed,
    /// The name to log in with; the token is its password.
    #[serde(default)]
    pub registry_user: Option<String>,
    /// Token for pulling this job's artifacts.
    #[serde(default)]
    pub registry_pull_token: Option<Sealed>,
    /// Certificates (PEM) to trust for both URLs: the current authority and the next; may be empty.
    pub ca_pem: String,
    /// Until when reports and pulls are retried, in seconds since 1970-01-01T00:00:00Z.
    pub report_until: u64,
    /// W3C trace context of the job.
    #[serde(default)]
    pub traceparent: Option<String>,
}

/// What the controller recorded about a machine through its BMC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// System UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Stock keeping unit, which for some vendors is the service tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
}

/// Why bytes are not a [`JobFile`]. No content is repeated, as it holds tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobFileError {
    /// Not a JSON document within the limits.
    #[error("job.json: {}", told(.0))]
    Document(Vec<Problem>),
    /// A version that this release does not read.
    #[error("job.json has version {0}, this release reads {JOB_FILE_VERSION}")]
    Version(u64),
    /// A member is missing or malformed.
    #[error("job.json lacks a member, or one has the wrong form: {0}")]
    Member(&'static str),
}

impl JobFile {
    /// Reads `job.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, JobFileError> {
        let value = document::read(bytes).map_err(JobFileError::Document)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        match version {
            Some(version) if version == u64::from(JOB_FILE_VERSION) => {}
            Some(other) => return Err(JobFileError::Version(other)),
            None => return Err(JobFileError::Member("version")),
        }
        // serde's own words could repeat a token, so only the name of the member is kept.
        let job: Self = serde_json::from_value(value.clone())
            .map_err(|_| JobFileError::Member(first_bad_member(&value)))?;
        if !is_id(&job.job_id) {
            return Err(JobFileError::Member("job_id"));
        }
        if !is_id(&job.lineage) {
            return Err(JobFileError::Member("lineage"));
        }
        if !job.webhook_token_is_usable() {
            return Err(JobFileError::Member("webhook_token"));
        }
        if job.traceparent.as_deref().is_some_and(|text| !is_traceparent(text)) {
            return Err(JobFileError::Member("traceparent"));
        }
        Ok(job)
    }

    /// The bytes of `job.json`, **with its tokens**. Equal values give equal bytes.
    pub fn reveal_bytes(&self) -> Vec<u8> {
        crate::recipe::json_line(&Revealed {
            version: JOB_FILE_VERSION,
            job_id: &self.job_id,
            attempt: self.attempt,
            lineage: &self.lineage,
            identities: &self.identities,
            webhook_url: &self.webhook_url,
            registry_url: self.registry_url.as_ref(),
            registry_user: self.registry_user.as_deref(),
            webhook_token: self.webhook_token.reveal(),
            registry_pull_token: self.registry_pull_token.as_ref().map(Sealed::reveal),
            ca_pem: &self.ca_pem,
            report_until: self.report_until,
            traceparent: self.traceparent.as_deref(),
        })
    }

    /// The token travels as an HTTP header.
    fn webhook_token_is_usable(&self) -> bool {
        let token = self.webhook_token.reveal();
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// The same members in the order in which they are written.
#[derive(Serialize)]
struct Revealed<'a> {
    version: u32,
    job_id: &'a str,
    attempt: u32,
    lineage: &'a str,
    identities: &'a [Identity],
    webhook_url: &'a HttpUrl,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_url: Option<&'a HttpUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_user: Option<&'a str>,
    webhook_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_pull_token: Option<&'a str>,
    ca_pem: &'a str,
    report_until: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

/// The first required member that is missing or has the wrong type, else a vague answer.
fn first_bad_member(value: &serde_json::Value) -> &'static str {
    let is_text = |name| value.get(name).is_some_and(serde_json::Value::is_string);
    let is_number = |name| value.get(name).is_some_and(serde_json::Value::is_u64);
    let texts = ["job_id", "lineage", "webhook_url", "webhook_token", "ca_pem"];
    let numbers = ["attempt", "report_until"];
    texts
        .into_iter()
        .find(|name| !is_text(*name))
        .or_else(|| numbers.into_iter().find(|name| !is_number(*name)))
        .unwrap_or("a URL, an identity or an optional member")
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `version-traceid-parentid-flags` of the W3C Trace Context recommendation, version 00.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2])
        && parts.iter().all(|part| is_hex(part))
        && text.starts_with("00-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &[u8] = include_bytes!("../tests/golden/job.json");
    const TOKEN: &str = "wh-3q2-7wAAAAExample";

    #[test]
    fn the_golden_file_reads_and_writes_back_byte_for_byte() {
        let job = JobFile::parse(GOLDEN).unwrap();

        assert_eq!(job.reveal_bytes(), GOLDEN);
        assert_eq!(job.webhook_token.reveal(), TOKEN);
        assert_eq!(job.identities[0].sku.as_deref(), Some("F54P1G3"));
    }

    #[test]
    fn optional_members_may_be_missing_and_unknown_ones_are_ignored() {
        let job =
            JobFile::parse(with(&[("registry_url", None), ("new_member", Some("1"))]).as_bytes());

        assert_eq!(job.unwrap().registry_url, None);
    }

    #[test]
    fn malformed_members_are_named_and_never_shown() {
        for (name, value) in [
            ("job_id", Some(r#""../../etc""#)),
            ("lineage", Some(r#""""#)),
            ("webhook_url", None),
            ("webhook_token", Some(r#""line\nbreak""#)),
            ("webhook_token", Some("17")),
            ("attempt", Some("-1")),
            ("traceparent", Some(r#""00-xyz""#)),
        ] {
            let error = JobFile::parse(with(&[(name, value)]).as_bytes()).unwrap_err();

            assert_eq!(error, JobFileError::Member(name));
        }
        let error = JobFile::parse(with(&[("webhook_url", Some(r#""ftp://x""#))]).as_bytes());
        assert!(!error.unwrap_err().to_string().contains(TOKEN));
    }

    #[test]
    fn another_version_is_refused() {
        let error = JobFile::parse(with(&[("version", Some("2"))]).as_bytes()).unwrap_err();

        assert_eq!(error.to_string(), "job.json has version 2, this release reads 1");
    }

    #[test]
    fn debug_output_shows_no_token() {
        let shown = format!("{:?}", JobFile::parse(GOLDEN).unwrap());

        assert!(!shown.contains(TOKEN) && !shown.contains("rp-"), "{shown}");
    }

    /// The golden file with members changed or removed.
    fn with(changes: &[(&str, Option<&str>)]) -> String {
        let mut value: serde_json::Value = serde_json::from_slice(GOLDEN).unwrap();
        let members = value.as_object_mut().unwrap();
        for (name, change) in changes {
            match change {
                Some(json) => members.insert((*name).into(), serde_json::from_str(json).unwrap()),
                None => members.remove(*name),
            };
        }
        value.to_string()
    }
}
