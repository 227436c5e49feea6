//! The recipe itself: the type every other room works with, and the door through which a user's
//! bytes become one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::disk::TargetDisk;
use crate::http_url::HttpUrl;
use crate::lint::{Lint, lints};
use crate::oci::OciRef;
use crate::partition::PartitionLayout;
use crate::problem::{Code, Problem, merged};
use crate::sealed::Sealed;
use crate::target::{TaskTarget, Workflow};
use crate::{document, rules, schema};

/// Recipe versions that this release reads: the current one and, once there is one, its
/// predecessor, so that controller and users can be upgraded one after the other.
pub const SUPPORTED_VERSIONS: &[u32] = &[CURRENT_VERSION];

const CURRENT_VERSION: u32 = 1;

/// A task medium may have 10 MiB, of which 4 MiB are kept free before the recipe and some are needed
/// for the file system and the other files.
const MAX_ON_MEDIUM_BYTES: usize = 5 << 20;

/// What a user asks of one server.
///
/// [`Recipe::parse`] admits a recipe; `Deserialize` checks only types and exists to load again what
/// was admitted and stored. `Serialize` leaves the sealed members out; [`Recipe::reveal_document`]
/// writes everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// `$schema`, kept because the user wrote it; never followed.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Version of the recipe format.
    #[serde(default = "current_version")]
    pub recipe_version: u32,
    /// The target that the maintenance OS starts.
    pub task_target: TaskTarget,
    /// The disk to install on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_disk: Option<TargetDisk>,
    /// Artifact with the root filesystem or the WIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci_url: Option<OciRef>,
    /// Where the firmware bundle is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_url: Option<HttpUrl>,
    /// SHA-256 of the firmware bundle in lower case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_sha256: Option<String>,
    /// Partitions to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_layout: Option<PartitionLayout>,
    /// cloud-init user data.
    #[serde(default, skip_serializing)]
    pub user_data: Option<Sealed>,
    /// Windows answer file.
    #[serde(default, skip_serializing)]
    pub unattend_xml: Option<Sealed>,
    /// Image within the WIM; see [`Recipe::wim_index_or_first`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wim_index: Option<u32>,
    /// ESXi kickstart file.
    #[serde(default, skip_serializing)]
    pub ks_cfg: Option<Sealed>,
    /// The user's own words.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// An admitted recipe and what deserves a second look in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The recipe.
    pub recipe: Recipe,
    /// Warnings for the plan; they never refuse a recipe.
    pub lints: Vec<Lint>,
}

impl Recipe {
    /// Reads a recipe from JSON of at most [`MAX_RECIPE_BYTES`](crate::MAX_RECIPE_BYTES).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, sorted by path, at most 100 entries, none of which repeats
    /// sealed content. When the bytes are not a JSON document at all there is one entry; when members
    /// appear twice, only that is told.
    pub fn parse(bytes: &[u8]) -> Result<Parsed, Vec<Problem>> {
        Self::from_value(document::read(bytes)?)
    }

    /// Reads a recipe that is part of a larger JSON document, whose reader bounded its size and depth
    /// and refused members that appear twice. Whoever still has the bytes uses [`Recipe::parse`].
    ///
    /// # Errors
    ///
    /// As [`Recipe::parse`]; [`Problem::under`] moves the paths to where the recipe was.
    pub fn from_value(value: Value) -> Result<Parsed, Vec<Problem>> {
        if let Some(problem) = rules::flood(&value) {
            return Err(vec![problem]);
        }
        let problems = merged(rules::check(&value), schema::check(&value));
        if !problems.is_empty() {
            return Err(problems);
        }
        let recipe: Self = serde_json::from_value(value).map_err(|_| {
            // The parser's words could repeat sealed content, and the schema should have spoken.
            vec![Problem::new("", Code::BadFormat, "does not have the form of a recipe")]
        })?;
        let on_medium = recipe.bytes_on_medium();
        if on_medium > MAX_ON_MEDIUM_BYTES {
            let message = format!(
                "the recipe and its files need {on_medium} bytes on the task medium, the limit is \
                 {MAX_ON_MEDIUM_BYTES}; move large files into an artifact"
            );
            return Err(vec![Problem::new("", Code::TooLarge, message)]);
        }
        let lints = lints(&recipe);
        Ok(Parsed { recipe, lints })
    }

    /// The workflow that a job with this recipe follows.
    pub fn workflow(&self) -> Workflow {
        self.task_target.workflow()
    }

    /// The image within the WIM to apply: the one named, else the first.
    pub fn wim_index_or_first(&self) -> u32 {
        self.wim_index.unwrap_or(1)
    }

    /// The sealed members that are present, with their names.
    pub fn sealed(&self) -> impl Iterator<Item = (&'static str, &Sealed)> {
        let all = [
            ("user_data", &self.user_data),
            ("unattend_xml", &self.unattend_xml),
            ("ks_cfg", &self.ks_cfg),
        ];
        all.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)))
    }

    /// The whole recipe as one line of JSON, **with its sealed members**: the `recipe.json` of the
    /// task medium. Equal recipes give equal bytes, and parsing them gives an equal recipe.
    pub fn reveal_document(&self) -> Vec<u8> {
        let mut document = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = document.as_object_mut() {
            for (name, text) in self.sealed() {
                members.insert(name.to_owned(), text.reveal().into());
            }
        }
        json_line(&document)
    }

    /// `recipe.json` holds the sealed texts once more beside their own files.
    fn bytes_on_medium(&self) -> usize {
        self.reveal_document().len() + self.sealed().map(|(_, text)| text.len()).sum::<usize>()
    }
}

/// One line of JSON for a value of this crate.
#[expect(clippy::expect_used, reason = "our types have string keys and infallible writers")]
pub(crate) fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).expect("our values are always JSON");
    bytes.push(b'\n');
    bytes
}

fn current_version() -> u32 {
    CURRENT_VERSION
}

#[cfg(test)]
mod tests;
