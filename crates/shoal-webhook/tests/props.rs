//! Bodies and headers by the thousand that are nearly reports, nearly traces, nearly tokens.

use proptest::prelude::*;
use serde_json::{Value, json};
use shoal_webhook::{NAME_MAX, Report, Status, Token, TraceParent, step_for_unit};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_body_of_the_right_names_is_a_report_or_refused_with_its_place(body in body()) {
        let text = body.to_string();
        match Report::parse(text.as_bytes()) {
            Ok(report) => {
                let steps = [report.status.step(), report.build.as_ref()];
                for name in steps.into_iter().flatten() {
                    prop_assert!((1..=NAME_MAX).contains(&name.as_str().len()));
                    prop_assert!(!name.as_str().contains(char::is_control));
                }
                let identity = report.identity(u32::MAX).to_string();
                prop_assert!(identity.len() <= 300 && !identity.contains(char::is_control));
                prop_assert_eq!(Report::parse(report.to_json().as_bytes()), Ok(report));
            }
            Err(invalid) => {
                let there = body.pointer(invalid.path).is_some();
                let missing = invalid.path == "/status" || invalid.path == "/failed_step";
                prop_assert!(there || missing, "{} in {}", invalid.path, text);
            }
        }
    }

    #[test]
    fn only_a_failed_report_without_a_step_misses_one(step in prop_oneof![Just(None), name().prop_map(Some)]) {
        let body = json!({"status": "failed", "failed_step": step});
        let parsed = Report::parse(body.to_string().as_bytes());
        match step {
            None => prop_assert_eq!(parsed.unwrap_err().path, "/failed_step"),
            Some(step) => {
                let good = !step.is_empty() && step.len() <= NAME_MAX && !step.contains(char::is_control);
                let kept = parsed.ok().and_then(|report| match report.status {
                    Status::Failed { failed_step, .. } => Some(failed_step.as_str().to_owned()),
                    Status::Success | Status::Progress { .. } => None,
                });
                prop_assert_eq!(kept, good.then_some(step));
            }
        }
    }

    #[test]
    fn a_trace_is_taken_exactly_when_the_recommendation_allows_it(
        text in "0[0-1]-[0-9a-f]{31,33}-[0-9a-fA-F]{15,17}-[0-9a-f]{1,3}(-x|\r\n)?|00-0{32}-0{15}[01]-00|\\PC{0,60}",
    ) {
        // Read from the right, where the parser reads from the left.
        let lower = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        let parts: Vec<&str> = text.rsplit('-').collect();
        let allowed = matches!(parts.as_slice(), [flags, span, trace, "00"]
            if (flags.len(), span.len(), trace.len()) == (2, 16, 32)
                && [flags, span, trace].iter().all(|part| lower(part))
                && !span.trim_matches('0').is_empty() && !trace.trim_matches('0').is_empty());
        prop_assert_eq!(TraceParent::parse(&text).is_some(), allowed, "{}", text);
    }

    #[test]
    fn a_token_matches_itself_alone(text in "[ -~\\n]{0,40}|\\PC{0,20}", other in "[!-~]{1,40}") {
        if let Ok(token) = Token::parse(&text) {
            prop_assert!(token.matches(text.trim_ascii().as_bytes()));
            prop_assert_eq!(token.matches(other.as_bytes()), other == text.trim_ascii());
            let (shown, secret) = (format!("{token:?}"), text.trim_ascii());
            prop_assert!(secret.len() < 4 || !shown.contains(secret));
        }
    }

    #[test]
    fn any_unit_is_a_step_of_the_taxonomy_or_none(unit in "(partition|image-linux|firmware|x)(\\.service|\\.mount)?|\\PC{0,30}") {
        if let Some(step) = step_for_unit(&unit) {
            let stem = unit.strip_suffix(".service").unwrap_or(&unit).trim_start_matches("shoal-");
            prop_assert_eq!(step, format!("workflow.{stem}"));
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.-]{0,20}", "\\PC{0,40}", any::<String>(), "x{250,260}"]
}

fn body() -> impl Strategy<Value = Value> {
    let status = prop_oneof![
        3 => proptest::sample::select(vec!["success", "failed", "progress"]).prop_map(Value::from),
        1 => value(),
    ];
    let member = proptest::sample::select(vec![
        "failed_step",
        "unit",
        "step",
        "percent",
        "bytes",
        "delivery_id",
        "job_id",
        "attempt",
        "message",
        "build",
        "later",
    ]);
    let members = proptest::collection::btree_map(member.prop_map(str::to_owned), value(), 0..8);
    (status, members).prop_map(|(status, mut members)| {
        members.insert("status".to_owned(), status);
        json!(members)
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        name().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..120_u64).prop_map(Value::from),
        Just(Value::Null),
        Just(json!([1])),
        Just(json!({"a": 1})),
    ]
}
