//! What the parser takes and refuses, and that writer and reader agree.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::field::{MESSAGE_MAX, NAME_MAX};

#[test]
fn a_full_failed_report_is_read_field_by_field() {
    let report = parse(&json!({
        "status": "failed", "failed_step": "workflow.partition", "unit": "partition.service",
        "delivery_id": "1.failed.00ff", "job_id": "0198c1de-0000-7000-8000-000000000001",
        "attempt": 2, "message": "no disk matches", "build": "maintenance-2026.11",
        "later_addition": {"x": [1, 2]},
    }))
    .unwrap();

    assert_eq!(
        report.status,
        Status::Failed {
            failed_step: Name::parse("workflow.partition").unwrap(),
            unit: Some(Name::parse("partition.service").unwrap()),
        }
    );
    assert_eq!(report.delivery_id.unwrap().as_str(), "1.failed.00ff");
    assert_eq!(report.job_id.unwrap().as_str(), "0198c1de-0000-7000-8000-000000000001");
    assert_eq!(report.attempt, Some(2));
    assert_eq!(report.message.unwrap().as_str(), "no disk matches");
    assert_eq!(report.build.unwrap().as_str(), "maintenance-2026.11");
}

#[test]
fn null_means_absent() {
    let report = parse(&json!({"status": "success", "message": null, "attempt": null})).unwrap();
    assert_eq!(report, Report::new(Status::Success));
}

#[test]
fn refusals_name_the_field_and_the_reason() {
    let long = "x".repeat(NAME_MAX + 1);
    let cases = [
        (json!([]), "", Code::Type),
        (json!({}), "/status", Code::Required),
        (json!({"status": "done"}), "/status", Code::Unknown),
        (json!({"status": 1}), "/status", Code::Type),
        (json!({"status": "failed"}), "/failed_step", Code::Required),
        (json!({"status": "failed", "failed_step": ""}), "/failed_step", Code::Required),
        (json!({"status": "failed", "failed_step": long}), "/failed_step", Code::TooLong),
        (json!({"status": "failed", "failed_step": "a\u{7}"}), "/failed_step", Code::Characters),
        (json!({"status": "failed", "failed_step": "s", "unit": 3}), "/unit", Code::Type),
        (json!({"status": "progress", "percent": 101}), "/percent", Code::Range),
        (json!({"status": "progress", "percent": -1}), "/percent", Code::Range),
        (json!({"status": "progress", "percent": 12.5}), "/percent", Code::Range),
        (json!({"status": "progress", "percent": "12"}), "/percent", Code::Type),
        (json!({"status": "progress", "bytes": -4}), "/bytes", Code::Range),
        (json!({"status": "success", "delivery_id": "a b"}), "/delivery_id", Code::Characters),
        (
            json!({"status": "success", "delivery_id": "a".repeat(65)}),
            "/delivery_id",
            Code::TooLong,
        ),
        (json!({"status": "success", "job_id": {}}), "/job_id", Code::Type),
        (json!({"status": "success", "attempt": 4_294_967_296_u64}), "/attempt", Code::Range),
        (json!({"status": "success", "message": ["m"]}), "/message", Code::Type),
    ];
    for (body, path, code) in cases {
        let invalid = parse(&body).unwrap_err();
        assert_eq!((invalid.path, invalid.code), (path, code), "for {body}");
    }
}

#[test]
fn a_whole_number_counts_however_it_is_written() {
    for percent in ["40", "40.0", "4e1", "400e-1"] {
        let body = format!(r#"{{"status":"progress","percent":{percent},"bytes":1e9}}"#);
        let report = Report::parse(body.as_bytes()).unwrap();
        let Status::Progress { percent: Some(read), bytes, .. } = report.status else {
            panic!("{percent} was left out");
        };
        assert_eq!((read.value(), bytes), (40, Some(1_000_000_000)), "{percent}");
    }
    for percent in ["40.5", "100.5", "101.0", "-1.0", "1e300", "-1e300"] {
        let body = format!(r#"{{"status":"progress","percent":{percent}}}"#);
        let invalid = Report::parse(body.as_bytes()).unwrap_err();
        assert_eq!((invalid.path, invalid.code), ("/percent", Code::Range), "{percent}");
    }
}

#[test]
fn refusals_do_not_quote_what_was_sent() {
    for body in
        [r#"{"status":"s3cret"}"#, r#"{"status":"failed","failed_step":"s3cret\u0007"}"#, "s3cret"]
    {
        let invalid = Report::parse(body.as_bytes()).unwrap_err();
        assert!(!format!("{invalid} {invalid:?}").contains("s3cret"));
    }
}

#[test]
fn a_body_over_the_limit_is_refused_unread() {
    let mut body = br#"{"status":"success"}"#.to_vec();
    body.resize(REPORT_MAX, b' ');
    assert!(Report::parse(&body).is_ok());
    body.push(b' ');
    assert_eq!(Report::parse(&body).unwrap_err().code, Code::TooLarge);
}

#[test]
fn hostile_nesting_is_refused_not_followed() {
    let body = format!(r#"{{"status":"success","x":{}"#, "[".repeat(20_000));
    assert_eq!(Report::parse(body.as_bytes()).unwrap_err().code, Code::Json);
}

#[test]
fn an_overlong_message_does_not_cost_the_outcome() {
    let body = json!({"status": "success", "message": "m".repeat(20_000)});
    let report = parse(&body).unwrap();
    assert_eq!(report.message.unwrap().as_str().len(), MESSAGE_MAX);
}

#[test]
fn a_delivery_id_is_the_identity_whatever_else_is_said() {
    let first = parse(&json!({"status": "success", "delivery_id": "d1"})).unwrap();
    let again = parse(&json!({"status": "success", "delivery_id": "d1", "message": "m"})).unwrap();
    let other = parse(&json!({"status": "success", "delivery_id": "d2"})).unwrap();
    assert_eq!(first.identity(1), again.identity(1));
    assert_ne!(first.identity(1), other.identity(1));
}

#[test]
fn without_a_delivery_id_attempt_status_and_step_are_the_identity() {
    let failed = |step: &str| parse(&json!({"status": "failed", "failed_step": step})).unwrap();
    let success = parse(&json!({"status": "success", "attempt": 9})).unwrap();
    assert_eq!(failed("a").identity(1), failed("a").identity(1));
    assert_ne!(failed("a").identity(1), failed("b").identity(1));
    assert_ne!(failed("a").identity(1), failed("a").identity(2));
    assert_ne!(failed("a").identity(1), success.identity(1));
    assert_eq!(success.identity(1).as_str(), "content:1:success:");
}

#[test]
fn a_sent_id_cannot_imitate_a_content_identity() {
    let by_id = parse(&json!({"status": "success", "delivery_id": "content"})).unwrap();
    assert!(by_id.identity(1).as_str().starts_with("delivery:"));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        // The answer itself is free; what is proved is that there always is one.
        let _ = Report::parse(&body);
    }

    #[test]
    fn what_is_written_is_read_back(report in reports()) {
        let body = report.to_json();
        prop_assert!(body.len() <= REPORT_MAX);
        prop_assert_eq!(Report::parse(body.as_bytes()), Ok(report));
    }
}

fn parse(body: &Value) -> Result<Report, Invalid> {
    Report::parse(body.to_string().as_bytes())
}

fn names() -> impl Strategy<Value = Name> {
    "[^\\p{Cc}]{1,60}".prop_map(|text| Name::parse(&text).unwrap())
}

fn ids() -> impl Strategy<Value = Id> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|text| Id::parse(&text).unwrap())
}

fn statuses() -> impl Strategy<Value = Status> {
    let percents = (0_u64..=100).prop_map(|value| Percent::new(value).unwrap());
    prop_oneof![
        Just(Status::Success),
        (names(), proptest::option::of(names()))
            .prop_map(|(failed_step, unit)| Status::Failed { failed_step, unit }),
        (
            proptest::option::of(names()),
            proptest::option::of(percents),
            proptest::option::of(any::<u64>())
        )
            .prop_map(|(step, percent, bytes)| Status::Progress { step, percent, bytes }),
    ]
}

fn reports() -> impl Strategy<Value = Report> {
    (
        statuses(),
        proptest::option::of(ids()),
        proptest::option::of(ids()),
        proptest::option::of(any::<u32>()),
        proptest::option::of(".{0,3000}".prop_map(|text| Message::cut(&text))),
        proptest::option::of(names()),
    )
        .prop_map(|(status, delivery_id, job_id, attempt, message, build)| Report {
            status,
            delivery_id,
            job_id,
            attempt,
            message,
            build,
        })
}
