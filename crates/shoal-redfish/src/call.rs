//! Authorised requests and the rules for sending one again. A read is repeated after any transient
//! failure. A change is repeated only after an answer (or a failed connection) that proves that
//! nothing happened; whatever may have happened is handed to the step, which looks first.

use std::{fmt::Display, time::Duration};

use serde_json::Value;

use crate::{
    answer::Answer,
    bmc::Bmc,
    error::Error,
    kind::Kind,
    learned::EtagForm,
    message,
    patience::{Deadline, Patience},
    recent::Seen,
    transcript::Op,
    wire::{Auth, Method, Request, Sent},
};

/// A change to a BMC.
pub(crate) struct Change<'a> {
    pub(crate) op: Op,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) timeout: Duration,
}

impl Bmc {
    /// Reads a JSON object.
    pub(crate) async fn get(&self, op: Op, path: &str) -> Result<Answer, Error> {
        self.read(op, path, true).await
    }

    /// Reads what Redfish serves without a login, which is only the service root.
    pub(crate) async fn get_as_anyone(&self, op: Op, path: &str) -> Result<Answer, Error> {
        self.read(op, path, false).await
    }

    async fn read(&self, op: Op, path: &str, authorised: bool) -> Result<Answer, Error> {
        // The semaphore is never closed; the permit lives in the result.
        let _permit = self.inner.readers.acquire().await;
        let sent = Sent::default();
        let request = self.request(op, Method::Get, path, &sent);
        let mut tries = self.tries();
        loop {
            let result = if authorised {
                self.authorised(&request).await
            } else {
                self.inner.wire.exchange(&request, Auth::Nobody).await
            };
            let error = match result.and_then(|answer| readable(answer, &request)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match error.kind() {
                Kind::Unreachable | Kind::Timeout { .. } | Kind::NotReady { .. } | Kind::Server => {
                    true
                }
                Kind::Protocol { what } => *what == BROKEN_JSON || *what == HTML,
                _ => false,
            };
            if !again || !self.wait_to_retry(&mut tries, op, &error).await {
                return Err(error);
            }
        }
    }

    /// Reads a resource and remembers it for the steps that follow.
    pub(crate) async fn observe(&self, op: Op, path: &str) -> Result<Seen, Error> {
        let answer = self.get(op, path).await?;
        let seen = Seen::now(answer.body, answer.etag, answer.allow);
        self.known().recent.put(path, seen.clone());
        Ok(seen)
    }

    /// Sends a change and waits for its task, if it becomes one.
    pub(crate) async fn change(
        &self,
        change: &Change<'_>,
        if_match: Option<&str>,
    ) -> Result<Answer, Error> {
        let mut tries = self.tries();
        let sent = Sent::default();
        loop {
            let error = match self.change_counted(change, if_match, &sent).await {
                Ok(answer) => return self.settled(change, answer).await,
                Err(error) => error,
            };
            let unsent = *error.kind() == Kind::Unreachable && !error.may_have_taken_effect();
            let refused = matches!(error.kind(), Kind::NotReady { .. });
            if !(unsent || refused) || !self.wait_to_retry(&mut tries, change.op, &error).await {
                return Err(error);
            }
        }
    }

    /// Sends a change exactly once; only a refused token or tag leads to a second request, since who
    /// refuses these has done nothing.
    pub(crate) async fn change_once(
        &self,
        change: &Change<'_>,
        if_match: Option<&str>,
    ) -> Result<Answer, Error> {
        self.change_counted(change, if_match, &Sent::default()).await
    }

    async fn change_counted(
        &self,
        change: &Change<'_>,
        if_match: Option<&str>,
        sent: &Sent,
    ) -> Result<Answer, Error> {
        if change.method != Method::Post {
            return self.send_change(change, if_match, sent).await;
        }
        // Actions carry no tag; a BMC that insists on one is content with any.
        let tagged = self.known().tagged_actions;
        let first = self.send_change(change, tagged.then_some("*"), sent).await;
        match first {
            Err(error) if *error.kind() == Kind::Precondition => {
                let second = self.send_change(change, (!tagged).then_some("*"), sent).await;
                if second.is_ok() {
                    self.known().tagged_actions = !tagged;
                }
                second
            }
            first => first,
        }
    }

    async fn send_change(
        &self,
        change: &Change<'_>,
        if_match: Option<&str>,
        sent: &Sent,
    ) -> Result<Answer, Error> {
        let request = Request {
            body: change.body,
            if_match,
            timeout: change.timeout,
            ..self.request(change.op, change.method, change.path, sent)
        };
        let result = self.authorised(&request).await;
        self.known().recent.forget(change.path);
        result.and_then(|answer| accepted(answer, &request))
    }

    /// Sends a PATCH with the form of `If-Match` this BMC accepts, trying each form at most once.
    pub(crate) async fn patch(
        &self,
        change: &Change<'_>,
        etag: Option<&str>,
        forms: &[EtagForm],
    ) -> Result<Answer, Error> {
        let learned = self.known().learned.etag;
        let mut etag = etag.map(str::to_owned);
        if etag.is_none() && matches!(learned, Some(EtagForm::Received | EtagForm::Strong)) {
            // Expanded reads carry no tag, and this BMC wants one.
            etag = self.observe(change.op, change.path).await?.etag;
        }
        let mut refusal = None;
        let mut sent = Vec::new();
        // The forms go round once more after the first refusal, with the tag that is read then.
        let first = learned.iter().chain(forms).take(1);
        for form in first.chain(learned.iter()).chain(forms) {
            let header = form.header(etag.as_deref());
            if sent.contains(&header) {
                continue;
            }
            match self.change(change, header.as_deref()).await {
                Err(error) if tag_refused(&error) => refusal = Some(error),
                Err(error) => return Err(error),
                Ok(answer) => {
                    // The first form says nothing about the BMC's taste; only a change of form does.
                    if !sent.is_empty() {
                        self.learn(|learned| learned.etag = Some(*form));
                    }
                    return Ok(answer);
                }
            }
            sent.push(header);
            if sent.len() == 1 {
                // The tag may be missing, because expanded reads carry none, or outdated.
                etag = self.observe(change.op, change.path).await?.etag;
            }
        }
        // What worked once does not any more.
        self.learn(|learned| learned.etag = None);
        Err(refusal.unwrap_or_else(|| Error::new(Kind::Precondition).at("PATCH", change.path)))
    }

    pub(crate) fn request<'a>(
        &self,
        op: Op,
        method: Method,
        path: &'a str,
        sent: &'a Sent,
    ) -> Request<'a> {
        Request {
            op,
            method,
            path,
            body: None,
            if_match: None,
            timeout: self.left().min(self.inner.options.request_timeout),
            sent,
        }
    }

    /// How long a request of this handle may still take.
    fn left(&self) -> Duration {
        Deadline::at(self.until).left()
    }

    pub(crate) fn tries(&self) -> Tries {
        let options = &self.inner.options;
        Tries {
            left: if self.until.is_some() { 1.min(options.retries) } else { options.retries },
            garbled: GARBLED,
            patience: Patience::new(
                options.retry_deadline.min(self.left()),
                options.backoff_first,
                options.backoff_most,
            ),
        }
    }

    /// Pauses before another try; false when there should be none.
    pub(crate) async fn wait_to_retry(&self, tries: &mut Tries, op: Op, error: &Error) -> bool {
        // Whoever is in a hurry has no time for a second timeout.
        let hopeless = self.until.is_some() && *error.kind() != Kind::Unreachable;
        if hopeless
            || error.was_tried_again()
            || !tries.allow(error.kind(), self.inner.options.retries)
        {
            return false;
        }
        let hint = match error.kind() {
            Kind::NotReady { retry_after } => *retry_after,
            _ => None,
        };
        let waited = tries.patience.pause(hint).await;
        if waited {
            self.sent_again(op, error);
        }
        waited
    }

    /// Counts a request that is sent a second time because of what became of the first.
    pub(crate) fn sent_again(&self, op: Op, why: &impl Display) {
        let vendor = self.inner.wire.vendor().label();
        metrics::counter!("redfish_retries_total", "op" => op.label(), "vendor" => vendor)
            .increment(1);
        tracing::debug!(op = op.label(), error = %why, "sending it again");
    }
}

const BROKEN_JSON: &str = "the body is broken JSON";
const HTML: &str = "the body is HTML";

/// How often something unreadable is asked for again: it is mostly what a BMC says while it starts,
/// but it may also be what it always says.
const GARBLED: u32 = 2;

/// How often, and how long, one request may still be repeated.
pub(crate) struct Tries {
    pub(crate) left: u32,
    pub(crate) garbled: u32,
    pub(crate) patience: Patience,
}

impl Tries {
    /// Takes one try. A BMC that says when it will be ready is waited for until the deadline alone.
    fn allow(&mut self, kind: &Kind, retries: u32) -> bool {
        let left = match kind {
            Kind::NotReady { .. } => return retries > 0,
            Kind::Protocol { .. } => &mut self.garbled,
            _ => &mut self.left,
        };
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    }
}

/// The change itself was refused for its tag, and not a look at the task that it became.
fn tag_refused(error: &Error) -> bool {
    *error.kind() == Kind::Precondition && !error.may_have_taken_effect()
}

fn readable(answer: Answer, request: &Request<'_>) -> Result<Answer, Error> {
    if answer.status >= 300 {
        return Err(refused(&answer, request));
    }
    if answer.body.is_object() {
        return Ok(answer);
    }
    let what = match (answer.not_json, answer.shown.trim_start().starts_with('<')) {
        (true, true) => HTML,
        (true, false) => BROKEN_JSON,
        (false, _) => "the body is no JSON object",
    };
    let error = Error::new(Kind::Protocol { what }).at(request.method.name(), request.path);
    Err(error.with_status(answer.status).with_messages(Vec::new(), answer.shown))
}

/// Any 2xx counts; HPE sends success as an error body, and the step reads the effect back anyway.
fn accepted(answer: Answer, request: &Request<'_>) -> Result<Answer, Error> {
    if answer.status >= 300 {
        return Err(refused(&answer, request));
    }
    if answer.not_json && answer.shown.trim_start().starts_with('<') {
        // A page for people says nothing about a change, whatever its status.
        let error = Error::new(Kind::Protocol { what: HTML });
        let error = error.at(request.method.name(), request.path).with_status(answer.status);
        return Err(error.with_messages(Vec::new(), answer.shown).unsure(true));
    }
    Ok(answer)
}

pub(crate) fn refused(answer: &Answer, request: &Request<'_>) -> Error {
    let kind = message::classify(answer.status, &message::read(&answer.body));
    // An internal failure of the BMC, or of a proxy in front of it, says nothing about the effect.
    let unsure = request.method != Method::Get && kind == Kind::Server;
    refusal(answer, request.method.name(), request.path, kind).unsure(unsure)
}

pub(crate) fn refusal(answer: &Answer, method: &'static str, path: &str, kind: Kind) -> Error {
    let kind = match kind {
        Kind::NotReady { retry_after } => {
            Kind::NotReady { retry_after: answer.retry_after.or(retry_after) }
        }
        kind => kind,
    };
    let ids = message::read(&answer.body).into_iter().map(|message| message.id).collect();
    Error::new(kind)
        .at(method, path)
        .with_status(answer.status)
        .with_messages(ids, answer.shown.clone())
}
