//! The blocks of shell in a page of the documentation, and what their fences say about them.
//!
//! A fence is `` ```sh `` alone or with attributes in braces: `exit="1"` for another status than 0,
//! `expect="…"` for an extended regular expression that a line of the output must match, and
//! `manual="…"` for a block that cannot run here, with the reason.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

/// Attributes a fence may carry.
const ATTRIBUTES: [&str; 3] = ["exit", "expect", "manual"];
/// Languages that are shell under another name. One spelling, so that no block is overlooked.
const OTHER_SPELLINGS: [&str; 5] = ["bash", "shell", "console", "shell-session", "zsh"];

/// A block of shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Line of its fence.
    pub(crate) line: usize,
    /// The commands as they stand there.
    pub(crate) script: String,
    /// What is to become of it.
    pub(crate) kind: Kind,
}

/// What is to become of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It runs.
    Run {
        /// The status it must end with.
        exit: i32,
        /// What a line of its output must match.
        expect: Option<String>,
    },
    /// It is for people; the page says why.
    Manual,
}

/// Reads the blocks of a page, in order.
///
/// # Errors
/// When a fence cannot be understood, or nothing on the page would run.
pub(crate) fn read(path: &Path) -> Result<Vec<Block>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let blocks = parse(&text).with_context(|| format!("understand {}", path.display()))?;
    let runs = blocks.iter().any(|block| block.kind != Kind::Manual);
    ensure!(runs, "nothing on {} would be run", path.display());
    Ok(blocks)
}

fn parse(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        let (language, attributes) = info.split_once(' ').unwrap_or((info, ""));
        ensure!(
            !OTHER_SPELLINGS.contains(&language),
            "line {number}: write ```sh instead of ```{language}, or the block is never run"
        );
        if language != "sh" {
            continue;
        }
        let kind = kind(attributes).with_context(|| format!("line {number}: ```{info}"))?;
        blocks.push(Block { line: number, script: body.join("\n") + "\n", kind });
    }
    Ok(blocks)
}

fn kind(attributes: &str) -> Result<Kind> {
    let mut known = attributes_of(attributes)?;
    if let Some(reason) = known.remove("manual") {
        ensure!(!reason.trim().is_empty(), "a manual block needs a reason");
        ensure!(known.is_empty(), "nothing can be expected of a manual block");
        return Ok(Kind::Manual);
    }
    let exit = known.remove("exit").map_or(Ok(0), |exit| exit.parse());
    Ok(Kind::Run { exit: exit.context("exit must be a number")?, expect: known.remove("expect") })
}

/// Reads `{name="value" …}`. `\"` is a quote; every other backslash belongs to the value.
fn attributes_of(text: &str) -> Result<BTreeMap<String, String>> {
    let text = text.trim();
    let mut found = BTreeMap::new();
    if text.is_empty() {
        return Ok(found);
    }
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let mut rest = inner.context("attributes belong in braces")?.trim();
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").context("expected name=\"value\"")?;
        ensure!(ATTRIBUTES.contains(&name), "there is no attribute {name:?}");
        let (value, after) = quoted(value)?;
        if found.insert(name.to_owned(), value).is_some() {
            bail!("{name} is there twice");
        }
        rest = after.trim_start();
    }
    Ok(found)
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' if characters.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            other => value.push(other),
        }
    }
    bail!("a value has no closing quote")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_what_their_fences_say() {
        let text = "```json\n{}\n```\n```sh\nls\n\npwd\n```\n\
                    ```sh {exit=\"1\" expect=\"\\\"a\\\" \\(b\\)\"}\nx\n```\n\
                    ```sh {manual=\"needs hardware\"}\ny\n```\n";
        let run = |exit, expect: Option<&str>| Kind::Run { exit, expect: expect.map(Into::into) };
        let block = |line, script: &str, kind| Block { line, script: script.to_owned(), kind };

        let blocks = parse(text).unwrap();

        let expected = [
            block(4, "ls\n\npwd\n", run(0, None)),
            block(9, "x\n", run(1, Some(r#""a" \(b\)"#))),
            block(12, "y\n", Kind::Manual),
        ];
        assert_eq!(blocks, expected);
    }

    #[test]
    fn fences_that_would_hide_a_block_are_refused() {
        for fence in [
            "```bash",
            "```sh {manual=\"\"}",
            "```sh {manual=\"x\" exit=\"1\"}",
            "```sh {expects=\"x\"}",
            "```sh {exit=\"one\"}",
            "```sh {expect=\"x}",
            "```sh expect",
        ] {
            assert!(parse(&format!("{fence}\nls\n```\n")).is_err(), "{fence} was accepted");
        }
    }

    #[test]
    fn a_page_on_which_nothing_runs_is_refused() {
        let page = tempfile::NamedTempFile::new().unwrap();
        fs::write(page.path(), "```sh {manual=\"x\"}\nls\n```\n").unwrap();
        assert!(read(page.path()).is_err());
        fs::write(page.path(), "```sh\nls\n```\n").unwrap();
        assert_eq!(read(page.path()).unwrap().len(), 1);
    }
}
