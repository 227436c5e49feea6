//! Verbs on jobs.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{JOB, OTHER_JOB, Shell, USER_DATA, text};
use crate::stand_in::{Reply, StandIn};

const RECIPE: &str = r#"{
  "task_target": "install-linux.target",
  "target_disk": "/dev/nvme0n1",
  "oci_url": "registry.example/os/debian:13",
  "partition_layout": [
    {"size": "512M", "type_guid": "ef00", "format": "vfat"},
    {"size": "100%", "type_guid": "8304", "format": "ext4", "label": "root"}
  ],
  "user_data": "canary-user-data"
}"#;

fn accepted(status: u16) -> Reply {
    let body = json!({"job_id": JOB, "status": "queued", "server_serial": "SRV-1",
        "created_at": "2025-11-05T12:00:00.000Z"});
    Reply::json(status, &body)
}

fn job(more: &Value) -> Value {
    let mut job = json!({"job_id": JOB, "server_serial": "SRV-1", "status": "provisioning",
        "phase": "await_report", "outcome": null, "task_target": "install-linux.target",
        "waiting_for": "the maintenance OS to report", "attempt": 1, "priority": 0, "labels": {},
        "stuck": false, "created_at": "2025-11-05T11:00:00.000Z",
        "updated_at": "2025-11-05T11:59:30.000Z", "progressed_at": "2025-11-05T11:58:00.000Z",
        "deadline": "2025-11-05T14:30:00.000Z", "of_a_later_release": [1, 2]});
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

#[test]
fn create_sends_the_recipe_with_its_options_under_the_key() {
    let stand_in = StandIn::new([("POST /api/v1/jobs", vec![accepted(202)])]);
    let shell = Shell::at(&stand_in);
    let file = shell.file("recipe.json", RECIPE);

    let ran = shell.run(&format!(
        "jobs create -f {} --server SRV-1 --idempotency-key k-1 --priority -5 --label rack=7 \
         --label team=a=b --on-failure leave --boot-url https://boot.example/os.iso",
        text(&file)
    ));

    insta::assert_snapshot!(ran.shown());
    let request = stand_in.requests().remove(0);
    assert_eq!(request.headers["idempotency-key"], "k-1");
    assert_eq!(request.headers["authorization"], "Bearer canary-token");
    let recipe: Value = serde_json::from_str(RECIPE).unwrap();
    assert_eq!(
        request.json(),
        json!({"server_serial": "SRV-1", "recipe": recipe, "priority": -5,
            "labels": {"rack": "7", "team": "a=b"}, "on_failure": "leave",
            "maintenance_iso_url": "https://boot.example/os.iso"})
    );
    assert!(recipe.to_string().contains(USER_DATA));
}

#[test]
fn create_reads_standard_input_and_prints_the_key_it_made() {
    let stand_in = StandIn::new([("POST /api/v1/jobs", vec![accepted(200)])]);
    let shell = Shell { stdin: RECIPE.to_owned(), ..Shell::at(&stand_in) };

    let ran = shell.run("--output json jobs create -f - --server SRV-1");

    assert_eq!(ran.exit, Exit::Done);
    let out: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(out["job_id"], JOB);
    let key = stand_in.requests()[0].headers["idempotency-key"].clone();
    assert_eq!(key.len(), 32);
    assert!(ran.err.contains(&format!("idempotency key: {key}\n")), "{}", ran.err);
    assert!(ran.err.contains("the same request was made before"), "{}", ran.err);
}

#[test]
fn a_recipe_with_problems_is_told_by_line_and_never_sent() {
    let stand_in = StandIn::new([("POST /api/v1/jobs", vec![accepted(202)])]);
    let shell = Shell::at(&stand_in);
    let recipe = RECIPE.replace("/dev/nvme0n1", "/dev/../sda").replace("\"512M\"", "\"lots\"");
    let file = shell.file("recipe.json", &recipe);

    let ran = shell.run(&format!("jobs create -f {} --server SRV-1", text(&file)));

    insta::assert_snapshot!(ran.shown());
    assert!(stand_in.requests().is_empty());
}

#[test]
fn a_dry_run_shows_what_the_controller_plans() {
    let plan = json!({"dry_run": true, "server_serial": "SRV-1", "media_plan": null,
        "plan": {"workflow": "linux", "task_target": "install-linux.target"},
        "budgets": {"report_ms": 9_000_000},
        "notes": ["the media plan is made when the job looks at the BMC"],
        "warnings": [{"code": "mutable_tag", "path": "/recipe/oci_url", "message": "a tag can move"}]});
    let stand_in = StandIn::new([("POST /api/v1/jobs", vec![Reply::json(200, &plan)])]);
    let shell = Shell { stdin: RECIPE.to_owned(), ..Shell::at(&stand_in) };

    let ran = shell.run("jobs create -f - --server SRV-1 --dry-run");

    insta::assert_snapshot!(ran.shown());
    let request = stand_in.requests().remove(0);
    assert_eq!(request.line, "POST /api/v1/jobs?dry_run=true");
    assert!(!request.headers.contains_key("idempotency-key"));
}

#[test]
fn create_with_watch_ends_as_the_job_does() {
    let complete = job(&json!({"status": "complete", "phase": "complete", "outcome": "failed",
        "failed_step": "workflow.partition", "message": "no such disk"}));
    let stand_in = StandIn::new([
        ("POST /api/v1/jobs", vec![accepted(202)]),
        (
            "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001",
            vec![Reply::json(200, &complete)],
        ),
        ("GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/events", vec![Reply::empty(204)]),
    ]);
    let shell = Shell { stdin: RECIPE.to_owned(), ..Shell::at(&stand_in) };

    let ran = shell.run("jobs create -f - --server SRV-1 --idempotency-key k --watch");

    insta::assert_snapshot!(ran.shown());
}

#[test]
fn list_asks_with_its_filters_page_by_page_and_prints_a_table() {
    let first = json!({"jobs": [job(&json!({"stuck": true}))], "next": JOB});
    let failed = job(&json!({"job_id": OTHER_JOB, "status": "complete", "phase": "complete",
        "outcome": "failed", "failed_step": "redfish.mount.task", "waiting_for": null,
        "created_at": "2025-11-02T12:00:00.000Z"}));
    let second = json!({"jobs": [failed], "next": null});
    let pages = vec![Reply::json(200, &first), Reply::json(200, &second)];
    let stand_in = StandIn::new([("GET /api/v1/jobs", pages)]);

    let ran = Shell::at(&stand_in).run(
        "jobs list --status provisioning --server SRV-1 --target install-linux.target --since 7d \
         --stuck --limit 600",
    );

    insta::assert_snapshot!(ran.shown());
    let filters = "status=provisioning&server_serial=SRV-1&task_target=install-linux.target&\
                   since=2025-10-29T12%3A00%3A00Z&stuck=true";
    assert_eq!(
        stand_in.lines(),
        [
            format!("GET /api/v1/jobs?{filters}&limit=500"),
            format!("GET /api/v1/jobs?{filters}&limit=500&cursor={JOB}"),
        ]
    );
}

#[test]
fn a_list_in_json_keeps_what_this_program_does_not_know() {
    let page = json!({"jobs": [job(&json!({}))], "next": null});
    let stand_in = StandIn::new([("GET /api/v1/jobs", vec![Reply::json(200, &page)])]);

    let ran = Shell::at(&stand_in).run("jobs list --output json");

    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), page);
    assert_eq!(ran.err, "");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let page = json!({"jobs": [job(&json!({}))], "next": null});
    let stand_in = StandIn::new([("GET /api/v1/jobs", vec![Reply::json(200, &page)])]);
    let mut shell = Shell { terminal: true, ..Shell::at(&stand_in) };

    let coloured = shell.run("jobs list").out;
    shell.set("NO_COLOR", "1");
    let plain = shell.run("jobs list").out;

    assert!(coloured.contains("\u{1b}[33mprovisioning\u{1b}[0m"), "{coloured}");
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn show_tells_where_a_job_is_and_lists_all_of_its_events() {
    let full = job(&json!({"phase": "held", "held": "installer_unsure", "labels": {"rack": "7"},
        "waiting_for": "an operator's decision: no restart was seen",
        "progress": {"step": "workflow.image-linux", "percent": 40, "bytes": null, "at": null},
        "evidence": {"counts": true, "says": "the BMC opened the boot medium",
            "milestones": {"opened": "2025-11-05T11:02:00.000Z"}},
        "media": [{"medium": "boot", "slot": "CD1", "bytes_read": 3_670_016, "ranges": [],
            "last_read_at": "2025-11-05T11:03:00.000Z"}],
        "media_plan": {"class": "two_cd", "boot_slot": "CD1", "task_slot": "CD2"},
        "medium": {"bytes": 4_718_592, "sha256": "ab"}, "warnings": ["media_left"],
        "fault": {"summary": "the BMC is busy", "detail": "503", "step": "redfish.mount.task",
            "tries": 3},
        "budgets": {"boot_ms": 1_200_000, "report_ms": 9_000_000, "look_ms": 60_000,
            "first_boot_grace_ms": 0},
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "position": null,
        "recipe": {"task_target": "install-linux.target", "user_data": {"bytes": 16, "sha256": "cd"}}}));
    let event = |id: i64, kind: &str, detail: Value| {
        json!({"id": id, "job_id": JOB, "at": "2025-11-05T11:00:00.5Z", "kind": kind,
            "detail": detail})
    };
    let first = json!({"events": [event(3, "claimed", json!({}))], "next": 3});
    let rest = json!({"events": [event(9, "phase", json!({"from": "queued", "to": "discover"}))],
        "next": null});
    let stand_in = StandIn::new([
        ("GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001", vec![Reply::json(200, &full)]),
        (
            "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/events",
            vec![Reply::json(200, &first), Reply::json(200, &rest)],
        ),
    ]);

    let ran = Shell::at(&stand_in).run(&format!("jobs show {JOB} --events"));

    insta::assert_snapshot!(ran.shown());
    assert!(stand_in.lines()[2].ends_with("/events?limit=500&after=3"), "{:?}", stand_in.lines());
}

#[test]
fn the_verbs_that_end_or_answer_for_a_job_send_what_they_say() {
    let stand_in = StandIn::new([
        ("POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/cancel", vec![accepted(202)]),
        ("POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/fail", vec![accepted(202)]),
        ("POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/decide", vec![accepted(202)]),
        ("POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000002/requeue", vec![accepted(202)]),
    ]);
    let shell = Shell::at(&stand_in);

    let ran: String = [
        format!("jobs cancel {JOB}"),
        format!("jobs cancel {JOB} --force --yes"),
        format!("jobs fail {JOB}"),
        format!("jobs decide {JOB} succeeded"),
        format!("jobs requeue {OTHER_JOB} --replace --yes"),
    ]
    .iter()
    .map(|line| shell.run(line).shown())
    .collect();

    insta::assert_snapshot!(ran);
    let bodies: Vec<Value> =
        stand_in.requests().iter().map(crate::stand_in::Request::json).collect();
    assert_eq!(
        bodies,
        [
            json!({}),
            json!({"force": true}),
            json!({}),
            json!({"decision": "succeeded"}),
            json!({"replace": true})
        ]
    );
}
