//! How a report travels: over real sockets, through lost answers, refusals and slow servers, with
//! a clock that only moves when the client pauses.

#![expect(clippy::unwrap_used, reason = "a failed set-up step is a failed test")]

use std::time::{Duration, SystemTime};

use shoal_webhook::client::{BadTarget, LONGEST_PAUSE, Pace, PostError, Poster, Target};
use shoal_webhook::{Answer, Effect, Id, Name, Report, Status, Token, TraceParent};

use support::{Act, Server};

mod support;

const TOKEN: &str = "tok-3f9a-SECRET";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_report_carries_token_trace_and_body() {
    let server = Server::plain(vec![Act::result("recorded")]);
    let answer = poster(&server).post(&failed()).unwrap();
    assert_eq!(answer, Answer::new(Effect::Recorded, ""));

    let seen = server.seen();
    let head = seen[0].head.to_ascii_lowercase();
    assert!(head.starts_with("post /api/v1/status-webhook/sn-1 http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-webhook-secret: {}\r\n", TOKEN.to_ascii_lowercase())));
    assert!(head.contains(&format!("traceparent: {PARENT}\r\n")));
    assert!(head.contains("content-type: application/json\r\n"));
    assert_eq!(Report::parse(seen[0].body.as_bytes()).unwrap(), failed());
}

#[test]
fn duplicate_and_ignored_count_as_delivered() {
    for (word, effect) in [("duplicate", Effect::Duplicate), ("ignored", Effect::Ignored)] {
        let server = Server::plain(vec![Act::result(word)]);
        assert_eq!(poster(&server).post(&failed()).unwrap().result, effect);
    }
}

#[test]
fn every_passing_failure_is_retried_with_the_same_bytes() {
    let script = vec![
        Act::Lose,
        Act::status(500),
        Act::status(401),
        Act::status(403),
        Act::status(404),
        Act::status(409),
        Act::status(429),
        Act::Answer(200, "", "<html>not ours</html>".into()),
        Act::Answer(302, "Location: http://127.0.0.1:1/elsewhere\r\n", String::new()),
        Act::result("duplicate"),
    ];
    let tries = script.len();
    let server = Server::plain(script);
    let mut pace = Frozen::new(u16::MAX);

    let answer = poster(&server).post_until(&failed(), pace.after(3600), &mut pace).unwrap();

    assert_eq!(answer.result, Effect::Duplicate);
    let seen = server.seen();
    assert_eq!(seen.len(), tries);
    assert!(seen.iter().all(|request| *request == seen[0]), "a try differed from the first");
    assert!(seen[0].body.contains(r#""delivery_id":"1.failed.00ff""#));
}

#[test]
fn pauses_double_up_to_one_minute() {
    let server = Server::plain(vec![Act::status(503); 9]);
    let mut pace = Frozen::new(u16::MAX);
    let deadline = pace.after(1 + 2 + 4 + 8 + 16 + 32 + 60 + 60);

    let error = poster(&server).post_until(&failed(), deadline, &mut pace).unwrap_err();

    assert!(matches!(error, PostError::Refused { status: 503, .. }), "{error}");
    assert_eq!(pace.seconds(), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    assert_eq!(server.seen().len(), 9);
}

#[test]
fn pauses_are_spread_down_to_half() {
    let server = Server::plain(vec![Act::status(503); 4]);
    let mut pace = Frozen::new(0);
    let deadline = pace.after(3) + Duration::from_millis(500);
    poster(&server).post_until(&failed(), deadline, &mut pace).unwrap_err();
    assert_eq!(pace.seconds(), [0.5, 1.0, 2.0]);
}

#[test]
fn retry_after_is_heeded_but_not_beyond_a_minute() {
    let server = Server::plain(vec![
        Act::Answer(429, "Retry-After: 17\r\n", String::new()),
        Act::Answer(503, "Retry-After: 86400\r\n", String::new()),
        Act::Answer(503, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", String::new()),
        Act::result("recorded"),
    ]);
    let mut pace = Frozen::new(u16::MAX);
    poster(&server).post_until(&failed(), pace.after(3600), &mut pace).unwrap();
    assert_eq!(pace.seconds(), [17.0, 60.0, 4.0]);
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn the_last_try_is_made_at_the_deadline_and_none_after() {
    let server = Server::plain(vec![Act::Lose, Act::Lose, Act::Lose, Act::result("recorded")]);
    let mut pace = Frozen::new(u16::MAX);
    let deadline = pace.after(2);
    let error = poster(&server).post_until(&failed(), deadline, &mut pace).unwrap_err();
    assert!(matches!(error, PostError::Unanswered(_)), "{error}");
    assert_eq!(pace.seconds(), [1.0, 1.0]);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_deadline_in_the_past_still_gets_one_try() {
    let server = Server::plain(vec![Act::result("recorded")]);
    let mut pace = Frozen::new(0);
    let answer = poster(&server).post_until(&failed(), SystemTime::UNIX_EPOCH, &mut pace);
    assert_eq!(answer.unwrap().result, Effect::Recorded);
}

#[test]
fn a_report_refused_for_what_it_is_is_not_repeated() {
    let body = r#"{"error":"validation_error","message":"failed_step is required"}"#;
    let server = Server::plain(vec![Act::Answer(400, "", body.into()), Act::result("recorded")]);
    let mut pace = Frozen::new(0);
    let error = poster(&server).post_until(&failed(), pace.after(3600), &mut pace).unwrap_err();
    assert!(error.is_final());
    assert_eq!(
        error.to_string(),
        "report was refused with status 400: validation_error failed_step is required"
    );
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_server_that_never_answers_ends_with_the_timeout() {
    // A second try would be answered.
    let server = Server::plain(vec![Act::Stall, Act::result("recorded")]);
    let target = Target { timeout: Duration::from_millis(100), ..target(server.url("http")) };
    let error = Poster::new(target).unwrap().post(&failed()).unwrap_err();
    assert!(matches!(error, PostError::Unanswered(_)));
    assert!(chain(&error).contains("timeout"), "{}", chain(&error));
    // The time may have run out before the server had the whole of the first one.
    assert!(server.seen().len() <= 1);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::plain(vec![Act::result("recorded")]);
    let location = format!("Location: {}\r\n", elsewhere.url("http"));
    let server = Server::plain(vec![Act::Answer(307, location.leak(), String::new())]);
    let error = poster(&server).post(&failed()).unwrap_err();
    assert!(matches!(error, PostError::Refused { status: 307, .. }), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn a_server_of_the_current_or_the_next_authority_is_trusted() {
    let (current, next) = (authority(), authority());
    let bundle = format!("{}{}", current.pem(), next.pem());
    for issuer in [&current, &next] {
        let server = Server::tls(vec![Act::result("recorded")], leaf(issuer));
        let target = Target { ca_pem: bundle.clone().into(), ..target(server.url("https")) };
        let answer = Poster::new(target).unwrap().post(&failed()).unwrap();
        assert_eq!(answer.result, Effect::Recorded);
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn a_server_of_another_authority_gets_no_token() {
    let server = Server::tls(vec![Act::result("recorded")], leaf(&authority()));
    let target = Target { ca_pem: authority().pem().into(), ..target(server.url("https")) };
    let error = Poster::new(target).unwrap().post(&failed()).unwrap_err();
    assert!(!error.is_final());
    assert!(chain(&error).contains("invalid peer certificate"), "{}", chain(&error));
    assert!(server.seen().is_empty());
}

#[test]
fn a_target_that_cannot_work_is_refused_before_anything_is_sent() {
    let refusal = |url: &str, ca: &str| {
        Poster::new(Target { ca_pem: ca.into(), ..target(url.to_owned()) }).unwrap_err()
    };
    for url in ["", "/path", "ftp://c/x", "https://user:pw@c/x", "c:443"] {
        assert_eq!(refusal(url, &authority().pem()), BadTarget::Url, "{url}");
    }
    assert_eq!(refusal("https://c/x", ""), BadTarget::NoAuthority);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(refusal("https://c/x", broken), BadTarget::Bundle);
}

#[test]
fn no_text_of_the_client_shows_the_token() {
    let echo = format!(r#"{{"error":"forbidden","message":"got {TOKEN}"}}"#);
    let server = Server::plain(vec![Act::Answer(403, "", echo)]);
    let target = target(server.url("http"));
    let shown_target = format!("{target:?}");
    let poster = Poster::new(target).unwrap();
    let error = poster.post(&failed()).unwrap_err();
    let texts = format!("{shown_target} {poster:?} {error:?} {}", chain(&error));
    assert!(texts.contains("forbidden"));
    assert!(!texts.contains(TOKEN), "{texts}");
    assert!(server.seen()[0].head.contains(TOKEN));
}

/// A wall clock that moves only by the pauses made.
struct Frozen {
    now: SystemTime,
    spread: u16,
    pauses: Vec<Duration>,
}

impl Frozen {
    fn new(spread: u16) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        Self { now, spread, pauses: Vec::new() }
    }

    fn after(&self, seconds: u64) -> SystemTime {
        self.now + Duration::from_secs(seconds)
    }

    fn seconds(&self) -> Vec<f64> {
        self.pauses.iter().map(Duration::as_secs_f64).collect()
    }
}

impl Pace for Frozen {
    fn now(&self) -> SystemTime {
        self.now
    }

    fn spread(&mut self) -> u16 {
        self.spread
    }

    fn pause(&mut self, pause: Duration, _error: &PostError) {
        assert!(pause <= LONGEST_PAUSE);
        self.now += pause;
        self.pauses.push(pause);
    }
}

fn failed() -> Report {
    let failed_step = Name::parse("workflow.partition").unwrap();
    Report {
        delivery_id: Some(Id::parse("1.failed.00ff").unwrap()),
        attempt: Some(1),
        ..Report::new(Status::Failed { failed_step, unit: None })
    }
}

fn target(url: String) -> Target {
    Target {
        url,
        token: Token::parse(TOKEN).unwrap(),
        ca_pem: Vec::new(),
        traceparent: TraceParent::parse(PARENT),
        timeout: Duration::from_secs(30),
    }
}

fn poster(server: &Server) -> Poster {
    Poster::new(target(server.url("http"))).unwrap()
}

/// An error with everything it says about its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

type Issuer = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

fn authority() -> Issuer {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

fn leaf(issuer: &Issuer) -> rustls::ServerConfig {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let cert = params.signed_by(&key, issuer).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap()
}
