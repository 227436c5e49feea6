//! One registry as a client sees it: logging in the way it asks for, manifests, blobs, uploads.

mod login;

use std::path::Path;

use reqwest::{Method, RequestBuilder, Response, StatusCode, header, redirect};
use url::Url;

use self::login::{Logins, challenge};
use super::CopyError;
use super::digest::Digest;
use super::manifest::{Manifest, listed};
use super::place::Place;
use crate::error::Error;
use crate::pace::Pace;
use crate::profile;
use crate::run::Context;
use crate::secret::Secret;
use crate::table::visible;
use crate::tls::{self, Pin, TlsFault, Trust};

/// Longest manifest; registries refuse those over 4 MiB.
const MANIFEST_MAX: usize = 16 << 20;

/// Longest text of a refusal that is shown.
const SAID_MAX: usize = 4096;

/// Pages of a list of referrers.
const PAGES_MAX: usize = 100;

/// Redirects of one request; registries keep blobs elsewhere.
const REDIRECTS_MAX: usize = 5;

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.artifact.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// How somebody gets into a registry.
pub(super) struct Entrance<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) password_file: Option<&'a Path>,
    /// The environment variable that may hold the password.
    pub(super) variable: &'static str,
    pub(super) ca: Option<&'a Path>,
    pub(super) pin: Option<Pin>,
    pub(super) plain_http: bool,
    /// What is asked for where tokens are given for actions.
    pub(super) actions: &'static str,
}

impl Entrance<'_> {
    /// Where the registry is, and how it is trusted.
    pub(super) fn way(&self, place: &Place, context: &Context<'_>) -> Result<(Url, Trust), Error> {
        let given = match (self.ca, self.pin) {
            (Some(path), _) => Some(Trust::Ca(profile::read(path)?)),
            (None, Some(pin)) => Some(Trust::Pin(pin)),
            (None, None) => None,
        };
        let controller = context.controller();
        let Some(host) = &place.host else {
            let (mut base, trust) = controller?;
            base.set_path("/");
            return Ok((base, given.unwrap_or(trust)));
        };
        let scheme = if self.plain_http { "http" } else { "https" };
        let bad = |why| CopyError::BadName { text: host.clone(), why };
        let base = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| bad("it is no host"))?;
        // The same registry by its full name is trusted in the same way.
        let same = controller.ok().filter(|(known, _)| known.origin() == base.origin());
        let trust = given.or(same.map(|(_, trust)| trust)).unwrap_or(Trust::System);
        Ok((base, trust))
    }
}

/// A registry, and the repository of it that is meant.
pub(super) struct Remote {
    http: reqwest::Client,
    base: Url,
    name: String,
    repository: String,
    logins: Logins,
    pace: Pace,
}

impl Remote {
    pub(super) fn new(
        (base, trust): (Url, &Trust),
        place: &Place,
        login: Option<(String, Secret)>,
        actions: &'static str,
        pace: Pace,
    ) -> Result<Self, CopyError> {
        let name = base.authority().to_owned();
        let untrusted = |fault| CopyError::Tls { registry: name.clone(), fault };
        let builder = reqwest::Client::builder()
            .user_agent(concat!("shoal/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::custom(follow))
            .no_proxy()
            .connect_timeout(pace.connect);
        // Plain HTTP needs no authorities, and a machine without any must not stand in its way.
        let builder = match (base.scheme(), trust) {
            ("http", _) => builder.tls_certs_only([]),
            (_, Trust::System) => builder,
            (_, trust) => match tls::config(trust).map_err(untrusted)? {
                Some(config) => builder.tls_backend_preconfigured(config),
                None => builder,
            },
        };
        let http = builder.build().map_err(|_| untrusted(TlsFault::NoSystem))?;
        let repository = place.repository.clone();
        let logins = Logins::new(login, format!("repository:{repository}:{actions}"));
        Ok(Self { http, base, name, repository, logins, pace })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn is_same_registry(&self, other: &Self) -> bool {
        self.base.origin() == other.base.origin()
    }

    /// The manifest that a tag or digest names.
    pub(super) async fn manifest(&self, reference: &str) -> Result<Manifest, CopyError> {
        let url = self.url(&["manifests", reference]);
        let answer = self.ask("GET manifest", || self.get(&url)).await?;
        let answer = self.expect(answer, "GET manifest", StatusCode::OK).await?;
        let media_type = text_of(&answer, header::CONTENT_TYPE.as_str());
        let told = text_of(&answer, "docker-content-digest").parse::<Digest>().ok();
        let text = self.whole(answer).await?;
        let digest = reference.parse().ok().or(told).unwrap_or_else(|| Digest::of(&text));
        if !digest.is_of(&text) {
            let (registry, digest) = (self.name.clone(), digest.to_string());
            return Err(CopyError::DigestMismatch { registry, digest });
        }
        Ok(Manifest { digest, media_type, text })
    }

    /// The manifests that refer to one, from the list of referrers or from the tag that stands for it.
    pub(super) async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>, CopyError> {
        let call = "GET referrers";
        let mut url = Some(self.url(&["referrers", &subject.to_string()]));
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let Some(page) = url.take() else { break };
            let answer = self.ask(call, || self.get(&page)).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return self.tagged_referrers(subject).await;
            }
            let answer = self.expect(answer, call, StatusCode::OK).await?;
            url = next_page(&page, &text_of(&answer, "link"));
            let text = self.whole(answer).await?;
            found.extend(listed(&text).ok_or_else(|| self.odd(call, "it is no index"))?);
        }
        Ok(found)
    }

    async fn tagged_referrers(&self, subject: &Digest) -> Result<Vec<Digest>, CopyError> {
        match self.manifest(&subject.as_tag()).await {
            Ok(index) => Ok(listed(&index.text).unwrap_or_default()),
            Err(CopyError::Refused { status: 404, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_manifest(
        &self,
        reference: &str,
        manifest: &Manifest,
    ) -> Result<(), CopyError> {
        let url = self.url(&["manifests", reference]);
        let request = || {
            self.request(Method::PUT, &url)
                .header(header::CONTENT_TYPE, &manifest.media_type)
                .body(manifest.text.clone())
        };
        let answer = self.ask("PUT manifest", request).await?;
        self.expect(answer, "PUT manifest", StatusCode::CREATED).await.map(drop)
    }

    pub(super) async fn has_blob(&self, digest: &Digest) -> Result<bool, CopyError> {
        let url = self.url(&["blobs", &digest.to_string()]);
        let answer = self.ask("HEAD blob", || self.request(Method::HEAD, &url)).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            _ => self.expect(answer, "HEAD blob", StatusCode::OK).await.map(|_| true),
        }
    }

    /// A blob from `offset` on, or from its start where the registry knows no parts; where it begins.
    pub(super) async fn blob(
        &self,
        digest: &Digest,
        offset: u64,
    ) -> Result<(Response, u64), CopyError> {
        let url = self.url(&["blobs", &digest.to_string()]);
        let request = || {
            let request = self.get(&url);
            if offset == 0 {
                return request;
            }
            request.header(header::RANGE, format!("bytes={offset}-"))
        };
        let answer = self.ask("GET blob", request).await?;
        if offset == 0 || answer.status() == StatusCode::OK {
            return Ok((self.expect(answer, "GET blob", StatusCode::OK).await?, 0));
        }
        let answer = self.expect(answer, "GET blob", StatusCode::PARTIAL_CONTENT).await?;
        let range = text_of(&answer, header::CONTENT_RANGE.as_str());
        if !range.starts_with(&format!("bytes {offset}-")) {
            return Err(self.odd("GET blob", "it is another part than was asked for"));
        }
        Ok((answer, offset))
    }

    /// Begins an upload; none if the blob could be mounted from another repository instead.
    pub(super) async fn start_upload(
        &self,
        digest: &Digest,
        from: Option<&str>,
    ) -> Result<Option<Url>, CopyError> {
        let mut url = self.url(&["blobs", "uploads", ""]);
        if let Some(from) = from {
            let digest = digest.to_string();
            url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from);
        } else if digest.algorithm() != "sha256" {
            url.query_pairs_mut().append_pair("digest-algorithm", digest.algorithm());
        }
        let request = || self.request(Method::POST, &url).header(header::CONTENT_LENGTH, 0);
        let answer = self.ask("POST upload", request).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(None);
        }
        let answer = self.expect(answer, "POST upload", StatusCode::ACCEPTED).await?;
        self.location(&answer).map(Some)
    }

    /// Where an upload is now and how many bytes it has; none if the registry has forgotten it.
    pub(super) async fn upload_state(
        &self,
        location: &Url,
    ) -> Result<Option<(Url, u64)>, CopyError> {
        let answer = self.ask("GET upload", || self.get(location)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.expect(answer, "GET upload", StatusCode::NO_CONTENT).await?;
        let range = text_of(&answer, header::RANGE.as_str());
        let last = range.rsplit_once('-').and_then(|(_, last)| last.parse::<u64>().ok());
        // An empty upload and one of a single byte look the same.
        let offset = last.filter(|last| *last > 0).map_or(0, |last| last + 1);
        let moves = answer.headers().contains_key(header::LOCATION);
        let location = if moves { self.location(&answer)? } else { location.clone() };
        Ok(Some((location, offset)))
    }

    pub(super) async fn end_upload(
        &self,
        location: &Url,
        digest: &Digest,
    ) -> Result<(), CopyError> {
        let mut url = location.clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = || self.request(Method::PUT, &url).header(header::CONTENT_LENGTH, 0);
        let answer = self.ask("PUT upload", request).await?;
        // A lost answer to the first of several tries looks like an unknown upload.
        if answer.status() == StatusCode::NOT_FOUND && self.has_blob(digest).await? {
            return Ok(());
        }
        self.expect(answer, "PUT upload", StatusCode::CREATED).await.map(drop)
    }

    pub(super) fn patch(&self, location: &Url) -> RequestBuilder {
        self.request(Method::PATCH, location)
    }

    /// Where an answer says to go on: never without TLS where the registry has it.
    pub(super) fn location(&self, answer: &Response) -> Result<Url, CopyError> {
        let text = text_of(answer, header::LOCATION.as_str());
        let joined = answer.url().join(&text).ok().filter(|_| !text.is_empty());
        let odd = |why| self.odd("an upload", why);
        let location = joined.ok_or_else(|| odd("it does not say where to go on"))?;
        if self.base.scheme() == "https" && location.scheme() != "https" {
            return Err(odd("it wants the content sent without TLS"));
        }
        Ok(location)
    }

    /// An answer of this status, or what the registry said instead.
    pub(super) async fn expect(
        &self,
        answer: Response,
        call: &str,
        status: StatusCode,
    ) -> Result<Response, CopyError> {
        if answer.status() == status {
            return Ok(answer);
        }
        let (status, registry) = (answer.status().as_u16(), self.name.clone());
        let text = self.whole(answer).await.unwrap_or_default();
        let message = said(&text);
        Err(CopyError::Refused { registry, call: call.to_owned(), status, message })
    }

    pub(super) fn failed(&self, source: reqwest::Error) -> CopyError {
        CopyError::lost(self.name.clone(), source)
    }

    /// Waits for an answer, or for more of one, as long as silence is borne.
    async fn awaited<T>(
        &self,
        answer: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, CopyError> {
        let answer = tokio::time::timeout(self.pace.silence, answer).await;
        let answer = answer.map_err(|_| CopyError::Silent { registry: self.name.clone() })?;
        answer.map_err(|error| self.failed(error))
    }

    /// Asks until there is an answer, logging in where that is asked for. Only for what may be
    /// repeated.
    async fn ask(
        &self,
        call: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, CopyError> {
        let mut nth = 0;
        loop {
            let error = match self.ask_once(&request).await {
                Ok(answer) if !matches!(answer.status().as_u16(), 429 | 502..=504) => {
                    return Ok(answer);
                }
                Ok(answer) if nth + 1 >= self.pace.tries => return Ok(answer),
                Ok(answer) => self.expect(answer, call, StatusCode::OK).await.err(),
                Err(error) => Some(error),
            };
            nth += 1;
            match error {
                Some(error) if nth >= self.pace.tries || !error.is_transient() => {
                    return Err(error);
                }
                _ => tokio::time::sleep(self.pace.pause(nth - 1, None)).await,
            }
        }
    }

    async fn ask_once(&self, request: &impl Fn() -> RequestBuilder) -> Result<Response, CopyError> {
        let send = || self.awaited(request().send());
        let answer = send().await?;
        if self.logs_in(&answer).await? { send().await } else { Ok(answer) }
    }

    /// Does what an answer asks for before the same may be asked again; false if it asks for nothing.
    pub(super) async fn logs_in(&self, answer: &Response) -> Result<bool, CopyError> {
        // Whoever a redirect leads to is not told the password, and names no service that is.
        let is_own = answer.url().origin() == self.base.origin();
        if answer.status() != StatusCode::UNAUTHORIZED || !is_own {
            return Ok(false);
        }
        let Some(challenge) = challenge(answer.headers()) else { return Ok(false) };
        if self.logins.answer(challenge, self).await? {
            return Ok(true);
        }
        Err(CopyError::Denied { registry: self.name.clone() })
    }

    fn get(&self, url: &Url) -> RequestBuilder {
        self.request(Method::GET, url).header(header::ACCEPT, MANIFESTS)
    }

    /// A request; who asks is told to this registry and to nobody it points to.
    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.http.request(method, url.clone());
        if url.origin() == self.base.origin() { self.logins.put_on(request) } else { request }
    }

    fn url(&self, rest: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            let name = self.repository.split('/');
            segments.pop_if_empty().push("v2").extend(name).extend(rest);
        }
        url
    }

    /// A body that is held in memory.
    async fn whole(&self, mut answer: Response) -> Result<Vec<u8>, CopyError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.awaited(answer.chunk()).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MANIFEST_MAX {
                return Err(self.odd("GET", "it is too long"));
            }
        }
        Ok(bytes)
    }

    fn odd(&self, call: &str, why: &'static str) -> CopyError {
        CopyError::BadAnswer { registry: self.name.clone(), call: call.to_owned(), why }
    }
}

/// Blobs may lie elsewhere, but never without TLS where the registry has it.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let first = attempt.previous().first();
    let plain = first.is_some_and(|url| url.scheme() == "http");
    if attempt.previous().len() > REDIRECTS_MAX || (attempt.url().scheme() != "https" && !plain) {
        return attempt.stop();
    }
    attempt.follow()
}

/// What a registry says in its own words, cut to a line.
fn said(text: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let first = body.pointer("/errors/0");
    let member = |name: &str| {
        first.and_then(|it| it.get(name)).and_then(|it| it.as_str()).unwrap_or_default().to_owned()
    };
    let told = format!("{} {}", member("code"), member("message"));
    let told: String = told.trim().chars().take(SAID_MAX).collect();
    visible(&told).into_owned()
}

fn text_of(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// The page that `Link` points to, at the same registry.
fn next_page(page: &Url, link: &str) -> Option<Url> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = page.join(target).ok()?;
    (rest.contains("next") && next.origin() == page.origin() && next != *page).then_some(next)
}
