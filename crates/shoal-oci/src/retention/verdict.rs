//! The rules' word on each tag, in terms of the plan they come to, so that what is told and what is
//! done cannot differ.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{Graph, Keep, Rule, companion_of, keep_of, plan};
use crate::digest::Digest;
use crate::name::{Pattern, Repository, Tag};

/// What becomes of one tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Its repository.
    pub repository: Repository,
    /// The tag.
    pub tag: Tag,
    /// The manifest it points at.
    pub digest: Digest,
    /// What becomes of it.
    pub fate: Fate,
    /// The rule that says so; none where no rule is about the repository.
    pub rule: Option<Rule>,
    /// Its place among the tags that are counted, the one pushed last being the first; none for a
    /// tag that is not counted.
    pub place: Option<u64>,
}

/// What becomes of a tag when the rules are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It stays.
    Kept,
    /// It stays as long as the manifest it is named after.
    KeptWithSubject,
    /// It would go, but a client may still count on it.
    Leased,
    /// It goes.
    Goes,
}

impl Fate {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::KeptWithSubject => "kept_with_subject",
            Self::Leased => "leased",
            Self::Goes => "goes",
        }
    }
}

/// What becomes of the tags of a repository, in the order of the tags.
pub(crate) fn verdicts(
    rules: &[Rule],
    repository: &Repository,
    graph: &Graph,
    is_leased: impl Fn(&Digest) -> bool,
) -> Vec<Verdict> {
    let rule = rules.iter().find(|rule| rule.repositories.matches(repository));
    let keep = keep_of(rules, repository);
    // Asked twice: what would go, and what of that goes now.
    let ever = keep.map(|keep| gone(graph, keep, |_| false)).unwrap_or_default();
    let now = keep.map(|keep| gone(graph, keep, is_leased)).unwrap_or_default();
    let digests: HashMap<i64, Digest> =
        graph.manifests.iter().map(|node| (node.id, node.digest)).collect();
    let places = places(graph);
    let mut told = Vec::with_capacity(graph.tags.len());
    for pointer in &graph.tags {
        let Some(digest) = digests.get(&pointer.manifest) else { continue };
        let counted = keep.is_some_and(|keep| keep != Keep::All);
        let fate = if now.contains(&pointer.tag) {
            Fate::Goes
        } else if ever.contains(&pointer.tag) {
            Fate::Leased
        } else if counted && companion_of(&pointer.tag).is_some() {
            Fate::KeptWithSubject
        } else {
            Fate::Kept
        };
        told.push(Verdict {
            repository: repository.clone(),
            tag: pointer.tag.clone(),
            digest: *digest,
            fate,
            rule: rule.cloned(),
            place: places.get(&pointer.tag).copied().filter(|_| counted),
        });
    }
    told
}

/// The tags that a plan removes.
fn gone(graph: &Graph, keep: Keep, is_leased: impl Fn(&Digest) -> bool) -> HashSet<Tag> {
    let plan = plan(graph, keep, is_leased);
    plan.doomed.into_iter().flat_map(|doomed| doomed.tags).map(|(tag, _)| tag).collect()
}

/// The places of the tags that are counted, from 1.
fn places(graph: &Graph) -> HashMap<&Tag, u64> {
    let mut counted: Vec<_> =
        graph.tags.iter().filter(|pointer| companion_of(&pointer.tag).is_none()).collect();
    counted.sort_by_key(|pointer| std::cmp::Reverse(pointer.pushed));
    counted.into_iter().zip(1..).map(|(pointer, place)| (&pointer.tag, place)).collect()
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = out.serialize_map(Some(2))?;
        map.serialize_entry("repositories", &self.repositories.to_string())?;
        match self.keep {
            Keep::All => map.serialize_entry("keep", "all")?,
            Keep::Last(most) => map.serialize_entry("keep", &most)?,
        }
        map.end()
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::One(one) => one.fmt(f),
            Self::Below(parent) => write!(f, "{parent}/*"),
        }
    }
}
