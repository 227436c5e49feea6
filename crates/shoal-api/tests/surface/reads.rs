//! What a job shows of its media being read.

use serde_json::json;
use shoal_core::Time;
use shoal_store::{Frozen, MediaKind, MediaReads};

use crate::{harness::App, sample::linux};

fn frozen() -> Frozen {
    let at = Time::from_millis(0);
    Frozen {
        boot_url: String::new(),
        task_url: None,
        webhook_url: String::new(),
        registry_url: None,
        ca_pem: String::new(),
        traceparent: None,
        media_key: 1,
        token_key: 1,
        registry_key: None,
        registry_login: None,
        expires_at: at,
        report_until: at,
        objects: vec![(MediaKind::Boot, [1; 16]), (MediaKind::Task, [2; 16])],
        identities: Vec::new(),
        boot_medium: None,
    }
}

#[tokio::test]
async fn a_job_tells_what_was_read_of_the_media_of_its_attempt() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let path = format!("/api/v1/jobs/{id}");
    assert_eq!(app.get(&path).send().await.json()["media"], json!([]));
    app.store.freeze(id, 1, frozen()).await.unwrap();
    app.booted(id).await;
    let mut reads = MediaReads::of(32_768, 2048, Time::from_millis(1_767_225_600_000));
    reads.add(&MediaReads::of(1 << 20, 4096, Time::from_millis(1_767_225_601_000)));
    app.store.add_reads(vec![([1; 16], reads)]).await.unwrap();

    let shown = app.get(&path).send().await.json();
    let slot = &shown["media_plan"]["boot_slot"];
    assert_eq!(
        shown["media"],
        json!([{
            "medium": "boot",
            "slot": slot,
            "bytes_read": 6144,
            "ranges": [{"offset": 32768, "length": 2048}, {"offset": 1_048_576, "length": 4096}],
            "last_read_at": "2026-01-01T00:00:01.000Z",
        }])
    );
    assert!(slot.is_string());
}
