//! The rules that a schema cannot say. They look at the raw JSON and skip members of the wrong type,
//! so that a user who made one mistake in every member hears of all of them at once.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use crate::disk::{DiskPath, SizeMatch};
use crate::format::Format;
use crate::http_url::HttpUrl;
use crate::oci::OciRef;
use crate::partition::SizeSpec;
use crate::problem::{Code, Problem};
use crate::recipe::SUPPORTED_VERSIONS;
use crate::target::TaskTarget;
use crate::type_guid::TypeGuid;

/// The schema's bound for partitions.
const MAX_PARTITIONS: usize = 64;
/// Limits of the sealed texts in bytes.
const SEALED_LIMITS: [(&str, usize); 3] =
    [("user_data", 1 << 20), ("unattend_xml", 1 << 20), ("ks_cfg", 256 << 10)];
/// Metadata is carried on every task medium, whose size is bounded.
const MAX_METADATA_BYTES: usize = 256 << 10;

/// What the rules find wrong with `recipe`.
pub(crate) fn check(recipe: &Value) -> Vec<Problem> {
    let mut rules = Rules { recipe, problems: Vec::new() };
    rules.version();
    rules.text::<TaskTarget>("/task_target", Code::BadTarget);
    rules.target_disk();
    rules.text::<OciRef>("/oci_url", Code::BadReference);
    rules.text::<HttpUrl>("/firmware_url", Code::BadUrl);
    rules.whole_number("/wim_index");
    rules.partition_layout();
    for (name, limit) in SEALED_LIMITS {
        rules.sealed(name, limit);
    }
    rules.metadata();
    rules.problems
}

/// A list of millions of wrong partitions would cost the schema check gigabytes, so its length is
/// looked at before anything else.
pub(crate) fn flood(recipe: &Value) -> Option<Problem> {
    let count = recipe.get("partition_layout")?.as_array()?.len();
    let message = format!("has {count} entries, a layout has at most {MAX_PARTITIONS}");
    let problem = Problem::new("/partition_layout", Code::OutOfRange, message);
    (count > MAX_PARTITIONS).then_some(problem)
}

struct Rules<'a> {
    recipe: &'a Value,
    problems: Vec<Problem>,
}

impl Rules<'_> {
    fn problem(&mut self, path: &str, code: Code, message: impl Into<String>) {
        self.problems.push(Problem::new(path, code, message));
    }

    /// Reads the text at `path` as a `T`, and gives it when it is one.
    fn text<T: FromStr<Err: Display>>(&mut self, path: &str, code: Code) -> Option<T> {
        let text = self.recipe.pointer(path)?.as_str()?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(path, code, error.to_string());
                None
            }
        }
    }

    /// JSON Schema takes 1.0 for an integer; the types and other readers do not.
    fn whole_number(&mut self, path: &str) -> Option<u64> {
        let value = self.recipe.pointer(path).filter(|value| value.is_number())?;
        let whole = value.as_u64();
        if whole.is_none() {
            self.problem(path, Code::OutOfRange, "must be a whole number without fraction or sign");
        }
        whole
    }

    fn version(&mut self) {
        let Some(version) = self.whole_number("/recipe_version") else { return };
        if !SUPPORTED_VERSIONS.iter().any(|known| u64::from(*known) == version) {
            let known: Vec<String> = SUPPORTED_VERSIONS.iter().map(u32::to_string).collect();
            let message = format!(
                "version {version} is not read by this release, which reads {}; write the recipe \
                 for one of these, or upgrade",
                known.join(", ")
            );
            self.problem("/recipe_version", Code::UnsupportedVersion, message);
        }
    }

    fn target_disk(&mut self) {
        self.text::<DiskPath>("/target_disk", Code::BadDisk);
        self.text::<SizeMatch>("/target_disk/size", Code::BadSize);
        for name in ["serial", "wwn", "model"] {
            let path = format!("/target_disk/{name}");
            let Some(text) = self.recipe.pointer(&path).and_then(Value::as_str) else { continue };
            if text.trim().is_empty() {
                self.problem(&path, Code::BadDisk, "is blank and would match nothing; remove it");
            } else if text.chars().any(char::is_control) {
                self.problem(&path, Code::ControlCharacter, "contains a control character");
            }
        }
    }

    fn partition_layout(&mut self) {
        let Some(entries) = self.recipe.pointer("/partition_layout").and_then(Value::as_array)
        else {
            return;
        };
        let mut rest_count = 0_u32;
        let mut percent_sum = 0_u32;
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("/partition_layout/{index}");
            match self.text(&format!("{path}/size"), Code::BadSize) {
                Some(SizeSpec::Rest) => rest_count += 1,
                Some(SizeSpec::Percent(percent)) => percent_sum += u32::from(percent),
                Some(SizeSpec::Bytes(_)) | None => {}
            }
            self.text::<TypeGuid>(&format!("{path}/type_guid"), Code::BadTypeGuid);
            self.label(&path, entry);
        }
        if rest_count > 1 {
            let message = format!(
                "{rest_count} partitions ask for the rest of the disk (100%); only one can have it"
            );
            self.problem("/partition_layout", Code::SeveralRest, message);
        }
        let most = if rest_count == 0 { 100 } else { 99 };
        if percent_sum > most {
            let message =
                format!("the shares of the partitions sum to {percent_sum}%, at most {most}% fit");
            self.problem("/partition_layout", Code::PercentSum, message);
        }
    }

    fn label(&mut self, path: &str, entry: &Value) {
        let Some(label) = entry.get("label").and_then(Value::as_str) else { return };
        let format = match entry.get("format") {
            None => Some(Format::Raw),
            Some(name) => name.as_str().and_then(|name| name.parse().ok()),
        };
        if let Some(Err(error)) = format.map(|format| format.check_label(label)) {
            self.problem(&format!("{path}/label"), Code::BadLabel, error.to_string());
        }
    }

    fn sealed(&mut self, name: &str, limit: usize) {
        let path = format!("/{name}");
        let Some(text) = self.recipe.pointer(&path).and_then(Value::as_str) else { return };
        if text.len() > limit {
            let message = format!("has {} bytes, the limit is {limit}", text.len());
            self.problem(&path, Code::TooLarge, message);
        }
        let is_stray = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
        if let Some(offset) = text.find(is_stray) {
            let message = format!("contains a control character at byte {offset}; remove it");
            self.problem(&path, Code::ControlCharacter, message);
        }
    }

    fn metadata(&mut self) {
        let Some(metadata) = self.recipe.get("metadata") else { return };
        let length = metadata.to_string().len();
        if length > MAX_METADATA_BYTES {
            let message = format!("has {length} bytes, the limit is {MAX_METADATA_BYTES}");
            self.problem("/metadata", Code::TooLarge, message);
        }
    }
}
