//! The span of a request. Whoever pulls an image of twenty gigabytes in ranges makes thousands of
//! reads that say nothing of interest, and a collector has better things to keep: what is exported of
//! reads is those that failed and those that were slow.

use std::time::{Duration, Instant};

use ::http::{Method, StatusCode};
use tracing::Span;

/// A read whose answer began later than this is exported.
const SLOW: Duration = Duration::from_secs(1);

/// A request of which is told.
pub(super) struct Told {
    pub(super) method: Method,
    pub(super) route: &'static str,
    pub(super) started: Instant,
}

impl Told {
    /// The span that the request is answered in.
    pub(super) fn begin(&self) -> Span {
        let Self { method, route, .. } = self;
        let (is_safe, method) = (method.is_safe(), known(method));
        if is_safe {
            tracing::debug_span!("registry.request", method, route)
        } else {
            tracing::info_span!("registry.request", method, route)
        }
    }

    /// The span that tells how it ended: for a read that is to be seen after all a new one, which says
    /// how long it took since it begins only now.
    pub(super) fn end(&self, span: Span, status: StatusCode) -> Span {
        let Self { method, route, started } = self;
        let took = started.elapsed();
        if !method.is_safe() || (took < SLOW && !status.is_server_error()) {
            return span;
        }
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (method, code) = (known(method), status.as_str());
        tracing::info_span!("registry.request", method, route, code, duration_ms)
    }
}

/// The method as spans and lines call it. A method is a word of the caller's choice, of any length,
/// and whoever may not log in must not choose what is told.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a span of the request is exported, at its begin and at its end.
    fn exported(method: Method, age: Duration, status: StatusCode) -> (bool, bool) {
        let started = Instant::now().checked_sub(age).unwrap();
        let told = Told { method, route: "/v2/", started };
        let is_info = |span: &Span| {
            span.metadata().is_some_and(|metadata| *metadata.level() <= tracing::Level::INFO)
        };
        let begun = told.begin();
        let at_begin = is_info(&begun);
        (at_begin, is_info(&told.end(begun, status)))
    }

    #[test]
    fn of_reads_only_those_that_failed_or_were_slow_are_exported() {
        let _all = tracing::subscriber::set_default(Everything);
        let (fast, slow) = (Duration::ZERO, SLOW);
        for (method, age, status, seen) in [
            (Method::GET, fast, StatusCode::PARTIAL_CONTENT, (false, false)),
            (Method::HEAD, fast, StatusCode::NOT_FOUND, (false, false)),
            (Method::GET, fast, StatusCode::INTERNAL_SERVER_ERROR, (false, true)),
            (Method::GET, slow, StatusCode::OK, (false, true)),
            (Method::PATCH, fast, StatusCode::ACCEPTED, (true, true)),
            (Method::PUT, slow, StatusCode::CREATED, (true, true)),
        ] {
            assert_eq!(exported(method.clone(), age, status), seen, "{method} {age:?} {status}");
        }
    }

    #[test]
    fn a_method_of_the_callers_choice_is_not_told() {
        assert_eq!(known(&Method::PATCH), "PATCH");
        assert_eq!(known(&Method::from_bytes(b"EVIL-WORD").unwrap()), "other");
    }

    /// Somebody who wants every span.
    struct Everything;

    impl tracing::Subscriber for Everything {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {}

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }
}
