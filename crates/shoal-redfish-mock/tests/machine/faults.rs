//! Faults strike where and when the script says, and an effect happened exactly when the journal
//! says so.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use shoal_redfish_mock::{Action, Clock, Effect, EffectKind, Ended, Rule, When};

use crate::support::{Rig, Wish, message_id};

/// Sends a reset from a task of its own.
fn reset_in_background(rig: &Arc<Rig>) -> tokio::task::JoinHandle<Result<u16, reqwest::Error>> {
    let rig = Arc::clone(rig);
    tokio::spawn(async move {
        let request = rig.request("POST", &rig.reset_path()).json(&json!({"ResetType": "On"}));
        request.send().await.map(|answer| answer.status().as_u16())
    })
}

fn power_on() -> When {
    When::Intends(EffectKind::PowerOn)
}

#[tokio::test]
async fn a_request_held_before_its_effect_has_none_until_it_is_released() {
    let rig = Arc::new(Rig::of("ilo5").await);
    let hold = rig.mock.faults().add(Rule::once(power_on(), Action::HoldBefore));
    let reset = reset_in_background(&rig);
    hold.reached().await;
    assert!(rig.mock.journal().effects().is_empty());
    assert!(!rig.mock.state().on);
    assert_eq!(rig.mock.journal().entries()[0].ended, Ended::Open);
    hold.release();
    assert_eq!(reset.await.unwrap().unwrap(), 200);
    assert_eq!(rig.mock.journal().effects(), [Effect::PowerOn]);
    assert_eq!(rig.mock.journal().entries()[0].ended, Ended::Answered(200));
}

#[tokio::test]
async fn a_request_held_after_its_effect_can_lose_its_answer() {
    let rig = Arc::new(Rig::of("ilo5").await);
    let hold = rig.mock.faults().add(Rule::once(power_on(), Action::HoldAfter));
    let reset = reset_in_background(&rig);
    hold.reached().await;
    assert_eq!(rig.mock.journal().effects(), [Effect::PowerOn]);
    assert!(rig.mock.state().on);
    hold.drop_connection();
    assert!(reset.await.unwrap().is_err());
    assert_eq!(rig.mock.journal().entries()[0].ended, Ended::Cut);
}

#[tokio::test]
async fn a_request_dropped_before_its_effect_never_has_one() {
    let rig = Arc::new(Rig::of("ilo5").await);
    let hold = rig.mock.faults().add(Rule::once(power_on(), Action::HoldBefore));
    let reset = reset_in_background(&rig);
    hold.reached().await;
    hold.drop_connection();
    assert!(reset.await.unwrap().is_err());
    assert!(rig.mock.journal().effects().is_empty());
}

#[tokio::test]
async fn a_held_request_is_carried_out_although_its_sender_died() {
    let rig = Arc::new(Rig::of("idrac9-6x").await);
    let hold = rig.mock.faults().add(Rule::once(power_on(), Action::HoldBefore));
    let reset = reset_in_background(&rig);
    hold.reached().await;
    reset.abort();
    assert!(reset.await.unwrap_err().is_cancelled());
    hold.release();
    rig.wait(|event| *event == shoal_redfish_mock::Event::PoweredOn).await;
    assert_eq!(rig.mock.journal().effects(), [Effect::PowerOn]);
}

#[tokio::test]
async fn a_lost_answer_hides_an_effect_and_a_lost_request_has_none() {
    for (action, effects) in
        [(Action::CloseAfter, vec![Effect::PowerOn]), (Action::CloseBefore, vec![])]
    {
        let rig = Rig::of("ilo5").await;
        let fault = rig.mock.faults().add(Rule::once(power_on(), action));
        let request = rig.request("POST", &rig.reset_path()).json(&json!({"ResetType": "On"}));
        assert!(request.send().await.is_err());
        assert_eq!(fault.hits(), 1);
        assert_eq!(rig.mock.journal().effects(), effects);
    }
}

#[tokio::test]
async fn a_status_answers_in_place_of_the_effect() {
    let rig = Rig::of("ilo5").await;
    let busy = Action::Status {
        code: 503,
        message_id: "Base.1.12.ServiceTemporarilyUnavailable".to_owned(),
        retry_after: Some("7".to_owned()),
    };
    rig.mock.faults().add(Rule::nth(When::request("POST", "*/ComputerSystem.Reset"), 1, busy));
    let request = rig.request("POST", &rig.reset_path()).json(&json!({"ResetType": "On"}));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "7");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(message_id(&body), "Base.1.12.ServiceTemporarilyUnavailable");
    assert!(rig.mock.journal().effects().is_empty());
    assert_eq!(rig.reset("On").await.0, 200);
}

#[tokio::test]
async fn bodies_can_be_cut_short_or_be_something_else() {
    let rig = Rig::of("ilo5").await;
    let when = || When::request("GET", rig.system());
    let text = async || {
        let answer = rig.request("GET", &rig.system()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await
    };
    rig.mock.faults().add(Rule::once(when(), Action::Truncate));
    assert!(text().await.is_err());
    rig.mock.faults().add(Rule::once(when(), Action::Html));
    assert!(text().await.unwrap().starts_with("<html>"));
    rig.mock.faults().add(Rule::once(when(), Action::WrongJson));
    assert_eq!(text().await.unwrap(), "[7]");
    rig.mock.faults().add(Rule::once(when(), Action::Huge(3_000_000)));
    let huge = text().await.unwrap();
    assert!(huge.len() >= 3_000_000 - 1 && serde_json::from_str::<Value>(&huge).is_ok());
    assert!(text().await.unwrap().contains("PowerState"));
}

#[tokio::test]
async fn a_slow_body_comes_as_the_clock_allows() {
    let (clock, hand) = Clock::manual();
    let rig = Wish { clock, ..Wish::of("ilo5") }.rig().await;
    let slow = Action::SlowBody { pieces: 4, pause: Duration::from_secs(10) };
    rig.mock.faults().add(Rule::once(When::request("GET", "*"), slow));
    let mut answer = rig.request("GET", &rig.system()).send().await.unwrap();
    let whole = usize::try_from(answer.content_length().unwrap()).unwrap();
    let mut got = 0;
    for _ in 0..4 {
        hand.advance(Duration::from_secs(10));
        got += answer.chunk().await.unwrap().unwrap().len();
    }
    while let Some(rest) = answer.chunk().await.unwrap() {
        got += rest.len();
    }
    assert_eq!(got, whole);
}

#[tokio::test]
async fn a_delay_passes_on_the_clock() {
    let (clock, hand) = Clock::manual();
    let rig = Arc::new(Wish { clock, ..Wish::of("ilo5") }.rig().await);
    let delay = Action::Delay(Duration::from_secs(30));
    let fault = rig.mock.faults().add(Rule::once(power_on(), delay));
    let reset = reset_in_background(&rig);
    fault.hit().await;
    assert!(rig.mock.journal().effects().is_empty());
    hand.advance(Duration::from_secs(30));
    assert_eq!(reset.await.unwrap().unwrap(), 200);
}

#[tokio::test]
async fn cleared_faults_strike_no_more_and_hold_nobody() {
    let rig = Arc::new(Rig::of("ilo5").await);
    let hold = rig.mock.faults().add(Rule::always(power_on(), Action::HoldBefore));
    let reset = reset_in_background(&rig);
    hold.reached().await;
    rig.mock.faults().clear();
    assert_eq!(reset.await.unwrap().unwrap(), 200);
    assert_eq!(rig.reset("ForceRestart").await.0, 200);
}
