//! Reading the files of the task medium. The controller checked the recipe with the same validator;
//! checking it again catches a damaged medium, and a controller that is newer than this image.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;
use shoal_recipe::{Code, JobFile, MAX_RECIPE_BYTES, Problem, Recipe, SCHEMA_ID, task_file};

use crate::exit::{Exit, Failure};
use crate::files::read_bounded;

/// Bound for `job.json` and `recipe.schema.json`, which have a few KiB.
const MAX_CONTROL_BYTES: u64 = 1 << 20;
/// More problems than this say no more to whoever reads a failure report.
const MAX_PROBLEMS_TOLD: usize = 5;

/// Reads `job.json`.
pub(crate) fn job(medium: &Path) -> Result<JobFile, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::RecipeUnreadable, format!("failed to read job.json: {error}"))
    };
    let bytes = read_bounded(&medium.join(task_file::JOB), MAX_CONTROL_BYTES)
        .map_err(|e| unreadable(&e))?;
    JobFile::parse(&bytes).map_err(|error| unreadable(&error))
}

/// Makes sure that the medium was made for a schema that this image knows.
pub(crate) fn schema(medium: &Path) -> Result<(), Failure> {
    let failure = |message: String| Failure::new(Exit::Schema, message);
    let bytes = read_bounded(&medium.join(task_file::RECIPE_SCHEMA), MAX_CONTROL_BYTES)
        .map_err(|error| failure(format!("failed to read recipe.schema.json: {error}")))?;
    let schema: Value = serde_json::from_slice(&bytes)
        .map_err(|error| failure(format!("recipe.schema.json is not JSON: {error}")))?;
    match schema.get("$id").and_then(Value::as_str) {
        Some(SCHEMA_ID) => Ok(()),
        Some(other) => {
            let other: String = other.chars().take(100).collect();
            Err(failure(format!(
                "the medium carries schema {other:?}, this image knows {SCHEMA_ID}; update the \
                 maintenance image"
            )))
        }
        None => Err(failure("recipe.schema.json has no $id".to_owned())),
    }
}

/// Reads `meta-data`, or makes it where the medium leaves it out because no step is expected to ask.
pub(crate) fn meta_data(medium: &Path, job: &JobFile) -> Result<Vec<u8>, Failure> {
    match read_bounded(&medium.join(task_file::META_DATA), MAX_CONTROL_BYTES) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(task_file::meta_data(job)),
        other => other.map_err(|error| {
            Failure::new(Exit::RecipeUnreadable, format!("failed to read meta-data: {error}"))
        }),
    }
}

/// Reads and validates `recipe.json`.
pub(crate) fn recipe(medium: &Path) -> Result<Recipe, Failure> {
    let bytes = read_bounded(&medium.join(task_file::RECIPE), MAX_RECIPE_BYTES as u64).map_err(
        |error| {
            Failure::new(Exit::RecipeUnreadable, format!("failed to read recipe.json: {error}"))
        },
    )?;
    match Recipe::parse(&bytes) {
        Ok(parsed) => Ok(parsed.recipe),
        Err(problems) => Err(invalid(&problems)),
    }
}

fn invalid(problems: &[Problem]) -> Failure {
    let unreadable = problems
        .iter()
        .any(|problem| matches!(problem.code, Code::NotUtf8 | Code::NotJson | Code::TooDeep));
    let exit = if unreadable { Exit::RecipeUnreadable } else { Exit::RecipeInvalid };
    let told: Vec<String> =
        problems.iter().take(MAX_PROBLEMS_TOLD).map(ToString::to_string).collect();
    let more = problems.len().saturating_sub(MAX_PROBLEMS_TOLD);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Failure::new(exit, format!("recipe.json: {}{more}", told.join("; ")))
}
