//! Drain, configuration, keys, tokens and changes.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{PASSWORD, Shell, text};
use crate::stand_in::{Reply, StandIn};

const NEW: &str = "shoal_new-token";

fn drain(bmc_active: u64, need_media: u64) -> Reply {
    Reply::json(
        200,
        &json!({"drain": true, "picking": false, "bmc_active": bmc_active,
            "need_media": need_media, "queued": 4}),
    )
}

#[test]
fn a_drain_is_waited_for_as_far_as_was_asked() {
    let stand_in = StandIn::new([
        ("PUT /api/v1/admin/drain", vec![drain(2, 3)]),
        ("GET /api/v1/admin/drain", vec![drain(1, 3), drain(0, 2), drain(0, 0)]),
    ]);
    let shell = Shell::at(&stand_in);

    let at_once = shell.run("drain on").shown();
    let jobs = shell.run("drain on --wait");
    assert_eq!((jobs.exit, stand_in.requests().len()), (Exit::Done, 4));
    let media = shell.run("drain status --wait-media -o json");

    insta::assert_snapshot!(at_once + &jobs.shown());
    assert_eq!(stand_in.requests()[0].json(), json!({"drain": true}));
    let out: Value = serde_json::from_str(&media.out).unwrap();
    assert_eq!((media.exit, &out["need_media"]), (Exit::Done, &json!(0)));
}

#[test]
fn a_wait_ends_with_its_time_or_with_the_drain() {
    let off = json!({"drain": false, "picking": true, "bmc_active": 1, "need_media": 1});
    let busy = StandIn::new([("GET /api/v1/admin/drain", vec![drain(1, 1)])]);
    let ended = StandIn::new([("GET /api/v1/admin/drain", vec![Reply::json(200, &off)])]);
    let unused = StandIn::new([("PUT /api/v1/admin/drain", vec![drain(0, 0)])]);

    let late = Shell::at(&busy).run("drain status --wait --timeout 0s");
    let over = Shell::at(&ended).run("drain status --wait");
    let wrong = Shell::at(&unused).run("drain on --wait --timeout soon");

    insta::assert_snapshot!(late.shown() + &over.shown());
    assert_eq!((wrong.exit, unused.requests().len()), (Exit::Usage, 0));
}

#[test]
fn a_reload_tells_what_is_different_or_why_nothing_is() {
    let reloaded = json!({"dry_run": false, "config_sha256": "ab", "warnings": ["a key ends soon"],
        "changed": [{"key": "LOG_LEVEL", "from": "info", "to": "debug", "source": "shoal.toml"}]});
    let same = json!({"dry_run": true, "config_sha256": "ab", "warnings": [], "changed": []});
    let refused = Reply::json(
        409,
        &json!({"error": "conflict.reload_refused", "message": "the configuration in force stays",
            "details": [{"path": "DB_PATH", "code": "refused", "message": "needs a restart"}]}),
    );
    let replies = vec![Reply::json(200, &reloaded), Reply::json(200, &same), refused];
    let stand_in = StandIn::new([("POST /api/v1/admin/reload", replies)]);
    let shell = Shell::at(&stand_in);

    let shown = [
        shell.run("config reload --force --yes").shown(),
        shell.run("config reload --dry-run --force").shown(),
        shell.run("config reload").shown(),
    ];

    insta::assert_snapshot!(shown.concat());
    assert_eq!(
        stand_in.lines(),
        [
            "POST /api/v1/admin/reload?force=true",
            "POST /api/v1/admin/reload?dry_run=true&force=true",
            "POST /api/v1/admin/reload"
        ]
    );
    assert_eq!(shell.run("config reload --force").exit, Exit::Usage);
}

#[test]
fn keys_are_listed_set_and_revoked_without_being_shown() {
    let keys = json!({"keys": [
        {"purpose": "media", "id": 2, "state": "current", "source": "drawn",
            "created_at": "2025-11-05T11:00:00.000Z", "accepted_until": null, "revoked_at": null},
        {"purpose": "media", "id": 1, "state": "accepted", "source": "operator", "created_at": null,
            "accepted_until": "2025-11-12T11:00:00.000Z", "revoked_at": null}]});
    let set = json!({"purpose": "media", "id": 3,
        "former_accepted_until": "2025-11-12T12:00:00.000Z"});
    let in_use = Reply::refusal(409, "conflict.key_in_use", "2 unfinished jobs depend on this key");
    let stand_in = StandIn::new([
        ("GET /api/v1/admin/secrets", vec![Reply::json(200, &keys)]),
        ("POST /api/v1/admin/secrets/media", vec![Reply::json(201, &set)]),
        ("DELETE /api/v1/admin/secrets/media/1", vec![in_use, Reply::empty(204)]),
    ]);
    let shell = Shell::at(&stand_in);
    let value = shell.file("key", &format!("{PASSWORD}-0123456789\n"));

    let shown = [
        shell.run("secrets list").shown(),
        shell.run(&format!("secrets set media --value-file {}", text(&value))).shown(),
        shell.run("secrets revoke media 1").shown(),
        shell.run("secrets revoke media 1 --emergency").shown(),
        shell.run("secrets revoke media 1 --emergency --yes").shown(),
    ];

    insta::assert_snapshot!(shown.concat());
    let requests = stand_in.requests();
    assert_eq!(requests[1].json(), json!({"value": format!("{PASSWORD}-0123456789")}));
    assert_eq!(requests.len(), 4);
    assert!(requests[3].line.ends_with("?emergency=true"), "{}", requests[3].line);
}

#[test]
fn a_drawn_fleet_secret_is_shown_once_or_kept_in_a_file() {
    let set = json!({"purpose": "fleet_webhook", "id": 1, "value": NEW,
        "former_accepted_until": "2025-11-12T12:00:00.000Z"});
    let stand_in =
        StandIn::new([("POST /api/v1/admin/secrets/fleet_webhook", vec![Reply::json(201, &set)])]);
    let shell = Shell::at(&stand_in);
    let path = shell.directory.path().join("fleet");

    let shown = shell.run("secrets set fleet_webhook");
    let kept = shell.run(&format!("secrets set fleet_webhook --write {}", text(&path)));

    assert_eq!((shown.exit, shown.out.as_str()), (Exit::Done, "shoal_new-token\n"));
    assert!(!kept.out.contains(NEW) && !kept.err.contains(NEW), "{}", kept.shown());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{NEW}\n"));
    let pointless = shell.directory.path().join("media");
    let refused = shell.run(&format!("secrets set media --write {}", text(&pointless)));
    assert_eq!((refused.exit, pointless.exists()), (Exit::Usage, false));
}

fn token(more: &Value) -> Value {
    let mut token = json!({"id": "tok-1", "name": "ci", "role": "operator",
        "created_at": "2025-11-04T12:00:00.000Z", "last_used_at": null,
        "expires_at": "2025-12-05T12:00:00.000Z"});
    token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    token
}

#[test]
fn a_new_token_is_the_only_line_of_the_result_or_in_a_file_of_its_owner() {
    let made = Reply::json(201, &token(&json!({"token": NEW})));
    let stand_in = StandIn::new([("POST /api/v1/admin/tokens", vec![made])]);
    let shell = Shell::at(&stand_in);
    let path = shell.directory.path().join("ci.token");
    let line = "tokens create ci --role operator --expires 30d";

    let shown = shell.run(line).shown();
    let kept = shell.run(&format!("{line} --write {} --output json", text(&path)));

    insta::assert_snapshot!(shown);
    assert_eq!(
        stand_in.requests()[0].json(),
        json!({"name": "ci", "role": "operator", "expires_at": "2025-12-05T12:00:00Z"})
    );
    assert_eq!(serde_json::from_str::<Value>(&kept.out).unwrap(), token(&json!({})));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{NEW}\n"));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_token_that_cannot_be_kept_is_not_made_and_a_refused_one_leaves_no_file() {
    let taken = Reply::refusal(409, "conflict.name_taken", "a token of this name exists");
    let stand_in = StandIn::new([("POST /api/v1/admin/tokens", vec![taken])]);
    let shell = Shell::at(&stand_in);
    let there = shell.file("there", "precious");
    let path = shell.directory.path().join("ci.token");
    let line = "tokens create ci --role operator --write";

    let occupied = shell.run(&format!("{line} {}", text(&there)));
    assert_eq!((occupied.exit, stand_in.requests().len()), (Exit::Usage, 0));
    let refused = shell.run(&format!("{line} {}", text(&path)));

    assert_eq!((refused.exit, path.exists()), (Exit::Conflict, false), "{}", refused.err);
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "precious");
}

#[test]
fn tokens_are_listed_and_ended_by_id_or_name() {
    let tokens = json!({"tokens": [token(&json!({})),
        token(&json!({"id": "tok-2", "name": "tok-1", "role": "admin", "expires_at": null,
            "last_used_at": "2025-11-05T00:00:00.000Z"}))]});
    let stand_in = StandIn::new([
        ("GET /api/v1/admin/tokens", vec![Reply::json(200, &tokens)]),
        ("DELETE /api/v1/admin/tokens/tok-1", vec![Reply::empty(204)]),
    ]);
    let shell = Shell::at(&stand_in);

    let shown = [
        shell.run("tokens list").shown(),
        shell.run("tokens revoke ci").shown(),
        shell.run("tokens revoke ci --yes").shown(),
        shell.run("tokens revoke tok-1 --yes").shown(),
        shell.run("tokens revoke nobody --yes").shown(),
    ];

    insta::assert_snapshot!(shown.concat());
}

#[test]
fn changes_are_listed_since_when_was_asked() {
    let changes = json!({"changes": [{"id": 1, "at": "2025-11-05T11:00:00.000Z", "kind": "start",
        "detail": {"version": "0.1.0", "config_sha256": "ab"}}]});
    let none = json!({"changes": []});
    let replies = vec![Reply::json(200, &changes), Reply::json(200, &none)];
    let stand_in = StandIn::new([("GET /api/v1/admin/changes", replies)]);
    let shell = Shell::at(&stand_in);

    let shown = shell.run("changes").shown() + &shell.run("changes --since 7d").shown();

    insta::assert_snapshot!(shown);
    assert_eq!(stand_in.lines()[1], "GET /api/v1/admin/changes?since=2025-10-29T12%3A00%3A00Z");
    assert_eq!(shell.run("changes --since yesterday").exit, Exit::Usage);
}

#[test]
fn the_audit_log_is_read_page_by_page_and_filtered_by_the_controller() {
    let entry = |id: u32, ok: bool, address: Value| {
        json!({"id": id, "at": "2025-11-05T11:00:00.000Z", "actor": "ci", "address": address,
            "action": "POST /api/v1/jobs/{id}/cancel", "target": crate::shell::JOB,
            "detail": "202\u{1b}[2J", "ok": ok})
    };
    let first = json!({"entries": [entry(9, true, json!("192.0.2.7"))], "next": 9});
    let last = json!({"entries": [entry(8, false, Value::Null)], "next": null});
    let none = json!({"entries": [], "next": null});
    let replies = [&first, &last, &first, &last, &none, &first].map(|page| Reply::json(200, page));
    let stand_in = StandIn::new([("GET /api/v1/admin/audit", replies.to_vec())]);
    let shell = Shell::at(&stand_in);

    let table = shell.run("audit --since 7d --actor ci --action cancel --target SRV-1").shown();
    let all = shell.run("audit --output json");
    let nothing = shell.run("audit").shown();
    let cut = shell.run("audit --limit 1").shown();

    insta::assert_snapshot!(table + &nothing + &cut);
    let filtered = "GET /api/v1/admin/audit?since=2025-10-29T12%3A00%3A00Z&actor=ci\
                    &action=cancel&target=SRV-1&limit=500";
    assert_eq!(stand_in.lines()[0], filtered);
    assert!(stand_in.lines()[1].ends_with("&cursor=9"), "{}", stand_in.lines()[1]);
    let all: Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(all["entries"].as_array().unwrap().len(), 2);
    assert_eq!(shell.run("audit --since yesterday").exit, Exit::Usage);
}
