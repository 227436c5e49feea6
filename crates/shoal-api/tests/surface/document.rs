//! The OpenAPI document: that the committed one is the one served, that what it describes is there,
//! and that its examples work.

use std::{collections::BTreeSet, fs, path::Path};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_core::JobId;
use shoal_store::Role;

use crate::{
    actions::reach,
    call::Answer,
    conformance::{Described, document},
    harness::App,
    sample::{linux, media_path},
};

#[tokio::test]
async fn the_committed_openapi_document_is_current() {
    let app = App::new().await;
    let served = app.anonymous(Method::GET, "/api/v1/openapi.json").send().await;
    assert_eq!(served.status, StatusCode::OK);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi.v1.json");
    if std::env::var_os("SHOAL_GENERATE").is_some() {
        fs::write(&file, &served.body).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == served.text(), "run `cargo xtask generate` and commit the document");
}

#[tokio::test]
async fn every_described_call_is_there_and_lets_nobody_in_without_proof() {
    let app = App::new().await;
    let document = document(&app.router).await;
    let mut ids = BTreeSet::new();
    for described in document.operations() {
        let Described { template, method, operation } = &described;
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{template}");
        let answer = app.anonymous(method.clone(), &path(&described, &[])).send().await;
        let open = operation["security"].as_array().unwrap().is_empty();
        assert_eq!(answer.status != StatusCode::UNAUTHORIZED, open, "{method} {template}");
        for name in template.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = name.trim_end_matches('}');
            let parameters = operation["parameters"].as_array().unwrap().iter();
            let known = parameters.filter(|it| it["in"] == "path" && it["name"] == name).count();
            assert_eq!(known, 1, "{method} {template} has a parameter {name}");
        }
    }
}

#[tokio::test]
async fn every_example_works() {
    let app = App::new().await;
    for described in document(&app.router).await.operations() {
        let examples = &described.operation["requestBody"]["content"]["application/json"];
        let mut bodies: Vec<Option<Value>> = examples["examples"]
            .as_object()
            .into_iter()
            .flat_map(|examples| examples.values())
            .map(|example| Some(example["value"].clone()))
            .collect();
        let takes_body = !described.operation["requestBody"].is_null();
        assert_eq!(bodies.is_empty(), !takes_body, "{} has no example", described.template);
        if bodies.is_empty() {
            bodies.push(None);
        }
        for body in bodies {
            if let Some(body) = &body {
                let name = format!("body of {} {}", described.method, described.template);
                document(&app.router).await.validate(&name, &examples["schema"], body);
            }
            let answer = tried(&described, body.as_ref()).await;
            let id = described.operation["operationId"].as_str().unwrap();
            assert!(answer.status.is_success(), "{id}: {} {}", answer.status, answer.text());
        }
    }
}

/// Makes a call with its examples on a surface where it makes sense.
async fn tried(described: &Described<'_>, body: Option<&Value>) -> Answer {
    let app = App::new().await;
    let mut replaced = Vec::new();
    if described.template.starts_with("/api/v1/jobs/{id}") {
        replaced.push(("id", job(&app, described).await.to_string()));
    }
    let mut suffix = "";
    let mut secret = String::new();
    match described.operation["operationId"].as_str().unwrap() {
        "revoke_token" => {
            let made = admin(&app, Method::POST, "/api/v1/admin/tokens");
            let made = made.json(&json!({"name": "gone", "role": "reader"})).send().await;
            replaced.push(("id", made.json()["id"].as_str().unwrap().to_owned()));
        }
        "revoke_secret" => {
            // The first one takes no other's place.
            for _ in 0..2 {
                admin(&app, Method::POST, "/api/v1/admin/secrets/media").send().await;
            }
            let keys = admin(&app, Method::GET, "/api/v1/admin/secrets").send().await.json();
            let old = keys["keys"].as_array().unwrap().iter();
            let mut old = old.filter(|key| key["purpose"] == "media" && key["state"] == "accepted");
            replaced.push(("id", old.next().unwrap()["id"].to_string()));
        }
        "report" => {
            let id = app.created(&linux()).await;
            app.booted(id).await;
            secret = app.token(id, 1).await;
        }
        "read_medium" | "look_at_medium" => {
            // Only the controller can sign a path.
            let signed = media_path().split('/').nth(3).unwrap().to_owned();
            replaced.push(("segment", signed));
        }
        "show_run" | "stop_run" => {
            let begin = admin(&app, Method::POST, "/api/v1/registry/runs");
            begin.json(&json!({"task": "check"})).send().await;
        }
        // The tests' installation has something in the way.
        "reload" => suffix = "?force=true",
        "forget_learned" => suffix = "?kind=dell",
        _ => {}
    }
    let path = path(described, &replaced) + suffix;
    let call = admin(&app, described.method.clone(), &path);
    let call = if secret.is_empty() { call } else { call.header("x-webhook-secret", &secret) };
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

async fn job(app: &App, described: &Described<'_>) -> JobId {
    let id = app.created(&linux()).await;
    if described.template.ends_with("/decide") {
        reach(app, id, "held").await;
    }
    id
}

fn admin<'a>(app: &'a App, method: Method, path: &str) -> crate::call::Call<'a> {
    app.role(Role::Admin, method, path)
}

/// The call's path with its examples in it, but for those that are replaced.
fn path(described: &Described<'_>, replaced: &[(&str, String)]) -> String {
    let parameters = described.operation["parameters"].as_array().into_iter().flatten();
    let mut path = described.template.to_owned();
    for parameter in parameters.filter(|it| it["in"] == "path") {
        let name = parameter["name"].as_str().unwrap();
        let example = match replaced.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => value.clone(),
            None => parameter["example"].to_string().trim_matches('"').replace('/', "%2F"),
        };
        path = path.replace(&format!("{{{name}}}"), &example);
    }
    path
}
