//! Every exit code, and what is said with it.

use std::net::TcpListener;

use serde_json::json;
use shoal::Exit;

use crate::shell::{JOB, Shell};
use crate::stand_in::{Reply, StandIn};

#[test]
fn refusals_of_the_controller_have_their_exit_codes() {
    for (status, exit) in [
        (400, Exit::Refused),
        (401, Exit::Denied),
        (403, Exit::Denied),
        (404, Exit::NotFound),
        (409, Exit::Conflict),
        (413, Exit::Refused),
        (415, Exit::Refused),
        (422, Exit::Refused),
        (500, Exit::Internal),
        (503, Exit::Unreachable),
    ] {
        let refusal = Reply::refusal(status, "some.code", "this is why");
        let stand_in = StandIn::new([(
            "POST /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/cancel",
            vec![refusal],
        )]);

        let ran = Shell::at(&stand_in).run(&format!("jobs cancel {JOB}"));

        assert_eq!(ran.exit, exit, "{status}");
        assert!(ran.err.contains("this is why (some.code)"), "{}", ran.err);
        assert_eq!(stand_in.requests().len(), 1, "a call that changes something is sent once");
    }
}

#[test]
fn the_numbers_are_those_of_the_contract() {
    let numbers = Exit::ALL.map(Exit::code);

    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 70]);
}

#[test]
fn details_of_a_refusal_are_told_with_their_pointers() {
    let body = json!({"error": "validation_error", "message": "the request has 2 problems, see details",
        "details": [
            {"path": "/recipe/oci_url", "code": "bad_reference", "message": "cannot be read"},
            {"path": "/priority", "code": "out_of_range", "message": "must be from -100 to 100"}]});
    let stand_in = StandIn::new([("GET /api/v1/jobs", vec![Reply::json(400, &body)])]);

    insta::assert_snapshot!(Shell::at(&stand_in).run("jobs list").shown());
}

#[test]
fn reads_are_repeated_a_few_times_and_then_given_up() {
    let down =
        || Reply::refusal(503, "unavailable", "about to stop").with_header("retry-after", "0");
    let empty = Reply::json(200, &json!({"jobs": [], "next": null}));
    let recovering = StandIn::new([("GET /api/v1/jobs", vec![down(), Reply::lost(), empty])]);
    let broken = StandIn::new([("GET /api/v1/jobs", vec![down()])]);

    let recovered = Shell::at(&recovering).run("jobs list");
    let given_up = Shell::at(&broken).run("jobs list");

    assert_eq!((recovered.exit, recovering.requests().len()), (Exit::Done, 3));
    assert_eq!((given_up.exit, broken.requests().len()), (Exit::Unreachable, 3));
}

#[test]
fn a_lost_answer_to_a_change_says_that_it_may_have_happened_and_how_to_repeat_it() {
    let stand_in = StandIn::new([("POST /api/v1/jobs", vec![Reply::lost()])]);
    let recipe = r#"{"task_target": "report.target"}"#;
    let shell = Shell { stdin: recipe.to_owned(), ..Shell::at(&stand_in) };

    let ran = shell.run("jobs create -f - --server SRV-1 --idempotency-key k-1");

    assert_eq!((ran.exit, stand_in.requests().len()), (Exit::Unreachable, 1));
    assert!(ran.err.contains("it may have taken effect"), "{}", ran.err);
    assert!(ran.err.contains("--idempotency-key k-1; it makes no second job"), "{}", ran.err);
}

#[test]
fn a_controller_that_is_not_there_is_unreachable() {
    // The port was free a moment ago and nobody was told of it.
    let address = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();

    let ran = Shell::with_url(&format!("http://{address}")).run("servers list");

    assert_eq!(ran.exit, Exit::Unreachable);
    assert!(ran.err.starts_with("error: failed to reach URL"), "{}", ran.err);
    assert!(ran.err.contains("next step: check the address"), "{}", ran.err);
}

#[test]
fn answers_that_make_no_sense_are_internal_faults() {
    for odd in [
        Reply::text(200, "text/html", "<html>"),
        Reply::json(200, &json!({"jobs": 7})),
        Reply::json(200, &json!({"jobs": [{"job_id": 7}], "next": null})),
        Reply::text(302, "text/html", "").with_header("location", "https://elsewhere.example/"),
    ] {
        let stand_in = StandIn::new([("GET /api/v1/jobs", vec![odd.clone()])]);

        let ran = Shell::at(&stand_in).run("jobs list");

        assert_eq!((ran.exit, stand_in.requests().len()), (Exit::Internal, 1), "{odd:?}");
    }
}

#[test]
fn a_wrong_command_line_is_told_and_help_and_version_are_not_errors() {
    let shell = Shell::bare();

    for wrong in ["jobs", "jobs lst", "jobs show x", "servers remove ..", "--pin ab version"] {
        assert_eq!(shell.run(wrong).exit, Exit::Usage, "{wrong}");
    }
    for asked in ["--help", "jobs create --help", "--version", "version"] {
        let ran = shell.run(asked);
        assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""), "{asked}");
        assert!(!ran.out.is_empty(), "{asked}");
    }
    assert!(shell.run("--help").out.contains("\n   7  no valid credentials"));
}

#[test]
fn without_an_address_the_next_step_is_told() {
    insta::assert_snapshot!(Shell::bare().run("jobs list").shown());
}
