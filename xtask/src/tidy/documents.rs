//! Rules about the pages people read.

use std::path::{Component, Path, PathBuf};

use super::{Problem, Tree};
use crate::shell;

const DECISIONS: &str = "docs/adr";

pub(super) fn decisions(tree: &Tree) -> Vec<Problem> {
    let index = Path::new(DECISIONS).join("README.md");
    let listed = tree.files.iter().find(|file| file.path == index);
    let listed = listed.map_or("", |file| file.text.as_str());
    tree.with_extension("md")
        .filter(|file| file.path.starts_with(DECISIONS) && file.path != index)
        .filter(|file| {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            !listed.contains(&format!("({name})"))
        })
        .map(|file| {
            let fix = format!("add a line with its link to {}", index.display());
            Problem::new(&file.path, 0, "this decision is in no list", fix)
        })
        .collect()
}

pub(super) fn links(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.with_extension("md") {
        for (index, line) in file.text.lines().enumerate() {
            for target in targets(line).filter(|target| !exists(&file.path, target)) {
                let what = format!("the link to {target} leads nowhere");
                let fix = "correct the path, relative to this file";
                problems.push(Problem::new(&file.path, index + 1, what, fix));
            }
        }
    }
    problems
}

/// The files a line of Markdown links to; addresses and anchors are left out.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter_map(|target| target.split(['#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !target.starts_with("mailto:"))
}

fn exists(from: &Path, target: &str) -> bool {
    let mut path = PathBuf::new();
    for part in from.parent().unwrap_or(from).join(target).components() {
        match part {
            Component::ParentDir if !path.pop() => return false,
            Component::ParentDir | Component::CurDir => (),
            part => path.push(part),
        }
    }
    shell::root().join(path).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::File;

    #[test]
    fn a_decision_nobody_lists_is_found() {
        let tree = tree(&[
            ("docs/adr/README.md", "- [one](0001-one.md)"),
            ("docs/adr/0001-one.md", ""),
            ("docs/adr/0002-two.md", ""),
        ]);
        let found = decisions(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, Path::new("docs/adr/0002-two.md"));
    }

    #[test]
    fn a_link_is_followed_from_its_own_file() {
        let text = "[a](../xtask/Cargo.toml) [b](https://x.org/y) [c](#here)\n\
                    [d](../xtask/nothing.toml#x), [e](../../outside.md)";
        let found = links(&tree(&[("docs/page.md", text)]));
        assert_eq!(found.iter().map(|it| it.line).collect::<Vec<_>>(), [2, 2]);
    }

    fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: path.into(), text: (*text).into() };
        Tree { files: files.iter().map(file).collect() }
    }
}
