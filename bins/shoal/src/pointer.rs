//! Where in a JSON text a JSON Pointer (RFC 6901) points, so that a problem can be told with its
//! line. The text has been parsed before; on anything unexpected the answer is simply less precise.

use std::iter::Peekable;
use std::str::CharIndices;

/// The line, counted from 1, of the value `pointer` points to; of its nearest enclosing value that
/// exists when the value itself does not.
pub(crate) fn line_of(text: &str, pointer: &str) -> usize {
    let tokens: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut scan = Scan { text, rest: text.char_indices().peekable(), found: 0 };
    scan.seek(&tokens);
    let before = text.get(..scan.found).unwrap_or(text);
    before.matches('\n').count() + 1
}

struct Scan<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    /// Offset of the deepest value on the way so far.
    found: usize,
}

impl Scan<'_> {
    /// Walks down the tokens one by one. Not recursive: user metadata may nest deeply.
    fn seek(&mut self, tokens: &[String]) {
        self.skip_space();
        self.found = self.offset();
        for token in tokens {
            let entered = match self.rest.peek() {
                Some((_, '{')) => self.enter_object(token),
                Some((_, '[')) => self.enter_array(token),
                _ => None,
            };
            if entered.is_none() {
                return;
            }
        }
    }

    fn enter_object(&mut self, name: &str) -> Option<()> {
        self.rest.next();
        loop {
            self.skip_space();
            let at = self.offset();
            let key = self.string()?;
            self.skip_space();
            self.rest.next_if(|(_, c)| *c == ':')?;
            self.skip_space();
            if key == name {
                self.found = at;
                return Some(());
            }
            self.skip_value();
            self.skip_space();
            self.rest.next_if(|(_, c)| *c == ',')?;
        }
    }

    fn enter_array(&mut self, index: &str) -> Option<()> {
        let index: usize = index.parse().ok()?;
        self.rest.next();
        for _ in 0..index {
            self.skip_value();
            self.skip_space();
            self.rest.next_if(|(_, c)| *c == ',')?;
        }
        self.skip_space();
        self.rest.peek().filter(|(_, c)| *c != ']')?;
        self.found = self.offset();
        Some(())
    }

    /// Reads a string with its escapes resolved.
    fn string(&mut self) -> Option<String> {
        let start = self.offset();
        self.skip_string()?;
        let end = self.offset();
        serde_json::from_str(self.text.get(start..end)?).ok()
    }

    fn skip_string(&mut self) -> Option<()> {
        self.rest.next_if(|(_, c)| *c == '"')?;
        loop {
            match self.rest.next()?.1 {
                '\\' => {
                    self.rest.next();
                }
                '"' => return Some(()),
                _ => {}
            }
        }
    }

    /// Skips one value by counting brackets.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while let Some((_, c)) = self.rest.peek().copied() {
            match c {
                '"' => {
                    self.skip_string();
                    continue;
                }
                '{' | '[' => depth += 1,
                '}' | ']' | ',' if depth == 0 => return,
                '}' | ']' => depth -= 1,
                _ => {}
            }
            self.rest.next();
        }
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(|(_, c)| c.is_ascii_whitespace()).is_some() {}
    }

    fn offset(&mut self) -> usize {
        self.rest.peek().map_or(self.text.len(), |(offset, _)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "a": "x, } ] \" y",
  "list": [
    {"n": [1, 2]},
    {
      "deep/er": {"~": 1},
      "\u0061b": 2
    }
  ],
  "last": null
}"#;

    #[test]
    fn values_are_found_past_strings_brackets_and_escapes() {
        for (pointer, line) in [
            ("", 1),
            ("/a", 2),
            ("/list", 3),
            ("/list/0/n/1", 4),
            ("/list/1", 5),
            ("/list/1/deep~1er/~0", 6),
            ("/list/1/ab", 7),
            ("/last", 10),
        ] {
            assert_eq!(line_of(TEXT, pointer), line, "{pointer}");
        }
    }

    #[test]
    fn what_is_missing_is_told_by_what_encloses_it() {
        for (pointer, line) in
            [("/missing", 1), ("/list/1/missing", 5), ("/list/9", 3), ("/list/x", 3), ("/a/b/c", 2)]
        {
            assert_eq!(line_of(TEXT, pointer), line, "{pointer}");
        }
        assert_eq!(line_of("", "/a"), 1);
        assert_eq!(line_of("{\"a\": [", "/a/3"), 1);
    }
}
