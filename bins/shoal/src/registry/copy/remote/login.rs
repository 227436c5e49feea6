//! Logging in at a registry, in either of the two ways that registries ask for: a password with every
//! request, or a token that a service gives for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use url::Url;

use super::{CopyError, Remote};
use crate::secret::Secret;

/// How a registry wants to be told who asks.
pub(super) enum Challenge {
    Basic,
    Bearer(BTreeMap<String, String>),
}

/// Who asks, and what was found out about how to say so.
pub(super) struct Logins {
    login: Option<(String, Secret)>,
    scope: String,
    way: Mutex<Way>,
}

enum Way {
    Unknown,
    Basic,
    Token(Secret),
}

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
}

impl Logins {
    pub(super) fn new(login: Option<(String, Secret)>, scope: String) -> Self {
        Self { login, scope, way: Mutex::new(Way::Unknown) }
    }

    /// Says who asks, as far as it is known how.
    pub(super) fn put_on(&self, request: RequestBuilder) -> RequestBuilder {
        let way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*way, &self.login) {
            (Way::Token(token), _) => request.bearer_auth(token.reveal()),
            (Way::Basic, Some((user, password))) => {
                request.basic_auth(user, Some(password.reveal()))
            }
            _ => request,
        }
    }

    /// Follows a challenge; false if there is nothing more to say than was said.
    pub(super) async fn answer(
        &self,
        challenge: Challenge,
        remote: &Remote,
    ) -> Result<bool, CopyError> {
        let way = match challenge {
            Challenge::Basic if self.login.is_none() || self.is_basic() => return Ok(false),
            Challenge::Basic => Way::Basic,
            Challenge::Bearer(asked) => Way::Token(self.token(&asked, remote).await?),
        };
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
        Ok(true)
    }

    fn is_basic(&self) -> bool {
        matches!(*self.way.lock().unwrap_or_else(PoisonError::into_inner), Way::Basic)
    }

    /// A token from the service that the registry names.
    async fn token(
        &self,
        asked: &BTreeMap<String, String>,
        remote: &Remote,
    ) -> Result<Secret, CopyError> {
        let call = "GET token";
        let realm = asked.get("realm").and_then(|realm| Url::parse(realm).ok());
        let mut url = realm.ok_or_else(|| remote.odd(call, "it names no service for tokens"))?;
        if url.scheme() != "https" && remote.base.scheme() == "https" {
            return Err(remote.odd(call, "its service for tokens has no TLS"));
        }
        if let Some(service) = asked.get("service") {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", &self.scope);
        let mut request = remote.http.get(url);
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password.reveal()));
        }
        let answer = remote.awaited(request.send()).await?;
        let answer = remote.expect(answer, call, StatusCode::OK).await?;
        let text = remote.whole(answer).await?;
        let given: Option<Given> = serde_json::from_slice(&text).ok();
        let token = given.and_then(|given| given.token.or(given.access_token));
        token.map(Secret::new).ok_or_else(|| remote.odd(call, "it gives no token"))
    }
}

/// What the registry asks for, the token first.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let all = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut basic = None;
    for value in all {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Challenge::Bearer(members(rest)));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// `name="value"` pairs; values may hold commas.
fn members(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(name, value.to_owned());
        rest = left;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_commas_in_their_values() {
        let asked = members(r#"realm="https://a.example/t",service="a, b", scope=x"#);
        assert_eq!(asked["realm"], "https://a.example/t");
        assert_eq!((&*asked["service"], &*asked["scope"]), ("a, b", "x"));
        let mut headers = HeaderMap::new();
        assert!(challenge(&headers).is_none());
        headers.append(WWW_AUTHENTICATE, "Basic realm=\"x\"".parse().unwrap());
        assert!(matches!(challenge(&headers), Some(Challenge::Basic)));
        headers.append(WWW_AUTHENTICATE, "Bearer realm=\"x\"".parse().unwrap());
        assert!(matches!(challenge(&headers), Some(Challenge::Bearer(_))));
    }
}
