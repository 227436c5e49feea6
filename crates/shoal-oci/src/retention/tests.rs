//! What rules keep and give up, on graphs that are written as text.

use super::*;
use crate::digest::Algorithm;

fn digest(name: &str) -> Digest {
    Digest::of(Algorithm::Sha256, name.as_bytes())
}

/// Manifests as `name`, `name>subject` or `name[entry entry]`, tags as `tag=name`, oldest first.
fn graph(text: &str) -> Graph {
    let mut graph = Graph::default();
    let id = |name: &str| i64::from_be_bytes(digest(name).value()[..8].try_into().unwrap());
    for (pushed, part) in (0..).zip(text.split(", ")) {
        if let Some((tag, name)) = part.split_once('=') {
            let tag = tag.parse().unwrap();
            graph.tags.push(Pointer { tag, manifest: id(name), pushed });
            continue;
        }
        let (name, subject) = part.split_once('>').map_or((part, None), |(n, s)| (n, Some(s)));
        let (name, entries) = name.split_once('[').unwrap_or((name, ""));
        graph.manifests.push(Node {
            id: id(name),
            digest: digest(name),
            subject: subject.map(digest),
            entries: entries.trim_end_matches(']').split_whitespace().map(digest).collect(),
        });
    }
    graph
}

/// The names among `names` that go, and the tags.
fn gone(graph: &Graph, keep: Keep, leased: &str) -> (Vec<&'static str>, Vec<String>) {
    let names = ["a", "b", "c", "i", "j", "s", "t"];
    let plan = plan(graph, keep, |it| !leased.is_empty() && *it == digest(leased));
    let whole = |name: &&&str| {
        plan.doomed.iter().any(|doomed| doomed.whole && doomed.digest == digest(name))
    };
    let tags = plan.doomed.iter().flat_map(|doomed| &doomed.tags);
    let mut tags: Vec<_> = tags.map(|(tag, _)| tag.to_string()).collect();
    tags.sort();
    (names.iter().filter(whole).copied().collect(), tags)
}

#[test]
fn the_tags_pushed_last_stay() {
    let graph = graph("a, b, c, 1=a, 2=b, 3=c, 4=b");
    assert_eq!(gone(&graph, Keep::Last(2), ""), (vec!["a"], vec!["1".into(), "2".into()]));
    assert_eq!(gone(&graph, Keep::All, ""), (vec![], vec![]));
    assert_eq!(gone(&graph, Keep::Last(9), ""), (vec![], vec![]));
}

#[test]
fn entries_of_nested_indexes_stay_and_go_with_them() {
    let graph = graph("a, b, c, i[a], j[i], 1=b, 2=j");
    assert_eq!(gone(&graph, Keep::Last(1), ""), (vec!["b", "c"], vec!["1".into()]));
    assert_eq!(gone(&graph, Keep::All, "").0, Vec::<&str>::new());
}

#[test]
fn referrers_stay_and_go_with_their_subject() {
    let graph = graph("a, b, s>a, t>s, 1=a, 2=b");
    let (whole, _) = gone(&graph, Keep::Last(1), "");
    assert_eq!(whole, ["a", "s", "t"]);
    assert!(gone(&graph, Keep::Last(2), "").0.is_empty());
}

#[test]
fn referrers_of_nothing_go_even_where_everything_is_kept() {
    assert_eq!(gone(&graph("a, s>b, t>s"), Keep::All, "").0, ["s", "t"]);
    assert!(gone(&graph("a, s>b, 1=s"), Keep::All, "").0.is_empty(), "a tag keeps it");
}

#[test]
fn what_a_client_may_count_on_stays_with_all_it_reaches() {
    let graph = graph("a, b, i[a], s>i, 1=i, 2=b");
    let expected = (vec!["a", "i", "s"], vec!["1".to_owned()]);
    assert_eq!(gone(&graph, Keep::Last(1), ""), expected);
    assert_eq!(gone(&graph, Keep::Last(1), "i"), (vec![], vec![]));
    assert_eq!(plan(&graph, Keep::Last(1), |it| *it == digest("i")).leased, [digest("i")]);
}

#[test]
fn tags_that_stand_for_referrers_share_the_fate_of_what_they_name() {
    let companion = format!("sha256-{}", digest("a").hex());
    let text = format!("a, b, c, {companion}=c, 1=a, 2=b");
    assert!(gone(&graph(&text), Keep::Last(2), "").0.is_empty(), "it is not counted");
    let (whole, tags) = gone(&graph(&text), Keep::Last(1), "");
    assert_eq!((whole, tags), (vec!["a", "c"], vec!["1".into(), companion]));
}

/// Each tag with its fate and its place.
fn told(text: &str, keep: Keep, leased: &str) -> Vec<String> {
    let rules = [Rule { repositories: "tools/*".parse().unwrap(), keep }];
    let verdicts = verdicts(&rules, &"tools/a".parse().unwrap(), &graph(text), |it| {
        !leased.is_empty() && *it == digest(leased)
    });
    let word = |it: &Verdict| {
        let place = it.place.map(|place| format!(" {place}")).unwrap_or_default();
        let tag: String = it.tag.as_str().chars().take(8).collect();
        format!("{tag} {}{place}", it.fate.as_str())
    };
    verdicts.iter().map(word).collect()
}

#[test]
fn each_tag_is_told_its_fate_and_its_place() {
    let text = "a, b, c, 1=a, 2=b, 3=c";
    assert_eq!(told(text, Keep::Last(2), ""), ["1 goes 3", "2 kept 2", "3 kept 1"]);
    assert_eq!(told(text, Keep::Last(2), "a"), ["1 leased 3", "2 kept 2", "3 kept 1"]);
    assert_eq!(told(text, Keep::All, ""), ["1 kept", "2 kept", "3 kept"]);
    let companion = format!("sha256-{}", digest("c").hex());
    let text = format!("{text}, {companion}=b");
    assert_eq!(told(&text, Keep::Last(1), "").last().unwrap(), "sha256-2 kept_with_subject");
}

#[test]
fn where_no_rule_is_about_a_repository_everything_is_kept_by_none() {
    let rules = [Rule { repositories: "os/*".parse().unwrap(), keep: Keep::Last(0) }];
    let verdicts = verdicts(&rules, &"tools/a".parse().unwrap(), &graph("a, 1=a"), |_| false);
    assert_eq!((verdicts[0].fate, &verdicts[0].rule), (Fate::Kept, &None));
}
