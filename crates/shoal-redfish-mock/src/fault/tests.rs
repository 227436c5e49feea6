//! Patterns, counted rules and held requests.

use super::*;

#[test]
fn patterns_match_as_written() {
    assert!(glob("/redfish/*/Reset", "/redfish/v1/Systems/1/Actions/Reset"));
    assert!(glob("*", "/anything"));
    assert!(glob("/a*b*c", "/a-b-c"));
    assert!(!glob("/a*b*c", "/a-c-b"));
    assert!(!glob("/redfish/v1", "/redfish/v1/Systems"));
}

#[test]
fn a_rule_acts_on_the_counted_requests_only() {
    let faults = Faults::default();
    let rule = Rule { when: When::request("GET", "*"), skip: 1, times: 2, action: Action::Html };
    let fault = faults.add(rule);
    let hits: Vec<bool> = (0..5).map(|_| faults.pick("GET", "/x", None).is_some()).collect();
    assert_eq!(hits, [false, true, true, false, false]);
    assert!(faults.pick("POST", "/x", None).is_none());
    assert_eq!(fault.hits(), 2);
}

#[test]
fn the_first_rule_that_acts_decides() {
    let faults = Faults::default();
    let first = faults.add(Rule::once(When::Intends(EffectKind::PowerOn), Action::CloseAfter));
    let second = faults.add(Rule::always(When::request("*", "*"), Action::Html));
    assert!(matches!(
        faults.pick("POST", "/r", Some(EffectKind::PowerOn)),
        Some((Action::CloseAfter, _))
    ));
    assert!(matches!(
        faults.pick("POST", "/r", Some(EffectKind::PowerOn)),
        Some((Action::Html, _))
    ));
    assert_eq!((first.hits(), second.hits()), (1, 1));
}

#[tokio::test]
async fn a_held_request_goes_on_or_is_cut_as_told() {
    let faults = Faults::default();
    faults.add(Rule::times(When::request("GET", "*"), 2, Action::HoldBefore));
    let (_, fault) = faults.pick("GET", "/", None).unwrap();
    for (told, expected) in [(true, Verdict::Go), (false, Verdict::Cut)] {
        let held = tokio::spawn({
            let fault = fault.clone();
            async move { fault.hold().await }
        });
        fault.reached().await;
        assert!(if told { fault.release() } else { fault.drop_connection() });
        assert_eq!(held.await.unwrap(), expected);
    }
    assert!(!fault.release());
}
