//! Faults by script: which request goes wrong, how, and how often, decided before the run, so
//! that a failure is the same every time. A held request gives a test the moment between a
//! change and its answer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use crate::EffectKind;

/// Which requests a rule looks at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum When {
    /// By method (`*` for any) and path without query; `*` in the path matches any characters.
    Request {
        /// Method.
        method: String,
        /// Path pattern.
        path: String,
    },
    /// By the change that the request asks for, whether or not it will be refused.
    Intends(EffectKind),
}

impl When {
    /// Requests by method and path pattern.
    pub fn request(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self::Request { method: method.into(), path: path.into() }
    }

    fn matches(&self, method: &str, path: &str, intent: Option<EffectKind>) -> bool {
        match self {
            Self::Request { method: wanted, path: pattern } => {
                (wanted == "*" || wanted == method) && glob(pattern, path)
            }
            Self::Intends(kind) => intent == Some(*kind),
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Answers this without doing anything.
    Status {
        /// Status code.
        code: u16,
        /// `MessageId` of the error body.
        message_id: String,
        /// `Retry-After` header as sent.
        retry_after: Option<String>,
    },
    /// Waits this long, in clock time, before doing anything.
    Delay(Duration),
    /// Holds the request before its effect until the handle lets it go.
    HoldBefore,
    /// Holds the request after its effect and before its answer.
    HoldAfter,
    /// Cuts the connection before the effect.
    CloseBefore,
    /// Cuts the connection after the effect: a lost answer.
    CloseAfter,
    /// Sends half of the body that the headers promise, then cuts the connection.
    Truncate,
    /// Answers with an HTML page and the status the answer would have had.
    Html,
    /// Answers with JSON that is not Redfish: an array of a number.
    WrongJson,
    /// Answers with a body of this many bytes of valid JSON.
    Huge(usize),
    /// Sends the body in this many pieces with a pause of clock time before each.
    SlowBody {
        /// Number of pieces.
        pieces: u32,
        /// Pause before each piece.
        pause: Duration,
    },
    /// Answers an insertion as if it had succeeded, and shows the image in the slot from then on,
    /// without having opened it: the host finds nothing there. An ejection ends it.
    PretendInsert,
    /// Carries the request out and answers with another value at this JSON pointer, such as
    /// `/PowerState`; what is not in the answer is not added.
    Rewrite {
        /// Where.
        pointer: String,
        /// What stands there then.
        value: serde_json::Value,
    },
}

/// One rule: of the matching requests it passes over `skip`, then acts on `times`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which requests.
    pub when: When,
    /// How many matching requests go unharmed first.
    pub skip: u32,
    /// On how many it then acts.
    pub times: u32,
    /// What it does.
    pub action: Action,
}

impl Rule {
    /// Acts on the first matching request only.
    pub fn once(when: When, action: Action) -> Self {
        Self { when, skip: 0, times: 1, action }
    }

    /// Acts on the `n`th matching request only, counted from 1.
    pub fn nth(when: When, n: u32, action: Action) -> Self {
        Self { when, skip: n.saturating_sub(1), times: 1, action }
    }

    /// Acts on the first `times` matching requests.
    pub fn times(when: When, times: u32, action: Action) -> Self {
        Self { when, skip: 0, times, action }
    }

    /// Acts on every matching request.
    pub fn always(when: When, action: Action) -> Self {
        Self { when, skip: 0, times: u32::MAX, action }
    }
}

/// The rules of one BMC. The first rule that acts on a request decides; later ones do not see it.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    rule: Rule,
    seen: u32,
    handle: Fault,
}

impl Faults {
    /// Arms a rule.
    pub fn add(&self, rule: Rule) -> Fault {
        let handle = Fault(Arc::new(Shared {
            hits: watch::Sender::new(0),
            held: watch::Sender::new(0),
            gates: Mutex::new(VecDeque::new()),
        }));
        self.rules().push(Armed { rule, seen: 0, handle: handle.clone() });
        handle
    }

    /// Disarms every rule and lets held requests go on.
    pub fn clear(&self) {
        for armed in self.rules().drain(..) {
            while armed.handle.release() {}
        }
    }

    pub(crate) fn pick(
        &self,
        method: &str,
        path: &str,
        intent: Option<EffectKind>,
    ) -> Option<(Action, Fault)> {
        for armed in self.rules().iter_mut() {
            if !armed.rule.when.matches(method, path, intent) {
                continue;
            }
            armed.seen = armed.seen.saturating_add(1);
            let number = armed.seen - 1;
            if number < armed.rule.skip || number - armed.rule.skip >= armed.rule.times {
                continue;
            }
            armed.handle.0.hits.send_modify(|hits| *hits += 1);
            return Some((armed.rule.action.clone(), armed.handle.clone()));
        }
        None
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handle of an armed rule; for the hold actions also the handle of the held requests.
#[derive(Clone, Debug)]
pub struct Fault(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    hits: watch::Sender<u32>,
    held: watch::Sender<usize>,
    gates: Mutex<VecDeque<oneshot::Sender<Verdict>>>,
}

/// What becomes of a held request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    Cut,
}

impl Fault {
    /// On how many requests the rule has acted.
    pub fn hits(&self) -> u32 {
        *self.0.hits.borrow()
    }

    /// Waits until the rule has acted at least once.
    pub async fn hit(&self) {
        // The sender is in the value waited on, so the wait cannot end with an error.
        let _ = self.0.hits.subscribe().wait_for(|hits| *hits > 0).await;
    }

    /// Waits until a request is held.
    pub async fn reached(&self) {
        let _ = self.0.held.subscribe().wait_for(|held| *held > 0).await;
    }

    /// Lets the oldest held request go on; false when none is held.
    pub fn release(&self) -> bool {
        self.decide(Verdict::Go)
    }

    /// Cuts the connection of the oldest held request; false when none is held.
    ///
    /// A request held before its effect then has none.
    pub fn drop_connection(&self) -> bool {
        self.decide(Verdict::Cut)
    }

    fn decide(&self, verdict: Verdict) -> bool {
        let mut gates = self.gates();
        let Some(gate) = gates.pop_front() else { return false };
        self.0.held.send_replace(gates.len());
        gate.send(verdict).is_ok()
    }

    pub(crate) async fn hold(&self) -> Verdict {
        let (gate, verdict) = oneshot::channel();
        {
            let mut gates = self.gates();
            gates.push_back(gate);
            self.0.held.send_replace(gates.len());
        }
        verdict.await.unwrap_or(Verdict::Cut)
    }

    fn gates(&self) -> MutexGuard<'_, VecDeque<oneshot::Sender<Verdict>>> {
        self.0.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `text` matches a pattern in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(found) = text.find(piece) else { return false };
        text = text.get(found + piece.len()..).unwrap_or_default();
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests;
