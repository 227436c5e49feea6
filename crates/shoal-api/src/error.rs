//! Every refusal the API gives, and the only place where a refusal becomes an HTTP status.
//!
//! A handler returns an [`Error`]; it travels in the response's extensions until the outermost layer
//! writes its body, because only that layer knows the id of the request.

use std::{borrow::Cow, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $text:literal, $status:ident;)*) => {
        /// The stable word in `error`. Programs decide by it; its text never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])* $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status it comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// When it is given, for people.
            pub(crate) const fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The request breaks a rule; `details` names each place.
    Validation = "validation_error", BAD_REQUEST;
    /// No credentials, or wrong ones.
    Unauthorized = "unauthorized", UNAUTHORIZED;
    /// The caller's role does not allow this.
    Forbidden = "forbidden", FORBIDDEN;
    /// There is nothing at this path.
    NoRoute = "not_found", NOT_FOUND;
    /// No server has this serial.
    NoServer = "not_found.server", NOT_FOUND;
    /// No job has this id.
    NoJob = "not_found.job", NOT_FOUND;
    /// No API token has this id.
    NoToken = "not_found.token", NOT_FOUND;
    /// There is no such key, or no such purpose of keys.
    NoKey = "not_found.key", NOT_FOUND;
    /// The registry has no such repository.
    NoRepository = "not_found.repository", NOT_FOUND;
    /// The repository has no such tag or manifest.
    NoManifest = "not_found.manifest", NOT_FOUND;
    /// The registry has no such upload.
    NoUpload = "not_found.upload", NOT_FOUND;
    /// No work on the registry has this id.
    NoRun = "not_found.run", NOT_FOUND;
    /// The path does not take this method.
    Method = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The body did not arrive in time.
    BodyTimeout = "request_timeout", REQUEST_TIMEOUT;
    /// The server has an unfinished job.
    ActiveJob = "conflict.active_job", CONFLICT;
    /// The server takes no jobs.
    Quarantined = "conflict.quarantined", CONFLICT;
    /// The job is not where this can be done.
    JobState = "conflict.job_state", CONFLICT;
    /// An API token of this name exists.
    NameTaken = "conflict.name_taken", CONFLICT;
    /// The key is current and cannot be revoked.
    KeyCurrent = "conflict.current_key", CONFLICT;
    /// Unfinished jobs depend on the key.
    KeyInUse = "conflict.key_in_use", CONFLICT;
    /// The value is or was a key.
    SecretKnown = "conflict.known_secret", CONFLICT;
    /// Nothing would accept a secret of this purpose.
    SecretUnused = "conflict.unused_secret", CONFLICT;
    /// The configuration was read and is not taken over.
    ReloadRefused = "conflict.reload_refused", CONFLICT;
    /// This controller keeps no registry.
    RegistryOff = "conflict.registry_off", CONFLICT;
    /// Other work on the registry is under way.
    RegistryBusy = "conflict.registry_busy", CONFLICT;
    /// The registry takes no writes.
    RegistryReadOnly = "conflict.registry_read_only", CONFLICT;
    /// The catalogue was rebuilt; what a collection removes must be confirmed first.
    Unconfirmed = "conflict.gc_unconfirmed", CONFLICT;
    /// Somebody is sending to the upload.
    UploadBusy = "conflict.upload_busy", CONFLICT;
    /// The body is larger than the route takes.
    TooLarge = "payload_too_large", PAYLOAD_TOO_LARGE;
    /// The address is longer than any of ours.
    UriTooLong = "uri_too_long", URI_TOO_LONG;
    /// The body is not sent as the type the route takes.
    MediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    /// The idempotency key belongs to another request.
    KeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY;
    /// Too many requests of this kind; `Retry-After` says when to come back.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS;
    /// The headers are larger than any client of ours sends.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE;
    /// A report without a token.
    TokenMissing = "webhook.token_missing", UNAUTHORIZED;
    /// A report with a wrong token, or with that of another job.
    TokenWrong = "webhook.token_wrong", FORBIDDEN;
    /// A report without the certificate machines must show.
    CertificateMissing = "webhook.certificate_missing", UNAUTHORIZED;
    /// A report with a certificate that is none of our machines'.
    CertificateForeign = "webhook.certificate_foreign", FORBIDDEN;
    /// A report for a server without a job it could belong to.
    NoReportedJob = "webhook.no_job", NOT_FOUND;
    /// A report for an attempt whose power-on was never intended.
    Unexpected = "webhook.unexpected", CONFLICT;
    /// A mistake of ours, told in the log under the request's id.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// It cannot be done now; the same request may work later.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE;
}

/// One place of a request that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Detail {
    /// JSON Pointer into the body, or the name of a header or query parameter.
    pub(crate) path: String,
    /// Stable for programs.
    pub(crate) code: Cow<'static, str>,
    /// What to mend, for people.
    pub(crate) message: String,
}

impl Detail {
    pub(crate) fn new(
        path: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), code: code.into(), message: message.into() }
    }
}

impl From<shoal_recipe::Problem> for Detail {
    fn from(problem: shoal_recipe::Problem) -> Self {
        Self::new(problem.path, problem.code.as_str(), problem.message)
    }
}

/// A refusal on its way to the caller.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) details: Vec<Detail>,
    pub(crate) retry_after: Option<Duration>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), retry_after: None }
    }

    pub(crate) fn invalid(details: Vec<Detail>) -> Self {
        let message = match details.as_slice() {
            // A name may be a stranger's, and this line is what people and terminals read.
            [only] => {
                format!("{}: {}", only.path.replace(char::is_control, "\u{fffd}"), only.message)
            }
            several => format!("the request has {} problems, see details", several.len()),
        };
        Self { details, ..Self::new(Code::Validation, message) }
    }

    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let message = "too many requests of this kind; wait as long as Retry-After says";
        Self { retry_after: Some(wait), ..Self::new(Code::RateLimited, message) }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let wait = Some(Duration::from_secs(5));
        Self { retry_after: wait, ..Self::new(Code::Unavailable, message) }
    }

    /// The store failed. Told in the log with its whole chain; the caller learns no more than that.
    #[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
    pub(crate) fn store(error: shoal_store::Error) -> Self {
        let transient = error.is_transient();
        tracing::error!(error = %chain(&error), transient, "store call of a request failed");
        if error.is_full() {
            return Self::unavailable(
                "the disk of the controller's database is full, and nothing was changed; \
                 free space there and try again",
            );
        }
        if transient {
            return Self::unavailable("the store cannot do this now; try again");
        }
        Self::new(Code::Internal, "the controller could not do this; its log says why")
    }

    /// The body, once the request's id is known.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let body = Body {
            error: self.code.as_str(),
            message: &self.message,
            details: &self.details,
            request_id,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// The shape of every refusal.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(crate) struct Body<'a> {
    /// The stable word; programs decide by it.
    error: &'static str,
    /// The same for people.
    message: &'a str,
    /// Each place that breaks a rule.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    details: &'a [Detail],
    request_id: &'a str,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        // RFC 9110 asks for a challenge with every 401.
        match self.code {
            Code::Unauthorized => {
                for scheme in ["Basic realm=\"shoal\", charset=\"UTF-8\"", "Bearer realm=\"shoal\""]
                {
                    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
                }
            }
            Code::TokenMissing | Code::CertificateMissing => {
                let scheme = "Webhook realm=\"shoal\", header=\"X-Webhook-Secret\"";
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// An error and its sources on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_come_with_an_error_status() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
        }
    }

    #[test]
    fn a_message_never_repeats_what_a_terminal_would_obey() {
        let path = "query a\n\u{1b}[2J";
        let error = Error::invalid(vec![Detail::new(path, "unknown_field", "is unknown")]);

        assert_eq!(error.message, "query a\u{fffd}\u{fffd}[2J: is unknown");
        assert_eq!(error.details[0].path, path);
    }

    #[test]
    fn the_webhooks_statuses_are_those_its_sender_was_built_for() {
        use shoal_webhook::code;
        let pairs = [
            (Code::Validation, code::INVALID),
            (Code::TokenMissing, code::TOKEN_MISSING),
            (Code::TokenWrong, code::TOKEN_WRONG),
            (Code::NoReportedJob, code::NO_JOB),
            (Code::Unexpected, code::UNEXPECTED),
            (Code::TooLarge, code::TOO_LARGE),
            (Code::MediaType, code::NOT_JSON),
            (Code::RateLimited, code::TOO_MANY),
        ];
        for (ours, theirs) in pairs {
            assert_eq!(ours.status().as_u16(), theirs, "{ours:?}");
        }
        assert_eq!(Code::Unexpected.as_str(), shoal_webhook::UNEXPECTED);
    }
}
