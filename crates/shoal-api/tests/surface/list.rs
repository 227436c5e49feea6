//! The list of jobs.

use serde_json::{Value, json};

use crate::{
    harness::App,
    sample::{firmware, linux},
};

#[tokio::test]
async fn the_list_pages_through_the_newest_first_and_filters() {
    let app = App::new().await;
    let mut made = Vec::new();
    for n in 0..5 {
        let serial = format!("L-{n}");
        app.add_server(&serial, None).await;
        let mut body = if n == 3 { firmware() } else { linux() };
        body["server_serial"] = json!(serial);
        made.push(app.created(&body).await.to_string());
        app.set_now(app.now() + std::time::Duration::from_mins(1));
    }
    let ids = |answer: &Value| -> Vec<String> {
        let jobs = answer["jobs"].as_array().unwrap();
        jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()).collect()
    };
    let list = async |query: &str| app.get(&format!("/api/v1/jobs?{query}")).send().await.json();

    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = list(&format!("limit=2{cursor}")).await;
        seen.extend(ids(&page));
        cursor = page["next"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    made.reverse();
    assert_eq!(seen, made);
    assert_eq!(cursor, "");

    assert_eq!(ids(&list("server_serial=L-4").await), made[..1]);
    assert_eq!(ids(&list("task_target=supermicro-update.target").await), made[1..2]);
    assert_eq!(ids(&list("since=2026-01-01T00:03:00Z").await), made[..2]);
    assert_eq!(ids(&list("status=complete").await).len(), 0);
    assert_eq!(ids(&list("status=queued&stuck=false").await), made);
    assert_eq!(ids(&list("stuck=true").await).len(), 0);
    let newest = app.get("/api/v1/jobs?limit=1").send().await;
    insta::assert_json_snapshot!("listed", newest.stable());
}

#[tokio::test]
async fn filters_that_mean_nothing_are_refused() {
    let app = App::new().await;
    for query in
        ["status=done", "server_serial=a%20b", "since=now", "cursor=1", "limit=0", "state=queued"]
    {
        let answer = app.get(&format!("/api/v1/jobs?{query}")).send().await;
        assert_eq!(answer.refusal(), (400, "validation_error".to_owned()), "{query}");
    }
}
