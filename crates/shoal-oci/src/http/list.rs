//! `tags/list`, `referrers/<digest>` and `_catalog`: lists, page by page.

use ::http::header::{CONTENT_TYPE, LINK};
use ::http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use url::form_urlencoded::byte_serialize;

use super::{Answer, Asked, Body, Refusal, answer};
use crate::auth::Action;
use crate::catalogue::{Page, Referrer};
use crate::digest::Digest;
use crate::manifest::OCI_INDEX;
use crate::name::Repository;
use crate::registry::Registry;

pub(super) async fn tags(registry: &Registry, asked: &Asked, repository: &Repository) -> Answer {
    asked.may(Action::Pull, repository)?;
    let (last, most) = page(asked)?;
    let page = registry.tags(repository, last, most).await?;
    let names: Vec<&str> = page.items.iter().map(crate::name::Tag::as_str).collect();
    let path = format!("/v2/{repository}/tags/list");
    let list = json!({"name": repository.as_str(), "tags": names});
    Ok(listed(asked, &path, &list, next(&page, names.last())))
}

pub(super) async fn repositories(registry: &Registry, asked: &Asked) -> Answer {
    if !asked.principal.may_list() {
        return Err(Refusal::DENIED);
    }
    let (last, most) = page(asked)?;
    let page = registry.repositories(last, most).await?;
    let names: Vec<&str> = page.items.iter().map(Repository::as_str).collect();
    let list = json!({"repositories": names});
    Ok(listed(asked, "/v2/_catalog", &list, next(&page, names.last())))
}

pub(super) async fn referrers(
    registry: &Registry,
    asked: &Asked,
    (repository, subject): (&Repository, Digest),
) -> Answer {
    asked.may(Action::Pull, repository)?;
    let filter = asked.query.first("artifactType").filter(|it| !it.is_empty());
    let last = asked.query.first("last").unwrap_or_default().to_owned();
    let page = registry.referrers(repository, subject, filter.map(str::to_owned), last).await?;
    let manifests: Vec<Value> = page.items.iter().map(descriptor).collect();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let mut builder = answer::of(StatusCode::OK).header(CONTENT_TYPE, OCI_INDEX);
    if filter.is_some() {
        builder = builder.header(answer::FILTERS, "artifactType");
    }
    if let Some(last) = page.items.last().filter(|_| page.more) {
        let last = encode(&last.digest.to_string());
        let filter = filter.map(|filter| format!("&artifactType={}", encode(filter)));
        let query = format!("last={last}{}", filter.unwrap_or_default());
        let path = format!("/v2/{repository}/referrers/{subject}");
        builder = builder.header(LINK, format!("<{path}?{query}>; rel=\"next\""));
    }
    Ok(answer::with(builder, Body::text(index.to_string())))
}

/// After which item the page begins, and how many it may have.
fn page(asked: &Asked) -> Result<(String, usize), Refusal> {
    let most = match asked.query.first("n") {
        Some(text) => text.parse().map_err(|_| Refusal::BAD_PAGE)?,
        None => usize::MAX,
    };
    Ok((asked.query.first("last").unwrap_or_default().to_owned(), most))
}

/// The item after which the next page begins, if there is one.
fn next<'a, T>(page: &Page<T>, last: Option<&&'a str>) -> Option<&'a str> {
    last.copied().filter(|_| page.more)
}

fn listed(asked: &Asked, path: &str, list: &Value, next: Option<&str>) -> Response<Body> {
    let mut builder = answer::of(StatusCode::OK);
    if let Some(last) = next {
        let count = asked.query.first("n").map(|n| format!("n={}&", encode(n)));
        let query = format!("{}last={}", count.unwrap_or_default(), encode(last));
        builder = builder.header(LINK, format!("<{path}?{query}>; rel=\"next\""));
    }
    answer::json(builder, list.to_string().into_bytes())
}

fn descriptor(referrer: &Referrer) -> Value {
    let mut entry = Map::new();
    entry.insert("mediaType".to_owned(), referrer.media_type.as_str().into());
    entry.insert("digest".to_owned(), referrer.digest.to_string().into());
    entry.insert("size".to_owned(), referrer.size.into());
    if let Some(artifact_type) = &referrer.artifact_type {
        entry.insert("artifactType".to_owned(), artifact_type.as_str().into());
    }
    if !referrer.annotations.is_empty() {
        entry.insert("annotations".to_owned(), json!(referrer.annotations));
    }
    Value::Object(entry)
}

fn encode(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
