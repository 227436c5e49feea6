//! The report unit as systemd meets it: which report is sent, once, and with which exit code.

use serde_json::{Value, json};
use shoal_webhook::Status;

use super::*;
use machine::{Frozen, Machine, NOW, TOKEN, monitor};

mod machine;

const RECORDED: (u16, &str) = (200, r#"{"result":"recorded","message":"the job failed"}"#);
const REFUSED: (u16, &str) = (403, r#"{"error":"forbidden","message":"wrong token"}"#);
const BROKEN: (u16, &str) = (503, "");
const INVALID: (u16, &str) = (400, r#"{"error":"validation_error","message":"no"}"#);

#[test]
fn without_a_failure_the_attempt_is_reported_as_a_success() {
    let machine = Machine::new(vec![RECORDED]);
    assert_eq!(machine.run(&[]), Exit::Done);
    let bodies = machine.bodies();
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0]["status"], "success");
    assert_eq!(bodies[0]["job_id"], "0198c1de-0000-7000-8000-000000000001");
    assert_eq!(bodies[0]["attempt"], 1);
    assert!(bodies[0]["delivery_id"].as_str().unwrap().starts_with("1.success."));
}

#[test]
fn the_dispatchers_failure_file_is_reported() {
    let machine = Machine::new(vec![RECORDED]);
    machine.fails("redfish.plan");
    assert_eq!(machine.run(&[]), Exit::Done);
    let body = &machine.bodies()[0];
    assert_eq!(body["status"], "failed");
    assert_eq!(body["failed_step"], "redfish.plan");
    assert_eq!(body["message"], "exit 14: target_disk is missing");
}

#[test]
fn a_failed_step_unit_is_reported_by_its_key_even_if_the_dispatcher_failed_after_it() {
    let machine = Machine::new(vec![RECORDED]);
    machine.fails("workflow.dispatcher");
    let monitor = monitor("exit-code", Some("3"));
    let args = ["--status", "failed", "--unit", "partition.service"];
    assert_eq!(machine.run_monitored(&args, &monitor), Exit::Done);
    let body = &machine.bodies()[0];
    assert_eq!(body["failed_step"], "workflow.partition");
    assert_eq!(body["unit"], "partition.service");
    assert_eq!(body["message"], "partition.service ended with exit-code 3");
}

#[test]
fn a_failed_dispatcher_unit_is_reported_as_its_failure_file_says() {
    let machine = Machine::new(vec![RECORDED]);
    machine.fails("workflow.dispatcher");
    let args = ["--status", "failed", "--unit", "shoal-dispatcher.service"];
    machine.run(&args);
    let body = &machine.bodies()[0];
    assert_eq!(body["failed_step"], "workflow.dispatcher");
    assert_eq!(body["message"], "exit 14: target_disk is missing");
    assert_eq!(body["unit"], "shoal-dispatcher.service");
}

#[test]
fn an_unknown_failed_unit_is_kept_as_sent() {
    let machine = Machine::new(vec![RECORDED]);
    machine.run(&["--status", "failed", "--unit", "raid@md0.service"]);
    assert_eq!(machine.bodies()[0]["failed_step"], "raid@md0.service");
}

#[test]
fn a_handler_without_flags_reports_the_monitored_units_failure_not_a_success() {
    let machine = Machine::new(vec![RECORDED]);
    let monitor = Monitor { unit: Some("image-linux.service".into()), ..monitor("signal", None) };
    assert_eq!(machine.run_monitored(&[], &monitor), Exit::Done);
    let body = &machine.bodies()[0];
    assert_eq!(
        (&body["status"], &body["failed_step"]),
        (&"failed".into(), &"workflow.image-linux".into())
    );
}

#[test]
fn of_the_handlers_of_one_failure_only_that_of_the_failed_unit_reports() {
    // What systemd starts when the first of three steps fails: a handler for the step, one for
    // each dependent and one for the target.
    let machine = Machine::new(vec![RECORDED]);
    let handler = |unit: &str, monitor: &Monitor| {
        machine.run_monitored(&["--status", "failed", "--unit", unit], monitor)
    };
    assert_eq!(handler("bootloader-linux.service", &monitor("success", None)), Exit::Done);
    assert_eq!(handler("install-linux.target", &Monitor::default()), Exit::Done);
    assert_eq!(handler("partition.service", &monitor("exit-code", Some("1"))), Exit::Done);
    assert_eq!(handler("image-linux.service", &monitor("success", None)), Exit::Done);
    let bodies = machine.bodies();
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0]["failed_step"], "workflow.partition");
}

#[test]
fn a_delivered_report_is_not_sent_again_whatever_the_second_call_says() {
    let machine = Machine::new(vec![RECORDED, RECORDED]);
    assert_eq!(machine.run(&["--status", "success"]), Exit::Done);
    assert_eq!(machine.run(&["--status", "success"]), Exit::Done);
    assert_eq!(
        machine.run(&["--status", "failed", "--failed-step", "workflow.firmware"]),
        Exit::Done
    );
    assert!(machine.log().contains("success has been delivered before"));
    assert_eq!(machine.bodies().len(), 1);
}

#[test]
fn a_report_that_did_not_arrive_is_the_one_a_later_call_sends() {
    let machine = Machine::new(vec![BROKEN, RECORDED]);
    let failed = ["--once", "--status", "failed", "--failed-step", "workflow.partition"];
    assert_eq!(machine.run(&failed), Exit::NotDelivered);
    assert_eq!(machine.run(&["--once", "--status", "success"]), Exit::Done);
    let bodies = machine.bodies();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[1]["status"], "failed");
}

#[test]
fn while_one_call_is_sending_another_does_nothing() {
    let machine = Machine::new(vec![RECORDED]);
    let report = Report { attempt: Some(1), ..Report::new(Status::Success) };
    let held = Claim::take(&machine.dir(), report).unwrap();
    assert!(matches!(held, Claim::Held { .. }));
    assert_eq!(machine.run(&["--status", "success"]), Exit::Done);
    assert!(machine.log().contains("another call is reporting"));
    assert!(machine.bodies().is_empty());
}

#[test]
fn a_record_cut_by_a_kill_or_of_another_attempt_does_not_stop_the_report() {
    for rest in ["{\"status\":\"succ", "{\"status\":\"success\",\"attempt\":7}\nrecorded\n"] {
        let machine = Machine::new(vec![RECORDED]);
        std::fs::write(machine.dir().join("reported"), rest).unwrap();
        assert_eq!(machine.run(&["--status", "success"]), Exit::Done);
        assert_eq!(machine.run(&["--status", "success"]), Exit::Done);
        assert_eq!(machine.bodies().len(), 1);
    }
}

#[test]
fn without_a_usable_record_the_report_is_sent_all_the_same() {
    let machine = Machine::new(vec![RECORDED]);
    std::fs::create_dir(machine.dir().join("reported")).unwrap();
    assert_eq!(machine.run(&["--status", "success"]), Exit::Done);
    assert!(machine.log().contains("reporting without a record"));
    assert_eq!(machine.bodies().len(), 1);
}

#[test]
fn a_refused_token_is_retried_until_it_is_accepted() {
    let machine = Machine::new(vec![REFUSED, REFUSED, BROKEN, RECORDED]);
    assert_eq!(machine.run(&[]), Exit::Done);
    let bodies = machine.bodies();
    assert_eq!(bodies.len(), 4);
    assert!(bodies.iter().all(|body| body == &bodies[0]));
}

#[test]
fn an_unreachable_controller_is_given_up_at_report_until() {
    let machine = Machine::new(vec![]);
    machine.order(&json!({"report_until": NOW + 3_600}));
    let mut pace = Frozen::default();
    assert_eq!(machine.run_paced(&[], &Monitor::default(), &mut pace), Exit::NotDelivered);
    assert_eq!(pace.passed, Duration::from_hours(1));
}

#[test]
fn a_clock_ahead_of_report_until_still_gets_ten_minutes_of_tries() {
    let machine = Machine::new(vec![]);
    machine.order(&json!({"report_until": 1}));
    let mut pace = Frozen::default();
    assert_eq!(machine.run_paced(&[], &Monitor::default(), &mut pace), Exit::NotDelivered);
    assert_eq!(pace.passed, SHORTEST_PATIENCE);
}

#[test]
fn a_report_refused_for_good_is_not_repeated() {
    let machine = Machine::new(vec![INVALID, RECORDED]);
    assert_eq!(machine.run(&[]), Exit::Refused);
    assert_eq!(machine.bodies().len(), 1);
}

#[test]
fn progress_is_tried_once_and_never_fails_the_caller() {
    let machine = Machine::new(vec![BROKEN, RECORDED]);
    let at = |percent| {
        machine.run(&["--status", "progress", "--step", "image-linux", "--percent", percent])
    };
    assert_eq!((at("10"), at("20")), (Exit::Done, Exit::Done));
    assert!(machine.log().contains("progress not delivered"));
    assert!(!machine.dir().join("reported").exists());
    let bodies = machine.bodies();
    assert_eq!((&bodies[0]["percent"], &bodies[1]["percent"]), (&10.into(), &20.into()));
    assert_ne!(bodies[0]["delivery_id"], bodies[1]["delivery_id"]);
}

#[test]
fn delivery_ids_depend_on_job_attempt_status_and_step_alone() {
    let id = |order: Value, args: &[&str]| {
        let machine = Machine::new(vec![RECORDED]);
        machine.order(&order);
        assert_eq!(machine.run(args), Exit::Done);
        machine.bodies()[0]["delivery_id"].as_str().unwrap().to_owned()
    };
    let failed = ["--status", "failed", "--failed-step", "workflow.partition"];
    let base = id(json!({}), &failed);
    assert_eq!(base, id(json!({}), &[&failed[..], &["--message", "other words"]].concat()));
    assert_ne!(base, id(json!({"attempt": 2}), &failed));
    assert_ne!(base, id(json!({"job_id": "other"}), &failed));
    assert_ne!(base, id(json!({}), &["--status", "failed", "--failed-step", "s"]));
    assert_ne!(base, id(json!({}), &["--status", "success"]));
}

#[test]
fn a_missing_or_broken_file_is_named_and_its_contents_are_not() {
    for (file, contents) in [
        ("report.json", None),
        ("report.json", Some("s3cret")),
        ("webhook-token", None),
        ("webhook-token", Some("s3cret two words")),
        ("failure.json", Some("{\"failed_step\": s3cret}")),
    ] {
        let machine = Machine::new(vec![RECORDED]);
        let path = machine.dir().join(file);
        match contents {
            None => std::fs::remove_file(path).unwrap(),
            Some(contents) => std::fs::write(path, contents).unwrap(),
        }
        assert_eq!(machine.run(&[]), Exit::Config, "{file} {contents:?}");
        let log = machine.log();
        assert!(log.contains(file) && !log.contains("s3cret"), "{log}");
        assert!(machine.bodies().is_empty());
    }
}

#[test]
fn https_without_a_bundle_is_refused_before_anything_is_sent() {
    let machine = Machine::new(vec![]);
    machine.order(&json!({"webhook_url": "https://127.0.0.1:1/x"}));
    std::fs::remove_file(machine.dir().join("ca.pem")).unwrap();
    assert_eq!(machine.run(&[]), Exit::Config);
}

#[test]
fn a_failure_file_without_a_usable_step_is_an_invalid_file() {
    let machine = Machine::new(vec![RECORDED]);
    machine.fails("two\nlines");
    assert_eq!(machine.run(&[]), Exit::Config);
    assert!(machine.bodies().is_empty());
}

#[test]
fn a_failed_report_that_names_nothing_is_a_usage_error() {
    let machine = Machine::new(vec![RECORDED]);
    assert_eq!(machine.run(&["--status", "failed"]), Exit::Usage);
    assert!(machine.bodies().is_empty());
}

#[test]
fn the_token_is_sent_and_never_logged() {
    let machine = Machine::new(vec![REFUSED, BROKEN, RECORDED]);
    machine.run(&[]);
    assert!(machine.log().contains("wrong token"));
    assert!(!machine.log().contains(TOKEN));
    let reported = std::fs::read_to_string(machine.dir().join("reported")).unwrap();
    assert!(!reported.contains(TOKEN));
    assert!(machine.requests().iter().all(|request| request.contains(TOKEN)));
}

#[test]
fn every_flag_and_exit_code_is_in_the_help() {
    for word in ["--root", "--status", "--failed-step", "--unit", "--step", "--percent"]
        .into_iter()
        .chain(["--bytes", "--message", "--once", "64 usage", "\n65 ", "69 ", "\n78 "])
    {
        assert!(HELP.contains(word), "{word}");
    }
}
