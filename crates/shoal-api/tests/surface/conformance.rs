//! Every answer of every test here is held against the OpenAPI document: a status, a content type,
//! a header or a member that the document does not know fails the test that met it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use axum::Router;
use http::{Method, StatusCode};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::call::{Answer, Call};

/// The document and what was compiled of it so far.
pub(crate) struct Document {
    pub(crate) value: Value,
    compiled: Mutex<BTreeMap<String, &'static Validator>>,
}

static DOCUMENT: OnceCell<Document> = OnceCell::const_new();

/// The document as the surface serves it.
pub(crate) async fn document(router: &Router) -> &'static Document {
    let fetch = async || {
        let response = Call::new(router, Method::GET, "/api/v1/openapi.json").open().await;
        let value = Answer::of(response).await.json();
        Document { value, compiled: Mutex::default() }
    };
    DOCUMENT.get_or_init(fetch).await
}

/// One call as the document describes it.
pub(crate) struct Described<'a> {
    pub(crate) template: &'a str,
    pub(crate) method: Method,
    pub(crate) operation: &'a Value,
}

impl Document {
    pub(crate) fn operations(&self) -> Vec<Described<'_>> {
        let paths = self.value["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(template, item)| {
                item.as_object().unwrap().iter().map(move |(method, operation)| Described {
                    template,
                    method: method.to_ascii_uppercase().parse().unwrap(),
                    operation,
                })
            })
            .collect()
    }

    /// The call that answers this method at this path.
    fn find(&self, method: &Method, path: &str) -> Option<Described<'_>> {
        let path = path.split('?').next().unwrap();
        let mut found: Vec<_> =
            self.operations().into_iter().filter(|it| matches(it.template, path)).collect();
        // The router prefers what is written out to what is a parameter.
        found.sort_by_key(|it| it.template.matches('{').count());
        let template = found.first()?.template;
        found.retain(|it| it.template == template);
        let own = found.iter().position(|it| it.method == *method);
        // HEAD is GET without a body wherever nothing else is said.
        let get =
            || found.iter().position(|it| *method == Method::HEAD && it.method == Method::GET);
        let at = own.or_else(get)?;
        Some(found.swap_remove(at))
    }

    /// What `reference` points to, or the value itself.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.value.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    /// Adds the components that a schema needs.
    fn reached(&self, schema: &Value, schemas: &mut Map<String, Value>) {
        match schema {
            Value::Array(entries) => entries.iter().for_each(|it| self.reached(it, schemas)),
            Value::Object(members) => members.values().for_each(|it| self.reached(it, schemas)),
            Value::String(text) => {
                let Some(name) = text.strip_prefix("#/components/schemas/") else { return };
                let component = &self.value["components"]["schemas"][name];
                if schemas.insert(name.to_owned(), component.clone()).is_none() {
                    self.reached(component, schemas);
                }
            }
            _ => {}
        }
    }

    /// Fails unless `instance` is what `schema` describes.
    pub(crate) fn validate(&self, name: &str, schema: &Value, instance: &Value) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = compiled.entry(name.to_owned()).or_insert_with(|| {
            let mut schemas = Map::new();
            self.reached(schema, &mut schemas);
            let root = json!({"allOf": [schema], "components": {"schemas": schemas}});
            Box::leak(Box::new(jsonschema::draft202012::new(&root).unwrap()))
        });
        let wrong: Vec<String> = validator
            .iter_errors(instance)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}\n{instance:#}");
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(word), Some(part))
                if word == part || word.starts_with('{') && !part.is_empty() => {}
            _ => return false,
        }
    }
}

/// Fails unless the document says that this call may be answered like that.
pub(crate) async fn check(router: &Router, method: &Method, path: &str, answer: &Answer) {
    let document = document(router).await;
    let Some(described) = document.find(method, path) else {
        let unknown = [
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::URI_TOO_LONG,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ];
        // What is not on this listener, or on none, is not in the document either.
        let elsewhere = ["/metrics", "/livez", "/readyz"].contains(&path);
        let fine = elsewhere || unknown.contains(&answer.status);
        assert!(fine, "{method} {path} is not in the document and answers {}", answer.status);
        return;
    };
    let name = format!("{method} {} {}", described.template, answer.status.as_u16());
    let response = &described.operation["responses"][answer.status.as_str()];
    assert!(!response.is_null(), "{name} is not in the document: {}", answer.text());
    let response = document.resolved(response);
    for (header, described) in response["headers"].as_object().unwrap() {
        let required = document.resolved(described)["required"].as_bool().unwrap_or(false);
        let there = answer.headers.contains_key(header.as_str());
        assert!(there || !required, "{name} has no {header}");
    }
    let Some(content) = response["content"].as_object() else {
        assert!(answer.body.is_empty(), "{name} has a body: {}", answer.text());
        return;
    };
    if answer.body.is_empty() && *method == Method::HEAD {
        return;
    }
    let sent = answer.headers[http::header::CONTENT_TYPE].to_str().unwrap();
    let sent = sent.split(';').next().unwrap();
    let media = content.get(sent).unwrap_or_else(|| panic!("{name} is sent as {sent}"));
    if sent == "application/json" {
        document.validate(&name, &media["schema"], &answer.json());
    }
}
