//! Rules about Rust source files.

use std::path::Path;

use super::{File, Problem, Tree};

/// Longer files are two rooms.
const LONGEST: usize = 500;
/// Longer files are worth a note: most of the good ones are below this.
const LONG: usize = 300;

const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "misc"];

/// A `tests.rs` exists for the reason its parent gives.
pub(super) fn module_docs(tree: &Tree) -> Vec<Problem> {
    tree.with_extension("rs")
        .filter(|file| !file.path.ends_with("tests.rs"))
        .filter(|file| first_code_line(&file.text).is_none_or(|line| !line.starts_with("//!")))
        .map(|file| {
            let fix = "begin the file with a `//!` paragraph saying why it exists";
            Problem::new(&file.path, 1, "nothing says what this file is for", fix)
        })
        .collect()
}

fn first_code_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("#!"))
}

pub(super) fn module_names(tree: &Tree) -> Vec<Problem> {
    let named = |path: &Path| {
        let stems = path.iter().filter_map(|part| Path::new(part).file_stem()?.to_str());
        stems.into_iter().any(|stem| EMPTY_NAMES.contains(&stem))
    };
    tree.with_extension("rs")
        .filter(|file| named(&file.path))
        .map(|file| {
            let fix = "name the module after the noun its content is about, or move each item \
                       to its only caller";
            Problem::new(&file.path, 0, "this name could hold anything", fix)
        })
        .collect()
}

pub(super) fn length(tree: &Tree) -> Vec<Problem> {
    tree.with_extension("rs")
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(file, lines)| {
            let fix = "split it where a reader would pause; tests move to `foo/tests.rs` first";
            Problem::new(&file.path, 0, format!("{lines} lines, more than {LONGEST}"), fix)
        })
        .collect()
}

/// Files that are allowed and still long.
pub(super) fn long(tree: &Tree) -> Vec<String> {
    tree.with_extension("rs")
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| (LONG..=LONGEST).contains(lines))
        .map(|(file, lines)| format!("{} has {lines} lines", file.path.display()))
        .collect()
}

pub(super) fn open_ends(tree: &Tree) -> Vec<Problem> {
    // Spelled apart, or this file would be its own first finding.
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
    let mut problems = Vec::new();
    for file in tree.with_extension("rs").chain(tree.with_extension("toml")) {
        for (number, line) in numbered(file) {
            let has_word = |mark: &str| {
                line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == mark)
            };
            let linked = line.contains("://") || line.contains('#') && line.contains("issue");
            if let (Some(mark), false) = (marks.iter().find(|mark| has_word(mark)), linked) {
                let what = format!("{mark} without an issue");
                let fix = "do it now, or open an issue and link it on the same line";
                problems.push(Problem::new(&file.path, number, what, fix));
            }
        }
    }
    problems
}

pub(super) fn skipped_tests(tree: &Tree) -> Vec<Problem> {
    let mark = concat!("#[", "ignore");
    let mut problems = Vec::new();
    for file in tree.with_extension("rs") {
        for (number, line) in numbered(file).filter(|(_, line)| line.trim().starts_with(mark)) {
            let fix = "make the test fit to run always, or delete it";
            problems.push(Problem::new(&file.path, number, line.trim(), fix));
        }
    }
    problems
}

pub(super) fn sleeping_tests(tree: &Tree) -> Vec<Problem> {
    let sleeps = [concat!("thread::", "sleep("), concat!("time::", "sleep(")];
    let mut problems = Vec::new();
    for file in tree.with_extension("rs") {
        // A paused clock jumps; nothing waits.
        let pauses = ["start_paused = true", "start_paused(true)"];
        let paused = pauses.iter().any(|pause| file.text.contains(pause));
        let Some(start) = test_code_starts(file).filter(|_| !paused) else { continue };
        for (number, line) in numbered(file).skip(start) {
            if sleeps.iter().any(|sleep| line.contains(sleep)) {
                let fix = "wait for the event itself (a channel, a condition, a paused clock)";
                problems.push(Problem::new(&file.path, number, "a test that sleeps", fix));
            }
        }
    }
    problems
}

/// Makers of BMCs; what their machines need is in profiles.
const MAKERS: &[&str] = &[
    "dell",
    "idrac",
    "hpe",
    "ilo",
    "lenovo",
    "xclarity",
    "supermicro",
    "megarac",
    "nvidia",
    "openbmc",
    "cisco",
    "fujitsu",
    "huawei",
];

/// Where jobs are decided and carried out, no maker is known.
const MAKERLESS: [&str; 2] = ["crates/shoal-core/src", "crates/shoal-engine/src"];

pub(super) fn makers(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let decides = |file: &&File| MAKERLESS.iter().any(|place| file.path.starts_with(place));
    for file in tree.with_extension("rs").filter(decides) {
        for (number, line) in numbered(file) {
            let lower = line.to_ascii_lowercase();
            let mut words = lower.split(|c: char| !c.is_alphanumeric());
            if let Some(maker) = words.find(|word| MAKERS.contains(word)) {
                let fix = "name the behaviour, and put it into a profile of shoal-redfish";
                problems.push(Problem::new(&file.path, number, format!("{maker} is named"), fix));
            }
        }
    }
    problems
}

/// The number of lines before test code, if the file has any.
pub(super) fn test_code_starts(file: &File) -> Option<usize> {
    let mut parts = file.path.iter();
    // Integration tests of a crate, and test modules in files of their own; the programs of the
    // tests package are programs.
    let is_program = file.path.starts_with("tests/src");
    if !is_program && parts.any(|part| part == "tests" || part == "tests.rs") {
        return Some(0);
    }
    file.text.lines().position(|line| line.trim() == "#[cfg(test)]")
}

fn numbered(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_purpose_is_found_and_attributes_do_not_count() {
        let tree = tree(&[
            ("crates/a/src/lib.rs", "\n#![deny(missing_docs)]\n//! A.\n"),
            ("crates/a/src/b.rs", "use std::fmt;\n//! late\n"),
        ]);
        assert_eq!(found(&module_docs(&tree)), ["crates/a/src/b.rs:1"]);
    }

    #[test]
    fn empty_names_are_found_as_files_and_as_directories() {
        let tree = tree(&[
            ("crates/a/src/utils.rs", ""),
            ("crates/a/tests/common/mod.rs", ""),
            ("crates/a/src/commons.rs", ""),
        ]);
        let paths = ["crates/a/src/utils.rs:0", "crates/a/tests/common/mod.rs:0"];
        assert_eq!(found(&module_names(&tree)), paths);
    }

    #[test]
    fn an_open_end_needs_an_issue_on_its_line() {
        let mark = concat!("TO", "DO");
        let text = format!("// {mark}: later\n// {mark}: see https://x/issues/3\nlet {mark}S = 1;");
        let tree = tree(&[("crates/a/src/b.rs", &text)]);
        assert_eq!(found(&open_ends(&tree)), ["crates/a/src/b.rs:1"]);
    }

    #[test]
    fn sleeping_is_found_in_test_code_only() {
        let nap = concat!("std::thread::", "sleep(second);");
        let mixed = format!("{nap}\n#[cfg(test)]\nmod tests {{\n{nap}\n}}");
        let paused = format!("#[tokio::test(start_paused = true)]\n{nap}");
        let built = format!("Builder::new_current_thread().start_paused(true)\n{nap}");
        let tree = tree(&[
            ("crates/a/src/b.rs", &mixed),
            ("crates/a/tests/c.rs", nap),
            ("crates/a/tests/d.rs", &paused),
            ("crates/a/tests/e.rs", &built),
            ("tests/src/demo.rs", nap),
        ]);
        assert_eq!(found(&sleeping_tests(&tree)), ["crates/a/src/b.rs:4", "crates/a/tests/c.rs:1"]);
    }

    #[test]
    fn a_maker_is_found_where_jobs_are_decided_and_nowhere_else() {
        let text = "// As Dell does.\nlet pilot = 1;\n";
        let tree = tree(&[("crates/shoal-core/src/a.rs", text), ("crates/a/src/b.rs", text)]);
        assert_eq!(found(&makers(&tree)), ["crates/shoal-core/src/a.rs:1"]);
    }

    #[test]
    fn skipped_tests_and_endless_files_are_found() {
        let skip = concat!("#[", "ignore = \"slow\"]");
        let endless = "//!\n".repeat(LONGEST + 1);
        let tree = tree(&[("crates/a/tests/c.rs", skip), ("crates/a/src/d.rs", &endless)]);
        assert_eq!(found(&skipped_tests(&tree)), ["crates/a/tests/c.rs:1"]);
        assert_eq!(found(&length(&tree)), ["crates/a/src/d.rs:0"]);
    }

    fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: path.into(), text: (*text).into() };
        Tree { files: files.iter().map(file).collect() }
    }

    fn found(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(|it| format!("{}:{}", it.path.display(), it.line)).collect()
    }
}
