//! Retention: which tags of a repository are kept, as rules by name, and what goes with those that
//! are not. Without a rule no tag and no manifest is ever removed.
//!
//! A manifest stays as long as a kept tag reaches it: as the tag's own, as an entry of an index that
//! stays, however deep, or as a referrer of a manifest that stays. What a client may be in the middle
//! of pulling or pushing counts as reached.

mod verdict;

use std::collections::{HashMap, HashSet};

use crate::digest::Digest;
use crate::name::{Pattern, Repository, Tag};

pub(crate) use verdict::verdicts;
pub use verdict::{Fate, Verdict};

/// One rule. The first that matches a repository counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The repositories it is about.
    pub repositories: Pattern,
    /// What is kept of them.
    pub keep: Keep,
}

/// What is kept of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Every tag, and every manifest that refers to none that is gone.
    All,
    /// This many tags, those that were pushed last, and what they reach. Tags that stand for
    /// referrers, such as `sha256-<hex>` and `sha256-<hex>.sig`, are not counted: they stay with what
    /// they name.
    Last(u32),
}

/// What the rules say of a repository; none when no rule is about it.
pub(crate) fn keep_of(rules: &[Rule], repository: &Repository) -> Option<Keep> {
    rules.iter().find(|rule| rule.repositories.matches(repository)).map(|rule| rule.keep)
}

/// A repository's manifests and tags.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) manifests: Vec<Node>,
    pub(crate) tags: Vec<Pointer>,
}

#[derive(Debug)]
pub(crate) struct Node {
    /// Its row.
    pub(crate) id: i64,
    pub(crate) digest: Digest,
    pub(crate) subject: Option<Digest>,
    /// The manifests it lists.
    pub(crate) entries: Vec<Digest>,
}

#[derive(Debug)]
pub(crate) struct Pointer {
    pub(crate) tag: Tag,
    /// The row of its manifest.
    pub(crate) manifest: i64,
    /// Grows with each push of a tag of the repository.
    pub(crate) pushed: i64,
}

/// A manifest that goes, or loses tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doomed {
    pub(crate) manifest: i64,
    pub(crate) digest: Digest,
    /// Tags that go, each as it was pushed.
    pub(crate) tags: Vec<(Tag, i64)>,
    /// The manifest goes as well.
    pub(crate) whole: bool,
}

/// What a rule comes to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) doomed: Vec<Doomed>,
    /// Manifests that would go, or lose tags, but for what a client may count on.
    pub(crate) leased: Vec<Digest>,
}

/// Decides about a repository.
pub(crate) fn plan(graph: &Graph, keep: Keep, is_leased: impl Fn(&Digest) -> bool) -> Plan {
    let edges = Edges::of(graph, keep);
    let going = tags_beyond(graph, keep);
    let stays = |pointer: &&Pointer| {
        !going.contains(pointer.tag.as_str()) && edges.companion(pointer).is_none()
    };
    let tagged = graph.tags.iter().filter(stays).filter_map(|tag| edges.by_id.get(&tag.manifest));
    let mut reached = HashSet::new();
    edges.reach(&mut reached, tagged.copied());
    if keep == Keep::All {
        let whole = graph.manifests.iter().enumerate().filter(|(_, node)| node.subject.is_none());
        edges.reach(&mut reached, whole.map(|(index, _)| index));
    }
    let by_right = reached.clone();
    let leased: HashSet<usize> = graph
        .manifests
        .iter()
        .enumerate()
        .filter(|(_, node)| is_leased(&node.digest))
        .map(|(index, _)| index)
        .collect();
    edges.reach(&mut reached, leased.iter().copied());
    let mut plan = Plan::default();
    for (index, node) in graph.manifests.iter().enumerate() {
        let tags = edges.tags.get(&node.id).into_iter().flatten();
        let gone = |pointer: &&&Pointer| match edges.companion(pointer) {
            Some(named) => !edges.by_digest.get(&named).is_some_and(|at| reached.contains(at)),
            None => going.contains(pointer.tag.as_str()),
        };
        let tags: Vec<_> =
            tags.filter(gone).map(|pointer| (pointer.tag.clone(), pointer.pushed)).collect();
        if leased.contains(&index) {
            if !tags.is_empty() || !by_right.contains(&index) {
                plan.leased.push(node.digest);
            }
            continue;
        }
        let whole = !reached.contains(&index);
        if whole || !tags.is_empty() {
            plan.doomed.push(Doomed { manifest: node.id, digest: node.digest, tags, whole });
        }
    }
    plan
}

/// The names of the tags a rule keeps no longer.
fn tags_beyond(graph: &Graph, keep: Keep) -> HashSet<&str> {
    let Keep::Last(most) = keep else { return HashSet::new() };
    let mut tags: Vec<_> =
        graph.tags.iter().filter(|pointer| companion_of(&pointer.tag).is_none()).collect();
    tags.sort_by_key(|pointer| std::cmp::Reverse(pointer.pushed));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    tags.into_iter().skip(most).map(|pointer| pointer.tag.as_str()).collect()
}

/// Who keeps whom.
struct Edges<'a> {
    graph: &'a Graph,
    keep: Keep,
    by_id: HashMap<i64, usize>,
    by_digest: HashMap<Digest, usize>,
    /// The tags of each manifest's row.
    tags: HashMap<i64, Vec<&'a Pointer>>,
    /// Manifests that stay with another one, since they refer to it.
    referrers: HashMap<Digest, Vec<usize>>,
}

impl<'a> Edges<'a> {
    fn of(graph: &'a Graph, keep: Keep) -> Self {
        let mut edges = Self {
            graph,
            keep,
            by_id: HashMap::new(),
            by_digest: HashMap::new(),
            tags: HashMap::new(),
            referrers: HashMap::new(),
        };
        for (index, node) in graph.manifests.iter().enumerate() {
            edges.by_id.insert(node.id, index);
            edges.by_digest.insert(node.digest, index);
            if let Some(subject) = node.subject {
                edges.referrers.entry(subject).or_default().push(index);
            }
        }
        for pointer in &graph.tags {
            edges.tags.entry(pointer.manifest).or_default().push(pointer);
            let (named, index) = (edges.companion(pointer), edges.by_id.get(&pointer.manifest));
            if let (Some(named), Some(index)) = (named, index) {
                edges.referrers.entry(named).or_default().push(*index);
            }
        }
        edges
    }

    /// The manifest whose fate a tag shares, if it is such a tag.
    fn companion(&self, pointer: &Pointer) -> Option<Digest> {
        if self.keep == Keep::All { None } else { companion_of(&pointer.tag) }
    }

    /// Adds what `roots` keep, themselves included.
    fn reach(&self, reached: &mut HashSet<usize>, roots: impl Iterator<Item = usize>) {
        let mut open: Vec<usize> = roots.collect();
        while let Some(index) = open.pop() {
            let Some(node) = self.graph.manifests.get(index) else { continue };
            if !reached.insert(index) {
                continue;
            }
            open.extend(node.entries.iter().filter_map(|entry| self.by_digest.get(entry)));
            open.extend(self.referrers.get(&node.digest).into_iter().flatten());
        }
    }
}

/// What a tag names that clients make for registries without a list of referrers.
fn companion_of(tag: &Tag) -> Option<Digest> {
    let name = tag.as_str().strip_prefix("sha256-")?;
    let (hex, rest) = name.split_at_checked(64)?;
    if !rest.is_empty() && !rest.starts_with('.') {
        return None;
    }
    format!("sha256:{hex}").parse().ok()
}

#[cfg(test)]
mod tests;
