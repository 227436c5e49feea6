//! Aligned columns and outlines. Whatever a controller or a BMC put into a text, it cannot move the
//! cursor or colour the screen: control characters are shown, not sent.

use std::borrow::Cow;

use serde_json::Value;

/// How a cell is to be coloured where colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Busy,
    Heading,
}

impl Tone {
    /// The tone of a status or an outcome.
    pub(crate) fn of_state(state: &str) -> Self {
        if state.contains("succeeded") {
            Self::Good
        } else if state.contains("failed") {
            Self::Bad
        } else if state.starts_with("provisioning") {
            Self::Busy
        } else {
            Self::Plain
        }
    }

    /// `text` between the codes of this tone, if `coloured`.
    pub(crate) fn paint(self, text: &str, coloured: bool) -> String {
        let code = match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "33",
            Self::Heading => "1",
        };
        if !coloured || code.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        let text: String = text.into();
        Self { text: visible(&text).into_owned(), tone }
    }

    pub(crate) fn painted(&self, coloured: bool) -> String {
        self.tone.paint(&self.text, coloured)
    }
}

/// The lines of a table: columns as wide as their widest cell, two spaces between, no trailing space.
pub(crate) fn table(headings: &[&str], rows: &[Vec<Cell>], coloured: bool) -> Vec<String> {
    let head = headings.iter().map(|text| Cell::toned(*text, Tone::Heading)).collect();
    let all: Vec<&Vec<Cell>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    all.iter().map(|row| line(row, &widths, coloured)).collect()
}

fn line(row: &[Cell], widths: &[usize], coloured: bool) -> String {
    let last = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
    let mut line = String::new();
    for (at, (cell, width)) in row.iter().zip(widths).take(last).enumerate() {
        line.push_str(&cell.painted(coloured));
        if at + 1 < last {
            let padding = width.saturating_sub(cell.text.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
    }
    line
}

/// Any JSON value as indented lines of `name: value`, for answers whose form is the controller's.
pub(crate) fn outline(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    match value {
        Value::Object(_) | Value::Array(_) => push(value, 0, &mut lines),
        scalar => lines.push(text(scalar)),
    }
    lines
}

fn push(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let mut entry = |name: String, value: &Value| match value {
        Value::Null => {}
        Value::Object(inner) if inner.is_empty() => {}
        Value::Array(inner) if inner.is_empty() => {}
        Value::Array(_) | Value::Object(_) => {
            lines.push(format!("{indent}{name}"));
            push(value, depth + 1, lines);
        }
        scalar => lines.push(format!("{indent}{name} {}", text(scalar))),
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| entry(format!("{}:", visible(name)), value));
        }
        Value::Array(items) => items.iter().for_each(|value| entry("-".to_owned(), value)),
        _ => {}
    }
}

fn text(scalar: &Value) -> String {
    match scalar {
        Value::String(text) => visible(text).into_owned(),
        other => other.to_string(),
    }
}

/// A text without characters that a terminal would obey or that would break a line.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    // Directional marks reorder what is read without being control characters by class.
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        if obeyed(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_align_by_characters_and_colours_do_not_shift_them() {
        let rows = [
            vec![Cell::new("é"), Cell::toned("failed", Tone::Bad), Cell::new("x")],
            vec![Cell::new("long"), Cell::new("ok"), Cell::new("")],
        ];

        let plain = table(&["A", "STATE", "NOTE"], &rows, false);
        let coloured = table(&["A", "STATE", "NOTE"], &rows, true);

        assert_eq!(plain, ["A     STATE   NOTE", "é     failed  x", "long  ok"]);
        let stripped = |line: &String| {
            ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[0m"]
                .iter()
                .fold(line.clone(), |line, code| line.replace(code, ""))
        };
        assert_eq!(coloured.iter().map(stripped).collect::<Vec<_>>(), plain);
        assert_ne!(coloured, plain);
    }

    #[test]
    fn a_terminal_is_never_commanded_by_a_text_of_the_controller() {
        let hostile = "a\u{1b}[2Jb\nc\u{202e}d";
        let rows = [vec![Cell::new(hostile)]];

        assert_eq!(table(&["X"], &rows, false)[1], "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(outline(&json!({"k\n": hostile})), ["k\\n: a\\u{1b}[2Jb\\nc\\u{202e}d"]);
    }

    #[test]
    fn an_outline_shows_every_member_that_says_something() {
        let value = json!({"plan": {"slots": ["CD1", "CD2"], "none": null, "empty": {}},
            "warnings": [{"code": "mutable_tag", "path": "/oci_url"}], "n": 3});

        assert_eq!(
            outline(&value),
            [
                "n: 3",
                "plan:",
                "  slots:",
                "    - CD1",
                "    - CD2",
                "warnings:",
                "  -",
                "    code: mutable_tag",
                "    path: /oci_url",
            ]
        );
        assert_eq!(outline(&json!("x")), ["x"]);
    }

    proptest! {
        #[test]
        fn a_table_has_one_line_for_each_row_and_commands_no_terminal(
            rows in proptest::collection::vec(proptest::collection::vec(any::<String>(), 0..5), 0..5),
        ) {
            let rows: Vec<Vec<Cell>> =
                rows.iter().map(|row| row.iter().map(Cell::new).collect()).collect();
            let lines = table(&["A", "B", "C"], &rows, false);
            prop_assert_eq!(lines.len(), rows.len() + 1);
            for line in lines {
                prop_assert!(!line.contains(char::is_control), "{:?}", line);
                prop_assert_eq!(visible(&line), line.as_str());
            }
        }

        #[test]
        fn what_is_visible_stays_as_it_is(text in any::<String>()) {
            let shown = visible(&text).into_owned();
            prop_assert_eq!(visible(&shown), shown.as_str());
            prop_assert!(shown != text || !text.contains(char::is_control));
        }
    }
}
