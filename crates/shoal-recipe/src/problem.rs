//! Everything wrong with a recipe is told in one shape, so that the API, the CLI and the dispatcher
//! can show the same words for the same mistake.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

/// The most problems one answer carries; a longer list ends with [`Code::TooManyProblems`].
pub(crate) const MAX_PROBLEMS: usize = 100;
/// The most characters of a user's value that a message repeats.
const MAX_QUOTED: usize = 60;
/// The most characters of a path; a longer one is cut, because member names are the user's.
const MAX_PATH: usize = 256;

/// One thing that keeps a recipe from being accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) to the member, also when it is missing; empty for the whole document.
    pub path: String,
    /// What kind of problem it is; stable for programs.
    pub code: Code,
    /// What is wrong and what to do, for people. Never contains sealed content.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, code: Code, message: impl Into<String>) -> Self {
        let mut path = path.into();
        if path.chars().count() > MAX_PATH {
            path = path.chars().take(MAX_PATH).chain(['…']).collect();
        }
        Self { path, code, message: message.into() }
    }

    /// The same problem seen from a document that holds the recipe at `prefix`, such as `/recipe`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.path.insert_str(0, prefix);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "{path}: {} ({})", self.message, self.code.as_str())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Kinds of problems. New kinds may be added; a text once given keeps its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// The stable text used in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// The document, a text or the metadata is larger than its limit.
    TooLarge = "too_large",
    /// The document is not UTF-8.
    NotUtf8 = "not_utf8",
    /// The document is not JSON.
    NotJson = "not_json",
    /// Arrays and objects are nested deeper than a recipe can need.
    TooDeep = "too_deep",
    /// A value has the wrong JSON type.
    WrongType = "wrong_type",
    /// A required member is missing.
    MissingField = "missing_field",
    /// A member that the schema does not know.
    UnknownField = "unknown_field",
    /// A member that appears more than once in its object.
    DuplicateField = "duplicate_field",
    /// A text does not have the required form.
    BadFormat = "bad_format",
    /// A number, length or count is outside its bounds.
    OutOfRange = "out_of_range",
    /// A value is not one of those allowed.
    UnsupportedValue = "unsupported_value",
    /// A recipe version that this release does not read.
    UnsupportedVersion = "unsupported_version",
    /// A task target that is not a plain target name or that would stop the machine.
    BadTarget = "bad_target",
    /// A target disk that is not a whole-disk path or a usable selector.
    BadDisk = "bad_disk",
    /// A size without a known unit or outside its bounds.
    BadSize = "bad_size",
    /// The shares of the partitions ask for more than the disk.
    PercentSum = "percent_sum",
    /// More than one partition asks for the rest of the disk.
    SeveralRest = "several_rest",
    /// A partition type that is neither a GUID nor a known alias.
    BadTypeGuid = "bad_type_guid",
    /// A label that its filesystem cannot hold.
    BadLabel = "bad_label",
    /// An OCI reference that cannot be read.
    BadReference = "bad_reference",
    /// A URL that is not a plain http or https URL.
    BadUrl = "bad_url",
    /// A text with control characters where none can be meant.
    ControlCharacter = "control_character",
    /// The list of problems was cut.
    TooManyProblems = "too_many_problems",
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Joins what the schema and the rules found into one sorted, bounded list.
///
/// Where both speak about the same member, the rule wins: it knows what the member means and says
/// what to do, while the schema can only quote a pattern.
pub(crate) fn merged(rules: Vec<Problem>, schema: Vec<Problem>) -> Vec<Problem> {
    let explained: BTreeSet<String> = rules.iter().map(|problem| problem.path.clone()).collect();
    let mut all = rules;
    all.extend(schema.into_iter().filter(|problem| !explained.contains(&problem.path)));
    all.sort_by(|a, b| (natural(&a.path), a.code).cmp(&(natural(&b.path), b.code)));
    all.dedup();
    let total = all.len();
    if total > MAX_PROBLEMS {
        all.truncate(MAX_PROBLEMS - 1);
        let message = format!("at least {total} problems found, the first {} are shown", all.len());
        all.push(Problem::new("", Code::TooManyProblems, message));
    }
    all
}

/// Sorts `/a/2` before `/a/10`.
fn natural(path: &str) -> Vec<(u64, &str)> {
    path.split('/').map(|part| (part.parse().unwrap_or(0), part)).collect()
}

/// A user's value for a message: in quotes, escaped and cut.
pub(crate) fn quoted(value: &str) -> String {
    let shown: String = value.chars().take(MAX_QUOTED).collect();
    let more = if shown.len() < value.len() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_entries_sort_by_number_and_rules_outrank_the_schema() {
        let problem = |path: &str, code| Problem::new(path, code, "x");

        let all = merged(
            vec![problem("/a/10", Code::BadSize), problem("/a/2", Code::BadSize)],
            vec![problem("/a/2", Code::BadFormat), problem("/a/1", Code::BadFormat)],
        );

        let seen: Vec<_> = all.iter().map(|p| (p.path.as_str(), p.code)).collect();
        assert_eq!(
            seen,
            [("/a/1", Code::BadFormat), ("/a/2", Code::BadSize), ("/a/10", Code::BadSize)]
        );
    }

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let many = (0..250).map(|n| Problem::new(format!("/{n}"), Code::BadSize, "x")).collect();

        let all = merged(many, Vec::new());

        assert_eq!(all.len(), MAX_PROBLEMS);
        assert_eq!(all[99].code, Code::TooManyProblems);
        assert_eq!(all[99].message, "at least 250 problems found, the first 99 are shown");
    }

    #[test]
    fn quoted_values_are_escaped_and_cut() {
        assert_eq!(quoted("a\n\"b"), r#""a\n\"b""#);
        assert_eq!(quoted(&"x".repeat(70)).chars().count(), 63);
    }

    #[test]
    fn a_path_can_be_moved_under_the_member_that_holds_the_recipe() {
        let problem = Problem::new("/target_disk", Code::BadDisk, "x").under("/recipe");

        assert_eq!(problem.to_string(), "/recipe/target_disk: x (bad_disk)");
    }
}
