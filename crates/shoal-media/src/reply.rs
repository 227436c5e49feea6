//! The answer to a request for a medium, before any byte is read: status, headers and which pieces
//! the body has. The same for GET and HEAD, with and without a token.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::body::Body;
use crate::extent::Extent;
use crate::medium::Medium;
use crate::precondition::{LAST_MODIFIED, Outcome, evaluate};
use crate::range::{Selection, select};
use crate::stream::Piece;

const OCTETS: &str = "application/octet-stream";

/// Status and headers of an answer, and the pieces of its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) pieces: VecDeque<Piece>,
    /// How many ranges are answered; 0 when the answer is no 206.
    pub(crate) ranges: usize,
}

impl Reply {
    /// Plans the answer. HEAD is planned like GET, `Range` included: RFC 9110 defines ranges for GET
    /// only, but BMCs probe for them with HEAD and take a 200 for a server that cannot do them.
    pub(crate) fn to(request: &Parts, medium: &Medium) -> Self {
        let selection = match evaluate(&request.headers, medium.etag()) {
            Outcome::Proceed => requested(&request.headers, medium.content().len()),
            Outcome::ProceedWhole => Selection::Whole,
            Outcome::NotModified => return Self::bare(StatusCode::NOT_MODIFIED, medium),
            Outcome::Failed => return Self::bare(StatusCode::PRECONDITION_FAILED, medium).sized(0),
        };
        match selection {
            Selection::Whole => Self::whole(medium),
            Selection::Unsatisfiable => Self::unsatisfiable(medium),
            Selection::Parts(parts) => match parts.as_slice() {
                [only] => Self::single(medium, *only),
                several => Self::multipart(medium, several),
            },
        }
    }

    /// The response with `body`, or without one for HEAD and bodiless statuses.
    pub(crate) fn with_body(self, body: Option<Body>) -> Response<Body> {
        let mut response = Response::new(body.unwrap_or_else(|| Body::text("")));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn bare(status: StatusCode, medium: &Medium) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        headers.insert(header::ETAG, medium.etag().clone());
        headers.insert(header::LAST_MODIFIED, LAST_MODIFIED);
        Self { status, headers, pieces: VecDeque::new(), ranges: 0 }
    }

    fn whole(medium: &Medium) -> Self {
        let mut reply = Self::bare(StatusCode::OK, medium);
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCTETS));
        reply.pieces.extend(Extent::new(0, medium.content().len()).map(Piece::Span));
        reply.sized(medium.content().len())
    }

    fn single(medium: &Medium, part: Extent) -> Self {
        let mut reply = Self::bare(StatusCode::PARTIAL_CONTENT, medium);
        let place = content_range(part, medium.content().len());
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCTETS));
        reply.headers.extend(HeaderValue::try_from(place).map(|v| (header::CONTENT_RANGE, v)));
        reply.pieces.push_back(Piece::Span(part));
        reply.ranges = 1;
        reply.sized(part.len())
    }

    fn multipart(medium: &Medium, parts: &[Extent]) -> Self {
        let mut reply = Self::bare(StatusCode::PARTIAL_CONTENT, medium);
        let boundary = boundary(medium);
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        reply
            .headers
            .extend(HeaderValue::try_from(content_type).map(|v| (header::CONTENT_TYPE, v)));
        for part in parts {
            let place = content_range(*part, medium.content().len());
            let frame = format!(
                "\r\n--{boundary}\r\nContent-Type: {OCTETS}\r\nContent-Range: {place}\r\n\r\n"
            );
            reply.pieces.push_back(Piece::Text(Bytes::from(frame)));
            reply.pieces.push_back(Piece::Span(*part));
        }
        reply.pieces.push_back(Piece::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
        reply.ranges = parts.len();
        let len = reply.pieces.iter().map(Piece::len).sum();
        reply.sized(len)
    }

    fn unsatisfiable(medium: &Medium) -> Self {
        let mut reply = Self::bare(StatusCode::RANGE_NOT_SATISFIABLE, medium);
        let place = format!("bytes */{}", medium.content().len());
        reply.headers.extend(HeaderValue::try_from(place).map(|v| (header::CONTENT_RANGE, v)));
        reply.sized(0)
    }

    fn sized(mut self, len: u64) -> Self {
        self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        self
    }
}

/// A short plain answer that carries no medium.
pub(crate) fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    response
}

/// The answer to any method but GET and HEAD.
pub(crate) fn method_not_allowed() -> Response<Body> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The answer when asking again soon may work.
pub(crate) fn try_later() -> Response<Body> {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "not now\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

pub(crate) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// `Range` is no list header, so several of them are garbage, which is ignored.
fn requested(headers: &HeaderMap, len: u64) -> Selection {
    let mut values = headers.get_all(header::RANGE).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => select(value, len),
        _ => Selection::Whole,
    }
}

fn content_range(part: Extent, len: u64) -> String {
    format!("bytes {}-{}/{len}", part.offset(), part.end() - 1)
}

/// Half of the digest in other letters: no medium contains its own digest except by design.
fn boundary(medium: &Medium) -> String {
    let digest = medium.digest().0;
    data_encoding::HEXLOWER.encode(digest.get(16..).unwrap_or_default())
}
