//! What is dangerous is asked about, and what moves a job or a server says where it is then.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{JOB, OTHER_JOB, Shell};
use crate::stand_in::{Reply, Request, StandIn};

const SHOW: &str = "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001";
const CANCEL: &str = "POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/cancel";
const REQUEUE: &str = "POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/requeue";
const PRIORITY: &str = "POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/priority";
const QUARANTINE: &str = "/api/v1/servers/SRV-1/quarantine";

fn job(id: &str, more: &Value) -> Value {
    let mut job = json!({"job_id": id, "server_serial": "SRV-1", "status": "provisioning",
        "created_at": "2025-11-05T11:00:00.000Z", "outcome": null});
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

fn accepted(id: &str) -> Reply {
    let bmc = json!({"will": ["read_bmc"], "power": null, "then": "boot", "text": "read\u{7}"});
    let old = json!({"job_id": JOB, "bmc": {"text": "switch the machine off"}});
    Reply::json(
        202,
        &json!({"job_id": id, "status": "queued", "server_serial": "SRV-1", "bmc": bmc,
            "replaces": if id == OTHER_JOB { old } else { Value::Null }}),
    )
}

fn writes(stand_in: &StandIn) -> usize {
    stand_in.lines().iter().filter(|line| !line.starts_with("GET ")).count()
}

#[test]
fn force_is_asked_about_and_a_script_says_yes() {
    let stand_in = StandIn::new([(CANCEL, vec![accepted(JOB)])]);
    let line = format!("jobs cancel {JOB} --force");

    let nobody = Shell::at(&stand_in).run(&line);
    let declined = Shell { answer: Some("n"), ..Shell::at(&stand_in) }.run(&line);
    let unsure = Shell { answer: Some(""), ..Shell::at(&stand_in) }.run(&line);
    assert_eq!(writes(&stand_in), 0);
    let confirmed = Shell { answer: Some("y"), ..Shell::at(&stand_in) }.run(&line);
    let script = Shell::at(&stand_in).run(&format!("{line} --yes"));

    insta::assert_snapshot!(nobody.shown() + &declined.shown());
    assert!(confirmed.err.contains(&format!("job {JOB} will do this: read")), "{}", confirmed.err);
    assert_eq!([unsure.exit, confirmed.exit, script.exit], [Exit::Usage, Exit::Done, Exit::Done]);
    assert_eq!(writes(&stand_in), 2);
}

#[test]
fn replacing_is_asked_about_only_while_there_is_something_to_end() {
    let running = Reply::json(200, &job(JOB, &json!({})));
    let over = Reply::json(200, &job(JOB, &json!({"status": "complete", "outcome": "failed"})));
    let stand_in =
        StandIn::new([(SHOW, vec![running, over]), (REQUEUE, vec![accepted(OTHER_JOB)])]);
    let shell = Shell { answer: Some("no"), ..Shell::at(&stand_in) };
    let line = format!("jobs requeue {JOB} --replace");

    let declined = shell.run(&line);
    assert_eq!((declined.exit, writes(&stand_in)), (Exit::Usage, 0));
    let done = shell.run(&line);

    assert_eq!(done.exit, Exit::Done, "{}", done.err);
    assert_eq!(done.out, format!("job {OTHER_JOB} repeats job {JOB}\n"));
    let told = format!(
        "at its BMC job {JOB} will do this: switch the machine off\n\
         at its BMC job {OTHER_JOB} will do this: read\\u{{7}}\n"
    );
    assert_eq!(done.err, told);
    assert_eq!(stand_in.requests()[2].json(), json!({"replace": true}));
}

#[test]
fn priority_tells_the_new_place() {
    let moved = |position: Value| {
        Reply::json(200, &json!({"job_id": JOB, "priority": -5, "position": position}))
    };
    let late = Reply::refusal(409, "conflict.job_state", "only a queued job can be moved");
    let stand_in = StandIn::new([(PRIORITY, vec![moved(json!(3)), moved(Value::Null), late])]);
    let shell = Shell::at(&stand_in);
    let line = format!("jobs priority {JOB} -5");

    let shown: String = (0..3).map(|_| shell.run(&line).shown()).collect();

    insta::assert_snapshot!(shown);
    assert_eq!(stand_in.requests()[0].json(), json!({"priority": -5}));
    assert_eq!(shell.run(&format!("jobs priority {JOB} 101")).exit, Exit::Usage);
}

#[test]
fn the_queue_is_shown_in_its_order_with_places_and_estimates() {
    let listed = |id: &str| job(id, &json!({"status": "queued"}));
    let queued = |id: &str, position: u64, more: &Value| {
        let mut job = job(
            id,
            &json!({"status": "queued", "position": position, "priority": 5,
            "waiting_for": "a free worker"}),
        );
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Reply::json(200, &job)
    };
    let taken = "0190a5d2-7e1c-7cc3-8000-000000000003";
    let page = json!({"jobs": [listed(JOB), listed(taken), listed(OTHER_JOB)], "next": null});
    let estimate = json!({"estimate": {"starts_in_seconds": 725, "starts_at": "later"}});
    let stand_in = StandIn::new([
        ("GET /api/v1/jobs", vec![Reply::json(200, &page)]),
        (SHOW, vec![queued(JOB, 2, &estimate)]),
        (
            "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000002",
            vec![queued(OTHER_JOB, 1, &json!({}))],
        ),
        (
            "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000003",
            vec![Reply::json(200, &job(taken, &json!({})))],
        ),
    ]);
    let shell = Shell::at(&stand_in);

    let all = shell.run("jobs list --queue").shown();
    let first = shell.run("jobs list --queue --limit 1 --output json");

    insta::assert_snapshot!(all);
    assert_eq!(stand_in.lines()[0], "GET /api/v1/jobs?status=queued&limit=500");
    let out: Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!(
        (out["jobs"].as_array().unwrap().len(), &out["jobs"][0]["position"]),
        (1, &json!(1))
    );
    assert!(first.err.contains("there are more than 1"), "{}", first.err);
}

#[test]
fn show_tells_a_queued_job_s_place_and_start() {
    let queued = job(
        JOB,
        &json!({"status": "queued", "phase": "queued", "position": 4,
        "ahead_active": 2, "after_job": OTHER_JOB, "waiting_for": "a free worker",
        "estimate": {"starts_in_seconds": 0, "starts_at": "now"}}),
    );
    let stand_in = StandIn::new([(SHOW, vec![Reply::json(200, &queued)])]);

    let ran = Shell::at(&stand_in).run(&format!("jobs show {JOB}"));

    assert!(
        ran.out.contains("number 4; 2 at work before it; starts probably at once"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(&format!("replaces job  {OTHER_JOB}")), "{}", ran.out);
}

#[test]
fn a_server_is_taken_out_of_use_and_back_into_it() {
    let server = json!({"serial": "SRV-1"});
    let (put, delete) = (format!("PUT {QUARANTINE}"), format!("DELETE {QUARANTINE}"));
    let (put, delete): (&str, &str) = (put.leak(), delete.leak());
    let unknown = Reply::refusal(404, "not_found.server", "there is no such server");
    let stand_in = StandIn::new([
        (put, vec![Reply::json(200, &server)]),
        (delete, vec![Reply::json(200, &server), unknown]),
    ]);
    let shell = Shell::at(&stand_in);

    let shown = [
        shell.words(&["servers", "quarantine", "SRV-1", "--reason", "fan 3"]).shown(),
        shell.run("servers release SRV-1").shown(),
        shell.run("servers release SRV-1").shown(),
    ];

    insta::assert_snapshot!(shown.concat());
    assert_eq!(stand_in.requests()[0].json(), json!({"reason": "fan 3"}));
    assert_eq!(shell.run("servers quarantine SRV-1").exit, Exit::Usage);
}

#[test]
fn set_changes_what_is_named_and_keeps_the_rest() {
    let record = json!({"serial": "SRV-1", "bmc_address": "https://10.0.0.7", "vendor_hint": null,
        "has_credentials": true, "tls": {"policy": "pin", "sha256": "ab"}, "media_scheme": "http",
        "allow_plain_media": true, "media_host": "10.0.0.1", "labels": {"rack": "7", "team": "a"},
        "quarantine": "burn-in", "hardware": {"vendor": "Example"}, "residue": [],
        "active_job": null, "refused_logins": 0, "last_probe": null});
    let stand_in = StandIn::new([
        ("GET /api/v1/servers/SRV-1", vec![Reply::json(200, &record)]),
        ("PUT /api/v1/servers/SRV-1", vec![Reply::json(200, &record)]),
    ]);
    let shell = Shell::at(&stand_in);

    let ran = shell.run(
        "servers set SRV-1 --bmc https://10.0.0.8 --label rack=8 --remove-label team \
         --clear media-host --allow-plain-media false",
    );
    let account = shell.run("servers set SRV-1 --user root");

    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Done, "server SRV-1 changed\n"), "{}", ran.err);
    assert_eq!(
        stand_in.requests()[1].json(),
        json!({"bmc_address": "https://10.0.0.8", "tls": {"policy": "pin", "sha256": "ab"},
            "media_scheme": "http", "allow_plain_media": false, "labels": {"rack": "8"}}),
        "a quarantine has a call of its own"
    );
    assert_eq!(account.exit, Exit::Done);
    let written = stand_in.requests().last().map(Request::json).unwrap();
    assert_eq!(written["credentials"], json!({"user": "root", "password": crate::shell::PASSWORD}));
    assert_eq!(written["media_host"], "10.0.0.1");
    assert_eq!(shell.run("servers set SRV-1").exit, Exit::Usage);
}

#[test]
fn set_writes_nothing_back_that_it_does_not_understand() {
    let record =
        json!({"serial": "SRV-1", "bmc_address": "https://10.0.0.7", "of_a_later_release": 1});
    let stand_in = StandIn::new([("GET /api/v1/servers/SRV-1", vec![Reply::json(200, &record)])]);

    let ran = Shell::at(&stand_in).run("servers set SRV-1 --label a=b");

    assert_eq!((ran.exit, writes(&stand_in)), (Exit::Internal, 0));
    assert!(ran.err.contains("\"of_a_later_release\""), "{}", ran.err);
}
