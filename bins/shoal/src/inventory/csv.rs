//! Comma-separated values as spreadsheets write them (RFC 4180): fields in quotes may hold commas,
//! line ends and doubled quotes.

/// One row, with the line of the file on which it begins, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// Rows that are not empty; the line on which a quote is wrong otherwise.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let begin = line;
        let (fields, after) = row(rest, &mut line)?;
        rest = after;
        if fields.iter().any(|field| !field.is_empty()) {
            rows.push(Row { line: begin, fields });
        }
    }
    Ok(rows)
}

/// The fields up to the end of the row, and what follows.
fn row<'a>(mut rest: &'a str, line: &mut usize) -> Result<(Vec<String>, &'a str), usize> {
    let mut fields = Vec::new();
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted, line)?,
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                if field.contains('"') {
                    return Err(*line);
                }
                (field.trim_end_matches('\r').to_owned(), after)
            }
        };
        fields.push(field);
        let after = after.strip_prefix('\r').unwrap_or(after);
        if let Some(next) = after.strip_prefix(',') {
            rest = next;
        } else if after.is_empty() {
            return Ok((fields, after));
        } else {
            let next = after.strip_prefix('\n').ok_or(*line)?;
            *line += 1;
            return Ok((fields, next));
        }
    }
}

/// The field up to its closing quote, and what follows.
fn quoted<'a>(mut rest: &'a str, line: &mut usize) -> Result<(String, &'a str), usize> {
    let begin = *line;
    let mut field = String::new();
    loop {
        let (part, after) = rest.split_once('"').ok_or(begin)?;
        *line += part.matches('\n').count();
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_ends_are_read_and_lines_are_counted() {
        let text = "\u{feff}a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\r\n\n,last";

        let rows = rows(text).unwrap();

        let row = |line, fields: [&str; 2]| Row { line, fields: fields.map(str::to_owned).into() };
        assert_eq!(
            rows,
            [row(1, ["a", "b"]), row(2, ["x, \"y\"", "two\nlines"]), row(5, ["", "last"])]
        );
    }

    #[test]
    fn wrong_quotes_are_told_by_their_line() {
        assert_eq!(rows("a\nb \"x\"\n"), Err(2));
        assert_eq!(rows("a\n\"x\"y\n"), Err(2));
        assert_eq!(rows("a\n\"x\n\n"), Err(2));
    }
}
