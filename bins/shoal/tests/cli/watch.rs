//! Following jobs: streams are lost, resumed, and end with the job.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{JOB, OTHER_JOB, Shell};
use crate::stand_in::{Reply, Request, StandIn};

const JOB_ROUTE: &str = "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001";
const EVENTS_ROUTE: &str = "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/events";

fn job(id: &str, status: &str, outcome: Option<&str>) -> Reply {
    let phase = if status == "complete" { "complete" } else { "await_report" };
    Reply::json(
        200,
        &json!({"job_id": id, "server_serial": "SRV-1", "status": status, "phase": phase,
            "outcome": outcome}),
    )
}

fn running() -> Reply {
    job(JOB, "provisioning", None)
}

fn complete(outcome: &str) -> Reply {
    job(JOB, "complete", Some(outcome))
}

fn event(id: i64, kind: &str) -> Value {
    json!({"id": id, "job_id": JOB, "at": "2025-11-05T11:00:00.000Z", "kind": kind, "detail": {}})
}

fn resumed_after(stand_in: &StandIn) -> Vec<String> {
    let streams = |request: &Request| request.line.ends_with("/events");
    let requests = stand_in.requests().into_iter().filter(streams);
    requests.map(|request| request.headers["last-event-id"].clone()).collect()
}

#[test]
fn a_stream_that_the_server_closes_is_resumed_after_the_last_event_seen() {
    let stand_in = StandIn::new([
        (JOB_ROUTE, vec![running(), running(), running(), complete("succeeded")]),
        (
            EVENTS_ROUTE,
            vec![
                Reply::events(&[event(1, "claimed"), event(2, "intended")]),
                // What was told before is told again by a careless proxy, then something new.
                Reply::events(&[event(2, "intended"), event(7, "reported")]),
                Reply::empty(204),
            ],
        ),
    ]);

    let ran = Shell::at(&stand_in).run(&format!("jobs watch {JOB}"));

    insta::assert_snapshot!(ran.shown());
    assert_eq!(resumed_after(&stand_in), ["0", "2", "7"]);
}

#[test]
fn a_connection_that_breaks_in_the_middle_loses_no_event() {
    let stand_in = StandIn::new([
        (JOB_ROUTE, vec![running(), complete("succeeded")]),
        (
            EVENTS_ROUTE,
            vec![
                Reply::events(&[event(1, "claimed")]).cut(),
                Reply::lost(),
                Reply::refusal(503, "unavailable", "too many event streams are open"),
                Reply::events(&[event(2, "reported")]),
                Reply::empty(204),
            ],
        ),
    ]);

    let ran = Shell::at(&stand_in).run(&format!("jobs watch {JOB} --output json"));

    let lines: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ran.exit, lines), (Exit::Done, vec![event(1, "claimed"), event(2, "reported")]));
}

#[test]
fn the_exit_code_tells_whether_all_jobs_succeeded() {
    for (outcome, exit) in [
        ("succeeded", Exit::Done),
        ("failed", Exit::NotSucceeded),
        ("cancelled", Exit::NotSucceeded),
    ] {
        let stand_in = StandIn::new([
            (JOB_ROUTE, vec![complete("succeeded")]),
            (EVENTS_ROUTE, vec![Reply::empty(204)]),
            (
                "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000002",
                vec![job(OTHER_JOB, "complete", Some(outcome))],
            ),
            (
                "GET /api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000002/events",
                vec![Reply::empty(204)],
            ),
        ]);

        let ran = Shell::at(&stand_in).run(&format!("jobs watch {OTHER_JOB} {JOB} {JOB}"));

        assert_eq!(ran.exit, exit);
        assert_eq!(
            ran.out,
            format!("job {JOB} on SRV-1 succeeded\njob {OTHER_JOB} on SRV-1 {outcome}\n")
        );
    }
}

#[test]
fn a_held_job_is_mentioned_once_with_how_to_answer() {
    let held = Reply::json(
        200,
        &json!({"job_id": JOB, "server_serial": "SRV-1", "status": "provisioning",
            "phase": "held", "waiting_for": "an operator's decision: the last error needs a person"}),
    );
    let stand_in = StandIn::new([
        (JOB_ROUTE, vec![running(), held.clone(), held, complete("failed")]),
        (EVENTS_ROUTE, vec![Reply::events(&[event(1, "held")]), Reply::empty(204)]),
    ]);

    let ran = Shell::at(&stand_in).run(&format!("jobs watch {JOB}"));

    insta::assert_snapshot!(ran.shown());
}

#[test]
fn on_a_terminal_only_the_end_stays_on_the_screen() {
    let stand_in = StandIn::new([
        (JOB_ROUTE, vec![running(), complete("succeeded")]),
        (EVENTS_ROUTE, vec![Reply::events(&[event(1, "claimed")]), Reply::empty(204)]),
    ]);
    let shell = Shell { terminal: true, ..Shell::at(&stand_in) };

    let ran = shell.run(&format!("jobs watch {JOB}"));

    assert_eq!(ran.out, format!("job {JOB} on SRV-1 \u{1b}[32msucceeded\u{1b}[0m\n"));
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""));
}

#[test]
fn a_stream_that_stays_silent_is_given_up() {
    let stand_in =
        StandIn::new([(JOB_ROUTE, vec![running()]), (EVENTS_ROUTE, vec![Reply::lost()])]);

    let ran = Shell::at(&stand_in).run(&format!("jobs watch {JOB}"));

    insta::assert_snapshot!(ran.shown());
    assert_eq!(resumed_after(&stand_in).len(), 3);
}

#[test]
fn what_is_no_stream_and_a_job_that_is_not_there_end_the_watch() {
    let page = Reply::text(200, "text/html", "<html>");
    let stand_in = StandIn::new([(JOB_ROUTE, vec![running()]), (EVENTS_ROUTE, vec![page])]);
    let shell = Shell::at(&stand_in);

    assert_eq!(shell.run(&format!("jobs watch {JOB}")).exit, Exit::Internal);
    assert_eq!(shell.run(&format!("jobs watch {OTHER_JOB}")).exit, Exit::NotFound);
}
