//! Pages of the registry, and runs that are begun once and followed to their end.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::Shell;
use crate::stand_in::{Reply, StandIn};

const RUNS: &str = "POST /api/v1/registry/runs";
const RUN: &str = "GET /api/v1/registry/runs/19a-1";
const REPOSITORY: &str = "GET /api/v1/registry/repositories/tools%2Fpartition";
const TAGS: &str = "GET /api/v1/registry/repositories/tools%2Fpartition/tags";

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn repository() -> Value {
    json!({"repository": "tools/partition", "tags": 2, "manifests": 3, "bytes": 5_242_880,
        "pushed_at": "2025-11-05T11:00:00.000Z", "pulled_at": null})
}

fn run(state: &str, more: &Value) -> Value {
    let mut run = json!({"id": "19a-1", "task": "gc", "dry_run": false, "state": state,
        "started_at": "2025-11-05T11:59:00.000Z", "ended_at": null, "collected": null,
        "checked": null, "error": null});
    if state != "running" {
        run["ended_at"] = json!("2025-11-05T11:59:42.000Z");
    }
    run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    run
}

fn collected(confirmation: &Value) -> Value {
    json!({"removed": {"tags": 1, "manifests": 1, "links": 2, "blobs": 2, "files": 0},
        "bytes": 104_857_600, "leased": 3, "needed": 0, "unnamed": 0, "confirmation": confirmation,
        "items": [
            {"what": "tag", "digest": digest('a'), "repository": "tools/partition", "tag": "v1",
                "bytes": 0, "kept": null},
            {"what": "manifest", "digest": digest('a'), "repository": "tools/partition",
                "tag": null, "bytes": 0, "kept": null},
            {"what": "blob", "digest": digest('b'), "repository": null, "tag": null,
                "bytes": 104_857_600, "kept": null},
            {"what": "blob", "digest": digest('c'), "repository": null, "tag": null, "bytes": 0,
                "kept": "leased"}]})
}

#[test]
fn repositories_and_what_they_cost_are_shown_in_tables() {
    let other = json!({"repository": "os\u{7}/rocky", "tags": 1, "manifests": 1, "bytes": 12,
        "pushed_at": null, "pulled_at": "2025-11-05T11:59:30.000Z"});
    let list = json!({"repositories": [repository(), other], "next": "tools/partition"});
    let top = json!({"repository": "tools/partition", "tags": 2, "manifests": 3,
        "bytes": 5_242_880, "own_bytes": 5_000_000, "shared_bytes": 242_880,
        "reclaimable_bytes": 4096, "quota_bytes": 10_737_418_240_u64});
    let usage = json!({"blobs": 7, "bytes": 5_242_892, "repositories": 2, "upload_bytes": 0,
        "quarantine_bytes": 0, "reclaimable_bytes": 4096, "leased_bytes": 100,
        "free_bytes": 1_u64 << 34, "disk_bytes": 1_u64 << 35, "headroom_bytes": 1,
        "collection": {"grace_seconds": 3600, "unconfirmed": true}, "top": [top]});
    let stand_in = StandIn::new([
        ("GET /api/v1/registry/repositories", vec![Reply::json(200, &list)]),
        ("GET /api/v1/registry/usage", vec![Reply::json(200, &usage)]),
    ]);
    let shell = Shell::at(&stand_in);

    let shown = shell.run("registry list tools/ --limit 2").shown();
    let shown = shown + &shell.run("registry usage --top 1").shown();

    insta::assert_snapshot!(shown);
    let lines = stand_in.lines();
    assert_eq!(lines[0], "GET /api/v1/registry/repositories?prefix=tools%2F&limit=2");
    assert_eq!(lines[1], "GET /api/v1/registry/usage?top=1");
}

#[test]
fn a_repository_shows_its_tags_and_a_manifest_its_tree() {
    let tag = json!({"tag": "v1", "digest": digest('a'), "artifact_type": "application/vnd.tool",
        "media_type": "application/vnd.oci.image.manifest.v1+json", "bytes": 5_242_000,
        "tagged_at": "2025-11-05T11:00:00.000Z"});
    let part = |role: &str, present: bool| {
        json!({"role": role, "digest": digest('b'), "media_type": "application/octet-stream",
            "bytes": 2048, "title": "tool.squashfs", "present": present})
    };
    let leaf = json!({"digest": digest('a'), "media_type": "application/manifest", "bytes": 300,
        "platform": "linux/amd64", "tags": [], "contents": [part("config", true),
        part("layer", false)], "manifests": [], "referrers": [], "incomplete": false});
    let signature = json!({"digest": digest('d'), "media_type": "application/manifest",
        "artifact_type": "application/vnd.signature", "bytes": 200, "tags": [], "contents": [],
        "manifests": [], "referrers": [], "incomplete": false});
    let tree = json!({"digest": digest('e'), "media_type": "application/index", "bytes": 400,
        "tags": ["v1", "latest"], "contents": [], "manifests": [leaf], "referrers": [signature],
        "incomplete": false});
    let manifest = "GET /api/v1/registry/repositories/tools%2Fpartition/manifests/v1";
    let stand_in = StandIn::new([
        (REPOSITORY, vec![Reply::json(200, &repository())]),
        (TAGS, vec![Reply::json(200, &json!({"tags": [tag], "next": null}))]),
        (manifest, vec![Reply::json(200, &tree)]),
    ]);
    let shell = Shell::at(&stand_in);

    let shown = shell.run("registry show tools/partition").shown();
    let shown = shown + &shell.run("registry show tools/partition:v1").shown();

    insta::assert_snapshot!(shown);
    let unknown = shell.run("registry show tools/other");
    assert_eq!(unknown.exit, Exit::NotFound);
}

#[test]
fn uploads_are_listed_and_given_up_once_that_is_meant() {
    let upload = json!({"id": "0123456789abcdef0123456789abcdef", "repository": "os/rocky",
        "bytes": 1_073_741_824, "owner": "ci", "started_at": "2025-11-05T10:00:00.000Z",
        "idle_seconds": 4000, "expires_in_seconds": 82_400});
    let remove = "DELETE /api/v1/registry/uploads/0123456789abcdef0123456789abcdef";
    let stand_in = StandIn::new([
        ("GET /api/v1/registry/uploads", vec![Reply::json(200, &json!({"uploads": [upload]}))]),
        (remove, vec![Reply::empty(204)]),
    ]);
    let shell = Shell::at(&stand_in);
    let line = "registry uploads --remove 0123456789abcdef0123456789abcdef";

    let shown = shell.run("registry uploads").shown() + &shell.run(line).shown();
    let done = shell.run(&format!("{line} --yes"));

    insta::assert_snapshot!(shown + &done.shown());
    assert_eq!(stand_in.lines().len(), 2);
}

#[test]
fn a_collection_is_begun_once_followed_to_its_end_and_told() {
    let begun = run("running", &json!({"collected": null}));
    let later = run("running", &json!({"collected": collected(&Value::Null)}));
    let done = run("done", &json!({"collected": collected(&Value::Null)}));
    let down = Reply::refusal(503, "unavailable", "about to stop");
    let stand_in = StandIn::new([
        (RUNS, vec![Reply::json(202, &begun)]),
        (RUN, vec![Reply::json(200, &later), down, Reply::json(200, &done)]),
    ]);

    let ran = Shell::at(&stand_in).run("registry gc");

    insta::assert_snapshot!(ran.shown());
    let requests = stand_in.requests();
    assert_eq!(requests[0].json(), json!({"task": "gc", "dry_run": false}));
    assert_eq!(requests.len(), 4, "asked again after a moment without an answer");
}

#[test]
fn a_run_that_fails_is_stopped_or_outlasts_the_wait_has_its_exit_code() {
    let failed = run("failed", &json!({"error": "use the catalogue: disk I/O error"}));
    let stopped = run("stopped", &json!({"collected": collected(&Value::Null)}));
    let running = run("running", &json!({}));
    let gone = Reply::refusal(404, "not_found.run", "there is no such run");
    let stand_in = StandIn::new([
        (RUNS, vec![Reply::json(202, &running)]),
        (RUN, vec![Reply::json(200, &failed), Reply::json(200, &stopped), gone]),
    ]);
    let shell = Shell::at(&stand_in);

    let failed = shell.run("registry gc");
    assert_eq!(failed.exit, Exit::Internal);
    assert!(failed.err.contains("run 19a-1 failed: use the catalogue"), "{}", failed.err);
    assert_eq!(shell.run("registry gc").exit, Exit::NotSucceeded);
    assert_eq!(shell.run("registry gc").exit, Exit::NotFound);
    let waited = shell.run("registry gc --timeout 0s");
    assert_eq!(waited.exit, Exit::NotSucceeded);
    assert!(waited.err.contains("--stop 19a-1 ends it"), "{}", waited.err);
    let begun = shell.run("registry gc --no-wait");
    assert_eq!((begun.exit, &*begun.out), (Exit::Done, "run 19a-1 began\n"));
    let before = stand_in.lines().len();
    assert_eq!(shell.run("registry gc --timeout soon").exit, Exit::Usage);
    assert_eq!(stand_in.lines().len(), before, "nothing was begun");
}

#[test]
fn a_dry_run_that_failed_is_told_as_such() {
    let failed = run("failed", &json!({"dry_run": true, "error": "failed to read the catalogue"}));
    let stand_in = StandIn::new([(RUNS, vec![Reply::json(202, &failed)])]);

    let ran = Shell::at(&stand_in).run("registry gc --confirm");

    assert_eq!(ran.exit, Exit::Internal);
    assert!(ran.err.contains("19a-1 failed: failed to read the catalogue"), "{}", ran.err);
}

#[test]
fn what_a_rebuild_left_is_collected_only_after_its_dry_run_was_seen_and_confirmed() {
    let dry = json!({"dry_run": true, "collected": collected(&json!("5a5a"))});
    let dry = run("done", &dry);
    let done = run("done", &json!({"collected": collected(&Value::Null)}));
    let stand_in = StandIn::new([(
        RUNS,
        vec![Reply::json(202, &dry), Reply::json(202, &dry), Reply::json(202, &done)],
    )]);
    let declined = Shell { answer: Some("n"), ..Shell::at(&stand_in) }.run("registry gc --confirm");
    let confirmed =
        Shell { answer: Some("y"), ..Shell::at(&stand_in) }.run("registry gc --confirm");
    let named = Shell::at(&stand_in).run("registry gc --confirm 5a5a");

    insta::assert_snapshot!(declined.shown());
    assert_eq!([declined.exit, confirmed.exit, named.exit], [Exit::Usage, Exit::Done, Exit::Done]);
    let sent: Vec<_> = stand_in.requests().iter().map(crate::stand_in::Request::json).collect();
    let (dry, word) =
        (json!({"task": "gc", "dry_run": true}), json!({"task": "gc", "confirmation": "5a5a"}));
    assert_eq!(sent, [dry.clone(), dry, word.clone(), word]);
}

#[test]
fn a_check_names_what_is_to_be_pushed_again() {
    let damaged = json!([
        {"digest": digest('b'), "fault": "content",
            "needed_by": [{"repository": "tools/partition", "manifest": digest('a')}],
            "tags": [{"repository": "tools/partition", "tag": "v1"}]},
        {"digest": digest('c'), "fault": "missing",
            "needed_by": [{"repository": "os/rocky", "manifest": digest('d')}], "tags": []},
        {"digest": digest('f'), "fault": "size", "needed_by": [], "tags": []}]);
    let healed = json!([{"digest": digest('9'), "fault": "missing"}]);
    let checked = json!({"blobs": 9, "bytes": 5_242_880, "damaged": damaged, "healed": healed,
        "skipped": 1});
    let more = json!({"task": "check", "bytes_to_read": 5_242_880, "checked": checked});
    let whole = json!({"task": "check", "checked": {"blobs": 9, "bytes": 1, "damaged": [],
        "healed": [], "skipped": 0}});
    let stand_in = StandIn::new([(
        RUNS,
        vec![Reply::json(202, &run("done", &more)), Reply::json(202, &run("done", &whole))],
    )]);
    let shell = Shell::at(&stand_in);

    let ran = shell.run("registry check");

    insta::assert_snapshot!(ran.shown());
    assert_eq!((ran.exit, shell.run("registry check").exit), (Exit::NotSucceeded, Exit::Done));
    assert_eq!(stand_in.requests()[0].json(), json!({"task": "check"}));
}

#[test]
fn retention_tells_the_rule_for_each_tag_and_asks_before_it_removes_any() {
    let rule = json!({"repositories": "tools/*", "keep_last": 2});
    let tag = |tag: &str, fate: &str, place: Value, rule: Value| {
        json!({"repository": "tools/partition", "tag": tag, "digest": digest('a'), "fate": fate,
            "rule": rule, "place": place})
    };
    let tags = json!([
        tag("v1", "goes", json!(4), rule.clone()),
        tag("v2", "leased", json!(3), rule.clone()),
        tag("v3", "kept", json!(2), rule.clone()),
        tag("sha256-aa.sig", "kept_with_subject", Value::Null, rule.clone()),
        tag("free", "kept", Value::Null, Value::Null)
    ]);
    let page = json!({"rules": [rule], "tags": tags, "next": null});
    let stand_in = StandIn::new([
        ("GET /api/v1/registry/retention", vec![Reply::json(200, &page)]),
        (
            RUNS,
            vec![Reply::json(
                202,
                &run(
                    "done",
                    &json!({"task": "retention",
            "collected": collected(&Value::Null)}),
                ),
            )],
        ),
    ]);
    let shell = Shell::at(&stand_in);

    insta::assert_snapshot!(shell.run("registry retention tools/partition --dry-run").shown());
    assert_eq!(shell.run("registry retention").exit, Exit::Usage, "nobody was asked");
    assert_eq!(shell.run("registry retention --yes").exit, Exit::Done);
    assert_eq!(shell.run("registry retention tools/partition --yes").exit, Exit::Usage);
    let lines = stand_in.lines();
    assert!(lines[1].contains("repository=tools%2Fpartition"), "{lines:?}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn runs_are_listed_and_stopped() {
    let more = json!({"collected": collected(&Value::Null)});
    let runs = json!({"runs": [run("running", &more)]});
    let stop = "DELETE /api/v1/registry/runs/19a-1";
    let stand_in = StandIn::new([
        ("GET /api/v1/registry/runs", vec![Reply::json(200, &runs)]),
        (stop, vec![Reply::json(202, &run("running", &more))]),
    ]);
    let shell = Shell::at(&stand_in);

    insta::assert_snapshot!(shell.run("registry runs").shown());
    assert_eq!(shell.run("registry runs --stop 19a-1").exit, Exit::Done);
}

#[test]
fn refusals_say_what_to_do_next() {
    let refusals = [
        (409, "conflict.registry_off", "ENABLE_REGISTRY=true"),
        (409, "conflict.registry_busy", "shoal registry runs"),
        (409, "conflict.gc_unconfirmed", "shoal registry gc --dry-run"),
    ];
    for (status, code, step) in refusals {
        let stand_in = StandIn::new([(RUNS, vec![Reply::refusal(status, code, "no")])]);
        let ran = Shell::at(&stand_in).run("registry gc");
        assert_eq!(ran.exit, Exit::Conflict, "{code}");
        assert!(ran.err.contains(step), "{}", ran.err);
    }
    let ran = Shell::bare().run("registry rebuild");
    assert_eq!(ran.exit, Exit::Conflict);
    assert!(ran.err.contains("shoal-controller registry rebuild"), "{}", ran.err);
}
