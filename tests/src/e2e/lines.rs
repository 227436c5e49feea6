//! Every line of every controller of a run, held to the table of fields in the documentation: what
//! stands there is what a log can say, and nothing else is ever in one.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

const PAGE: &str = include_str!("../../../docs/observability.md");
const LOG: &str = "controller.log";
const ERRORS: &str = "controller.stderr";
/// Fields that every line has.
const ALWAYS: [&str; 4] = ["time", "level", "message", "target"];
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The table: the type of each field.
static FIELDS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let table = PAGE.lines().skip_while(|line| *line != "### Fields").skip(1);
    let table = table.take_while(|line| !line.starts_with('#'));
    let rows = table.filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.filter_map(|(name, rest)| Some((name, rest.split_once(" | ")?.0))).collect()
});

/// One line of a log.
pub(crate) type Line = Map<String, Value>;

/// The lines of a controller's log.
pub(crate) fn read(directory: &Path) -> Result<Vec<Line>> {
    let log = directory.join(LOG);
    let text = fs::read_to_string(&log).with_context(|| format!("read {}", log.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("understand {line:?}")))
        .collect()
}

/// Checks what all controllers below a directory wrote, and answers how many lines that are.
pub(crate) fn check(directory: &Path) -> Result<usize> {
    let mut lines = 0;
    for entry in fs::read_dir(directory).context("list a scenario's directory")? {
        let path = entry.context("list a scenario's directory")?.path();
        // A machine's disc may hold links to anywhere; no log is behind one.
        if path.is_dir() && !path.is_symlink() {
            lines += check(&path)?;
        }
    }
    if directory.join(LOG).is_file() {
        for line in read(directory)? {
            let known = of_table(&line);
            known.with_context(|| format!("{}: {}", directory.display(), Value::from(line)))?;
            lines += 1;
        }
        // Who does not start says so in words, to whoever started it, and nobody prints anything else.
        let printed = fs::read_to_string(directory.join(ERRORS)).unwrap_or_default();
        let known = printed.is_empty() || printed.starts_with("shoal-controller: ");
        ensure!(known, "a controller printed past its log: {printed}");
    }
    Ok(lines)
}

fn of_table(line: &Line) -> Result<()> {
    for name in ALWAYS {
        ensure!(line.contains_key(name), "there is no {name}");
    }
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    ensure!(LEVELS.contains(&text("level")), "this is no level");
    let time = text("time");
    ensure!(time.len() == 27 && time.ends_with('Z'), "this is no time with microseconds");
    let ours = text("target").starts_with("shoal");
    for (name, value) in line {
        let of = match value {
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Null | Value::Array(_) | Value::Object(_) => "nothing flat",
        };
        match FIELDS.get(name.as_str()) {
            Some(known) => ensure!(of == *known, "{name} is a {known}, and here {of}"),
            None => ensure!(!ours && of != "nothing flat", "{name} is in no table"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(line: &Value) -> Result<()> {
        of_table(line.as_object().unwrap())
    }

    #[test]
    fn a_line_has_known_fields_of_their_type_and_no_others() {
        let with = |name: &str, value: Value| {
            let mut line = json!({
                "time": "2026-03-02T10:15:04.118203Z", "level": "info", "message": "m",
                "target": "shoal_engine::tend", "job_id": "a", "duration_ms": 2,
            });
            line[name] = value;
            line
        };
        judged(&with("op", json!("reset"))).unwrap();
        for (name, value) in [
            ("code", json!(204)),
            ("duration_ms", json!("2")),
            ("unheard_of", json!("x")),
            ("error", Value::Null),
            ("path", json!({"a": 1})),
            ("level", json!("loud")),
            ("time", json!("noon")),
        ] {
            judged(&with(name, value)).unwrap_err();
        }
        let foreign = |value| {
            let mut line = with("unheard_of", value);
            line["target"] = json!("hyper::client");
            line
        };
        judged(&foreign(json!(1))).unwrap();
        judged(&foreign(json!([1]))).unwrap_err();
    }
}
