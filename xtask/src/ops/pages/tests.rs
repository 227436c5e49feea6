//! Each check of pages, shown on a page that is wrong and one that is right.

use super::*;
use crate::ops::commands::Commands;

const PAGE: &str = "---\nalerts: [ShoalX]\nrunbook: ['6.1']\nseverity: page\nsev: '1'\nowner: sre\n---\n\
    # ShoalX\n\n## You are here because\n\nIt fired.\n\n## Meaning\n\nSee [impact](#impact).\n\n\
    ## Impact\n\nAll of it.\n\n## 60-second triage\n\n```sh\nshoal jobs list\n\
    journalctl -u shoal.service | grep 'failed to claim'\n```\n\n## Decision tree\n\n\
    1. One.\n2. Two, see `shoal jobs list`.\n\n## Verify\n\nLook.\n\n## Escalate\n\nTo [all](README.md).\n";

#[test]
fn a_page_of_the_right_shape_is_fine() {
    let corpus = corpus(PAGE);
    for check in [shape, links, commands, log_lines] {
        assert_eq!(check(&corpus), []);
    }
    assert_eq!(front(&corpus.pages[1]).unwrap().owner, "sre");
}

#[test]
fn another_shape_is_found() {
    for (from, to) in [
        ("# ShoalX\n", "# Shoal X\n"),
        ("## Impact", "## Consequences"),
        ("All of it.", ""),
        ("```sh\n", "```text\n"),
        ("2. Two", "Two"),
        ("['6.1']", "[]"),
    ] {
        assert_eq!(shape(&corpus(&PAGE.replacen(from, to, 1))).len(), 1, "{to}");
    }
    assert!(front(&File { path: "a".into(), text: PAGE.replace("owner", "owners") }).is_err());
    assert!(front(&File { path: "a".into(), text: PAGE.replacen("---\n", "", 1) }).is_err());
}

#[test]
fn links_to_nowhere_are_found() {
    for (from, to) in
        [("#impact", "#effect"), ("README.md", "READ.md"), ("README.md", "README.md#x")]
    {
        assert_eq!(links(&corpus(&PAGE.replace(from, to))).len(), 1, "{to}");
    }
    assert!(links(&corpus(&PAGE.replace("README.md", "README.md#the-index"))).is_empty());
}

#[test]
fn commands_that_are_none_are_found_in_blocks_and_in_prose() {
    let two = commands(&corpus(&PAGE.replace("jobs list", "jobs lits")));
    assert_eq!(two.len(), 2, "{two:?}");
}

#[test]
fn a_key_that_cannot_be_set_is_found() {
    let key = |key: &str| keys(&corpus(&PAGE.replace("All of it.", &format!("See `{key}`."))));
    assert_eq!(key("BACKUP_DIR"), []);
    assert_eq!(key("BACKUP_DIRECTORY").len(), 1);
}

#[test]
fn a_search_for_what_nobody_logs_is_found() {
    assert_eq!(log_lines(&corpus(&PAGE.replace("failed to claim", "could not claim"))).len(), 1);
}

fn corpus(page: &str) -> Corpus {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
    Corpus {
        pages: vec![
            file("docs/runbook/README.md", "# Runbook\n\n## The index\n"),
            file("docs/runbook/ShoalX.md", page),
        ],
        commands: Commands::read("\n### shoal jobs\n\n### shoal jobs list\n\nhelp\n", ""),
        configuration: "| `BACKUP_DIR` | where |".into(),
        logged: "\"failed to claim a job\"".into(),
        ..Corpus::default()
    }
}
