//! Who gets what status, and that every refusal is counted by its reason.

use metrics_exporter_prometheus::PrometheusBuilder;
use shoal_media::{Keyring, Kind, Milestone, ObjectId, OpenError, respond_static};

use crate::stage::{BOOT, Stage, TASK, bytes_of, grant, key, medium, pattern};

#[tokio::test]
async fn every_refusal_is_counted_by_its_reason() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stage = Stage::new();
    stage.put(TASK, &medium(b"task", &[]));
    let path = stage.path(TASK, Kind::Task);

    let tampered = path.replace("/task.iso", "/task.img");
    let stranger = Keyring::new(key(9, 1), vec![]).unwrap().sign(&grant(TASK, Kind::Task));
    let gone = stage.path(ObjectId([9; 16]), Kind::Task);
    stage.refuse(BOOT, OpenError::Revoked);
    let revoked = stage.path(BOOT, Kind::Boot);
    for (request, code) in [
        (tampered.as_str(), 403),
        (stranger.as_str(), 403),
        ("/media/t/nonsense/task.iso", 403),
        (&format!("{path}?x=1"), 403),
        (&gone, 404),
        (&revoked, 404),
    ] {
        assert_eq!(stage.send("GET", request, &[]).await.status(), code, "{request}");
        assert_eq!(stage.send("HEAD", request, &[]).await.status(), code, "{request}");
    }
    assert_eq!(stage.get(&path, "bytes=0-0").await.status(), 206);
    stage.clock.advance(2 * 3600);
    let late = stage.path(TASK, Kind::Boot);
    assert_eq!(stage.send("GET", &late, &[]).await.status(), 200, "the object was opened before");

    let text = metrics.render();
    for line in [
        r#"media_signed_url_validation_failures_total{reason="signature"} 2"#,
        r#"media_signed_url_validation_failures_total{reason="unknown_key"} 2"#,
        r#"media_signed_url_validation_failures_total{reason="malformed"} 4"#,
        r#"media_signed_url_validation_failures_total{reason="not_found"} 4"#,
        r#"media_requests_total{code="206",kind="task"} 1"#,
        r#"media_requests_total{code="403",kind="task"} 8"#,
        r#"media_requests_total{code="404",kind="boot"} 2"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(path.split('/').nth(3).unwrap()), "a segment in a metric");
}

#[tokio::test]
async fn the_expiry_bounds_the_first_open_only() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stage = Stage::new();
    stage.put(TASK, &medium(b"task", &[]));
    stage.put(BOOT, &medium(b"boot", &[]));
    let (task, boot) = (stage.path(TASK, Kind::Task), stage.path(BOOT, Kind::Boot));
    stage.clock.advance(3600 + 60);
    assert_eq!(stage.send("GET", &task, &[]).await.status(), 200, "within the skew tolerance");
    stage.clock.advance(1);
    assert_eq!(stage.send("GET", &task, &[]).await.status(), 200, "opened before");
    assert_eq!(stage.send("GET", &boot, &[]).await.status(), 403, "never opened");
    assert_eq!(stage.send("HEAD", &boot, &[]).await.status(), 403);
    stage.put_read(BOOT, &medium(b"boot", &[]), &[Milestone::Opened]);
    let stage = stage.restarted();
    assert_eq!(stage.send("GET", &boot, &[]).await.status(), 200, "opened before the restart");
    let line = r#"media_signed_url_validation_failures_total{reason="expired"} 2"#;
    assert!(metrics.render().contains(line));
}

#[tokio::test]
async fn rotation_accepts_both_keys_until_the_old_one_is_dropped() {
    let stage = Stage::new();
    stage.put(TASK, &medium(b"task", &[]));
    let old = stage.path(TASK, Kind::Task);
    stage.server.replace_keyring(Keyring::new(key(2, 2), vec![key(1, 1)]).unwrap());
    let new = stage.path(TASK, Kind::Task);
    assert_ne!(old, new);
    assert_eq!(stage.send("GET", &old, &[]).await.status(), 200);
    stage.server.replace_keyring(Keyring::new(key(2, 2), vec![]).unwrap());
    assert_eq!(stage.send("GET", &old, &[]).await.status(), 403);
    assert_eq!(stage.send("GET", &new, &[]).await.status(), 200);
}

#[tokio::test]
async fn other_methods_and_other_paths_are_turned_away() {
    let stage = Stage::new();
    stage.put(TASK, &medium(b"task", &[]));
    let path = stage.path(TASK, Kind::Task);
    for method in ["POST", "PUT", "DELETE", "PROPFIND"] {
        let response = stage.send(method, &path, &[]).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
    for other in ["/media/", "/media/x/y/task.iso", "/", "/media/task/x"] {
        assert_eq!(stage.send("GET", other, &[]).await.status(), 404, "{other}");
    }
}

#[tokio::test]
async fn a_catalog_that_cannot_tell_asks_for_patience() {
    let stage = Stage::new();
    stage.refuse(TASK, OpenError::Unavailable);
    let response = stage.send("GET", &stage.path(TASK, Kind::Task), &[]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
}

#[tokio::test]
async fn conditions_and_odd_ranges_are_answered_as_the_rfc_says() {
    let stage = Stage::new();
    let bytes = pattern(1000);
    let medium = medium(&bytes, &[]);
    stage.put(TASK, &medium);
    let path = stage.path(TASK, Kind::Task);
    let etag = medium.etag().to_str().unwrap();
    for (headers, code, len) in [
        (vec![("range", "bytes=5-4")], 200, 1000),
        (vec![("range", "bytes=0-9"), ("if-range", etag)], 206, 10),
        (vec![("range", "bytes=0-9"), ("if-range", "\"other\"")], 200, 1000),
        (vec![("range", "bytes=0-9"), ("range", "bytes=0-8")], 200, 1000),
        (vec![("range", "bytes=1000-")], 416, 0),
        (vec![("range", "bytes=1000-"), ("if-range", "\"other\"")], 200, 1000),
        (vec![("if-match", "\"other\"")], 412, 0),
        (vec![("if-none-match", etag)], 304, 0),
        (vec![("if-none-match", etag), ("range", "bytes=0-9")], 304, 0),
        (vec![("range", "bytes=-0")], 416, 0),
    ] {
        let response = stage.send("GET", &path, &headers).await;
        assert_eq!(response.status(), code, "{headers:?}");
        assert_eq!(response.headers()["etag"], etag);
        assert!(!response.headers().contains_key("content-encoding"));
        if code == 416 {
            assert_eq!(response.headers()["content-range"], "bytes */1000");
        }
        assert_eq!(bytes_of(response).await.len(), len, "{headers:?}");
    }
}

#[tokio::test]
async fn a_static_medium_is_served_alike_without_a_token() {
    let medium = medium(b"0123456789", &[]);
    let ask = |method: &str| {
        let request = http::Request::builder().method(method).uri("/static/isos/x.iso");
        request.header("range", "bytes=2-3").body(()).unwrap().into_parts().0
    };
    let response = respond_static(&ask("GET"), &medium).await;
    assert_eq!(response.status(), 206);
    assert_eq!(bytes_of(response).await, "23");
    assert_eq!(respond_static(&ask("POST"), &medium).await.status(), 405);
}
