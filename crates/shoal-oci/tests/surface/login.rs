//! Which logins count as failed: wrong ones, and not those that nobody can check.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use shoal_oci::auth::{Access, Authenticating, Claim, Refused};

use crate::stage::Stage;

/// Knows who is wrong, until it can look at nothing any more.
#[derive(Debug)]
struct Broken;

impl Access for Broken {
    fn authenticate<'a>(&'a self, claim: Claim<'a>) -> Authenticating<'a> {
        let wrong = claim.header.is_none_or(|header| header == "Bearer wrong");
        let refused = if wrong { Refused::Unauthenticated } else { Refused::Unavailable };
        Box::pin(async move { Err(refused) })
    }
}

#[tokio::test]
async fn credentials_that_nobody_can_check_are_no_failed_login() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stage = Stage::with(|_| {}, Arc::new(Broken)).await;
    let ask = async |header| stage.ask_with("GET", "/v2/", &[("Authorization", header)], b"").await;

    let unchecked = ask("Bearer good").await;
    assert_eq!((unchecked.status, &*unchecked.code()), (503, "UNAVAILABLE"));
    assert_eq!(stage.ask("GET", "/v2/", b"").await.status, 401, "nobody tried to log in");
    let counted = || metrics.render().contains("login_auth_failures_total");
    assert!(!counted(), "{}", metrics.render());

    assert_eq!(ask("Bearer wrong").await.status, 401);
    let one = r#"login_auth_failures_total{surface="registry"} 1"#;
    assert!(metrics.render().contains(one), "{}", metrics.render());
}
