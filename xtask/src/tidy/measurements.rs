//! Metrics in code against the catalogue. The recorder refuses what the catalogue does not declare;
//! this finds it before anything runs. The catalogue is read from its generated page, so that this
//! program need not be built with the exporters.

use std::collections::{BTreeMap, BTreeSet};

use super::{File, Problem, Tree, source::test_code_starts};

const PAGE: &str = "docs/reference/metrics.md";
const MACROS: &[&str] = &["counter!(", "gauge!(", "histogram!("];

/// Label names by metric name.
type Catalogue = BTreeMap<String, BTreeSet<String>>;

/// One use of a recording macro.
struct Use {
    line: usize,
    /// Empty when the first argument is no literal.
    name: String,
    labels: BTreeSet<String>,
}

pub(super) fn declared(tree: &Tree) -> Vec<Problem> {
    let catalogue = catalogue(tree);
    let mut problems = Vec::new();
    for file in emitting(tree) {
        for found in uses(file) {
            if let Some(what) = wrong(&found, &catalogue) {
                let fix = "declare it in crates/shoal-telemetry/src/catalogue and run `cargo \
                           xtask generate`, or use the declared name and labels literally";
                problems.push(Problem::new(&file.path, found.line, what, fix));
            }
        }
    }
    problems
}

/// Metrics no code records yet.
pub(super) fn silent(tree: &Tree) -> Vec<String> {
    let recorded: BTreeSet<String> =
        emitting(tree).flat_map(uses).map(|found| found.name).collect();
    // Sampled by a library under these names.
    let silent: Vec<String> = catalogue(tree)
        .into_keys()
        .filter(|name| !recorded.contains(name) && !name.starts_with("process_"))
        .collect();
    if silent.is_empty() {
        return Vec::new();
    }
    vec![format!("declared and not recorded yet: {}", silent.join(", "))]
}

fn wrong(found: &Use, catalogue: &Catalogue) -> Option<String> {
    if found.name.is_empty() {
        return Some("a metric whose name is no literal".to_owned());
    }
    let Some(labels) = catalogue.get(&found.name) else {
        return Some(format!("{} is not in the catalogue", found.name));
    };
    (*labels != found.labels).then(|| {
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
        let (given, wanted) = (list(&found.labels), list(labels));
        format!("{} has labels [{given}], the catalogue says [{wanted}]", found.name)
    })
}

fn emitting(tree: &Tree) -> impl Iterator<Item = &File> {
    let places = ["crates", "bins"];
    tree.with_extension("rs").filter(move |file| places.iter().any(|it| file.path.starts_with(it)))
}

fn catalogue(tree: &Tree) -> Catalogue {
    let page = tree.files.iter().find(|file| file.path.as_os_str() == PAGE);
    let rows = page.map_or("", |file| file.text.as_str()).lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next())
        .map(|shape| {
            let (name, labels) = shape.split_once('{').unwrap_or((shape, ""));
            let labels = labels.trim_end_matches('}').split(',');
            let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned).collect();
            (name.to_owned(), labels)
        })
        .collect()
}

/// Uses outside test code, which may record what it likes, and outside comments.
fn uses(file: &File) -> Vec<Use> {
    let end = test_code_starts(file).unwrap_or(usize::MAX);
    let code: String = (file.text.lines().take(end))
        .map(|line| if line.trim_start().starts_with("//") { "" } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut found = Vec::new();
    for name in MACROS {
        for (at, _) in code.match_indices(name) {
            let (before, after) = code.split_at(at);
            // `describe_counter!(` and its like end the same way.
            let continues = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if let (false, Some(arguments)) = (continues, after.strip_prefix(name)) {
                let line = before.matches('\n').count() + 1;
                found.push(read(line, arguments));
            }
        }
    }
    found
}

/// Reads the arguments up to the closing parenthesis. `arguments` begins behind the opening one.
fn read(line: usize, arguments: &str) -> Use {
    let mut depth = 1_usize;
    let end = arguments.find(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => (),
        }
        depth == 0
    });
    let (arguments, _) = arguments.split_at(end.unwrap_or(arguments.len()));
    let first = arguments.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
    let labels = arguments.split("=>").filter_map(|before| {
        let (_, label) = before.trim_end().strip_suffix('"')?.rsplit_once('"')?;
        Some(label.to_owned())
    });
    let name = first.unwrap_or_default().to_owned();
    // The last piece follows an arrow and may end in a literal value.
    let arrows = arguments.matches("=>").count();
    Use { line, name, labels: labels.take(arrows).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: &str = "| metric | type |\n|---|---|\n\
        | `job_total{status}` | counter |\n| `iso_size_bytes` | histogram |\n";

    #[test]
    fn undeclared_names_wrong_labels_and_computed_names_are_found() {
        let code = "fn f() {\n\
            counter!(\"job_total\", \"status\" => word(status, (1, 2))).increment(1);\n\
            metrics::histogram!(\"iso_size_bytes\").record(1.0);\n\
            counter!(\"jobs_total\", \"status\" => \"queued\").increment(1);\n\
            counter!(\n    \"job_total\",\n    \"phase\" => \"x\",\n).increment(1);\n\
            gauge!(name).set(1.0);\n\
            // gauge!(\"in_a_comment\")\n}\n\
            #[cfg(test)]\nmod tests { fn g() { gauge!(\"test_only\"); } }\n";
        let found = declared(&tree(code));
        let mut lines: Vec<usize> = found.iter().map(|it| it.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [4, 5, 9], "{found:?}");
    }

    #[test]
    fn a_metric_nobody_records_is_noted() {
        let notes = silent(&tree("fn f() { counter!(\"job_total\", \"status\" => s); }"));
        assert_eq!(notes, ["declared and not recorded yet: iso_size_bytes"]);
    }

    #[test]
    fn a_literal_value_is_no_label() {
        let found = read(1, "\"x\", \"code\" => \"204\", \"op\" => \"reset\")");
        assert_eq!(found.labels.into_iter().collect::<Vec<_>>(), ["code", "op"]);
    }

    fn tree(code: &str) -> Tree {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        Tree { files: vec![file(PAGE, CATALOGUE), file("crates/a/src/b.rs", code)] }
    }
}
