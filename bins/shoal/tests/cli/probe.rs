//! Looks at BMCs, and plans that rest on them.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{JOB, PASSWORD, Shell};
use crate::stand_in::{Reply, Request, StandIn};

const RECIPE: &str = r#"{"task_target": "report.target"}"#;

fn healthy() -> Value {
    json!({"server_serial": "SRV-1", "probed_at": "2025-11-05T11:57:00.000Z", "age_seconds": 0,
        "bmc_address": "https://10.0.0.7", "took_ms": 812, "reachable": true,
        "tls": {"policy": "pin", "accepted": true, "sha256": "ab", "key_sha256": "cd",
            "not_after": 1, "expires_in_days": 300},
        "login": {"state": "accepted", "refused": 0}, "clock_ahead_seconds": -75,
        "machine": {"seen": {"vendor": "HPE", "model": "DL385", "serial": "S1", "sku": null},
            "bmc_model": "iLO 5", "serial_is": "serial_number", "recorded": "same",
            "expected": null, "power": "turning_on", "other_systems": []},
        "profile": {"name": "ilo5", "vendor": "hpe", "because": "the manager is an iLO 5"},
        "slots": [
            {"id": "1", "media_types": ["Floppy", "USBStick"], "image": null, "chosen": null,
                "because": "takes no CD"},
            {"id": "2", "media_types": ["CD", "DVD"], "image": "https://old/x\u{1b}[2J.iso",
                "chosen": "boot", "because": "the first that takes a bootable CD"}],
        "media_plan": {"class": "single_combined", "boot_slot": "2", "task_slot": null,
            "boot_scheme": "https", "task_scheme": null, "prefetches": false,
            "notes": ["one slot only"]},
        "boot": {"strategy": "boot_once_cd", "target": "Cd", "mode": "UEFI"},
        "licence_hint": null, "problems": [], "warnings": ["the clock is behind"]})
}

fn broken() -> Value {
    json!({"server_serial": "SRV-1", "probed_at": "2025-11-05T11:57:00.000Z", "age_seconds": 180,
        "bmc_address": "https://10.0.0.7", "took_ms": 30_000, "reachable": false,
        "tls": {"policy": "pin", "accepted": null}, "login": {"state": "not_tried", "refused": 1},
        "machine": null, "profile": null, "slots": [], "media_plan": null, "boot": null,
        "problems": [{"code": "unreachable", "message": "the BMC did not answer",
            "next_step": "check the BMC's network", "seen": ["connect: timed out"]}],
        "warnings": []})
}

#[test]
fn a_probe_is_a_page_with_every_slot_and_what_to_do() {
    let stand_in = StandIn::new([(
        "POST /api/v1/servers/SRV-1/probe",
        vec![Reply::json(200, &healthy()), Reply::json(200, &broken())],
    )]);
    let shell = Shell::at(&stand_in);

    let shown =
        shell.run("servers probe SRV-1").shown() + &shell.run("servers probe SRV-1").shown();
    let json = shell.run("servers probe SRV-1 --output json");

    insta::assert_snapshot!(shown);
    assert_eq!(json.exit, Exit::NotSucceeded);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap(), broken());
}

#[test]
fn a_busy_bmc_is_told_and_the_probe_is_sent_once() {
    let busy = Reply::refusal(503, "unavailable", "a job is working on this BMC");
    let stand_in = StandIn::new([("POST /api/v1/servers/SRV-1/probe", vec![busy])]);

    let ran = Shell::at(&stand_in).run("servers probe SRV-1");

    assert_eq!((ran.exit, stand_in.requests().len()), (Exit::Unreachable, 1));
    assert!(ran.err.contains("a job is working on this BMC"), "{}", ran.err);
}

#[test]
fn servers_are_shown_with_their_newest_probe_and_its_age() {
    let server = |serial: &str, probe: Value| {
        json!({"serial": serial, "bmc_address": "https://10.0.0.7", "has_credentials": true,
            "tls": {"policy": "insecure", "reason": "lab"}, "labels": {}, "quarantine": null,
            "residue": ["CD1"], "refused_logins": 2,
            "logins_stopped_at": "2025-11-05T11:58:00.000Z", "last_probe": probe})
    };
    let (one, two) = (server("SRV-1", broken()), server("SRV-2", Value::Null));
    let page = json!({"servers": [one, two, server("SRV-3", Value::Null)],
        "next": null});
    let stand_in = StandIn::new([
        ("GET /api/v1/servers", vec![Reply::json(200, &page)]),
        ("GET /api/v1/servers/SRV-1", vec![Reply::json(200, &one)]),
        ("GET /api/v1/servers/SRV-2", vec![Reply::json(200, &two)]),
    ]);
    let shell = Shell::at(&stand_in);

    let shown =
        shell.run("servers list --probes").shown() + &shell.run("servers show SRV-1").shown();

    insta::assert_snapshot!(shown);
}

#[test]
fn logins_are_let_through_again() {
    let answer =
        |cleared: bool| Reply::json(200, &json!({"server_serial": "SRV-1", "cleared": cleared}));
    let stand_in = StandIn::new([(
        "POST /api/v1/servers/SRV-1/retry-login",
        vec![answer(true), answer(false)],
    )]);
    let shell = Shell::at(&stand_in);

    assert_eq!(
        shell.run("servers retry-login SRV-1").out,
        "logins at the BMC of SRV-1 are tried again\n"
    );
    assert_eq!(
        shell.run("servers retry-login SRV-1").out,
        "no login at the BMC of SRV-1 had been refused\n"
    );
}

#[test]
fn a_dry_run_can_look_at_the_bmc_and_fails_when_the_job_would() {
    let plan = json!({"dry_run": true, "server_serial": "SRV-1", "plan": {"workflow": "linux"},
        "budgets": {}, "media_plan": healthy()["media_plan"], "probe_age_seconds": 65,
        "problems": broken()["problems"], "notes": [], "warnings": []});
    let stand_in = StandIn::new([("POST /api/v1/jobs", vec![Reply::json(200, &plan)])]);
    let shell = Shell { stdin: RECIPE.to_owned(), ..Shell::at(&stand_in) };

    let ran = shell.run("jobs create -f - --server SRV-1 --dry-run --probe live");

    insta::assert_snapshot!(ran.shown());
    assert_eq!(stand_in.lines(), ["POST /api/v1/jobs?dry_run=true&probe=live"]);
    let without = shell.run("jobs create -f - --server SRV-1 --probe live");
    assert_eq!((without.exit, stand_in.requests().len()), (Exit::Usage, 1));
}

#[test]
fn a_bmc_is_looked_at_before_a_server_is_registered_with_it() {
    let mut strange = healthy();
    strange.as_object_mut().unwrap().remove("server_serial");
    strange["machine"]["recorded"] = json!("unknown");
    strange["tls"]["subject"] = json!("CN=ilo");
    strange["tls"]["issuer"] = json!("CN=ilo");
    let stand_in = StandIn::new([("POST /api/v1/bmc/examine", vec![Reply::json(200, &strange)])]);
    let mut shell = Shell::at(&stand_in);
    let pin = "ab".repeat(32);
    let doctor = format!("bmc doctor --bmc https://10.0.0.7 --pin {pin} --user root");

    let shown = shell.run("bmc doctor --bmc https://10.0.0.7").shown();
    shell.set("BMC_PASSWORD", PASSWORD);
    let known = shell.run(&doctor);

    insta::assert_snapshot!(shown);
    assert_eq!(known.exit, Exit::Done, "{}", known.err);
    let sent: Vec<Value> = stand_in.requests().iter().map(Request::json).collect();
    assert_eq!(sent[0], json!({"bmc_address": "https://10.0.0.7"}));
    let expected = json!({"bmc_address": "https://10.0.0.7",
        "tls": {"policy": "pin", "sha256": pin},
        "credentials": {"user": "root", "password": PASSWORD}});
    assert_eq!(sent[1], expected);
    let alone = shell.run("bmc doctor --bmc https://10.0.0.7 --password-file x");
    assert_eq!(alone.exit, Exit::Usage);
}

#[test]
fn what_is_known_of_kinds_and_what_was_said_to_a_bmc_are_tables() {
    let kinds = json!({"kinds": [{"kind": "ami/x/1.2", "learned_at": "2025-11-05T11:57:00.000Z",
        "forms": {"kind": "ami/x/1.2", "profile": "aa", "etag": "any", "full_boot": true,
            "eject": null, "no_expand": false,
            "payload": {"inserted": false, "protocol": true, "write_protected": true}}}]});
    let exchange = json!({"number": 7, "op": "mount.task", "method": "POST",
        "path": "/redfish/v1/Managers/1/VirtualMedia/2/Actions/VirtualMedia.InsertMedia",
        "sent": "{\"Image\":\"https://10.0.0.5/.../task.iso\"}", "status": 400,
        "received": "bad\u{1b}[2J", "duration_ms": 31});
    let told = json!({"job_id": JOB, "transcripts": [{"attempt": 1, "step": "redfish.mount.task",
        "at": "2025-11-05T11:57:00.000Z", "fault": "the BMC rejected the image",
        "exchanges": [exchange]}]});
    let stand_in = StandIn::new([
        ("GET /api/v1/bmc/learned", vec![Reply::json(200, &kinds)]),
        (
            "DELETE /api/v1/bmc/learned",
            [true, false].map(|it| Reply::json(200, &json!({"forgotten": it}))).into(),
        ),
        (
            "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/transcripts",
            vec![Reply::json(200, &told)],
        ),
    ]);
    let shell = Shell::at(&stand_in);

    let forgotten = shell.run("bmc learned --forget ami/x/1.2");
    assert!(
        forgotten.shown().contains("forgot what was known of ami/x/1.2"),
        "{}",
        forgotten.shown()
    );
    let unknown = shell.run("bmc learned --forget ami/y/1.2");
    assert!(unknown.shown().contains("nothing was known of ami/y/1.2"), "{}", unknown.shown());
    let shown =
        shell.run("bmc learned").shown() + &shell.run(&format!("jobs transcript {JOB}")).shown();

    insta::assert_snapshot!(shown);
}
