//! A step begins by looking, and the step before it ended by looking at the same resource. Keeping
//! those looks for a few seconds saves a third of all requests. A recent look may only start a
//! change; what a step reports at its end was always read afresh.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

/// How long a look counts as recent.
const RECENT: Duration = Duration::from_secs(10);
/// How long it may be what a power-on relies on: the time between two requests of one flow.
const JUST_NOW: Duration = Duration::from_secs(1);

/// Whether a step may begin with what was seen moments ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Fresh,
    JustNow,
    Recent,
}

/// A resource as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    at: Instant,
    pub(crate) body: Arc<Value>,
    /// The tag from the header, else from the body.
    pub(crate) etag: Option<String>,
    pub(crate) allow: Option<String>,
}

impl Seen {
    pub(crate) fn now(body: Value, etag: Option<String>, allow: Option<String>) -> Self {
        let in_body = || {
            body.get("@odata.etag")
                .and_then(Value::as_str)
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
        };
        let etag = etag.or_else(in_body);
        Self { at: Instant::now(), body: Arc::new(body), etag, allow }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Recent {
    seen: HashMap<String, Seen>,
}

impl Recent {
    pub(crate) fn put(&mut self, path: &str, seen: Seen) {
        self.seen.retain(|_, old| old.at.elapsed() <= RECENT);
        self.seen.insert(path.to_owned(), seen);
    }

    /// What was seen of a resource, if it counts for a step that looks like this.
    pub(crate) fn as_of(&self, path: &str, look: Look) -> Option<Seen> {
        let most = match look {
            Look::Fresh => return None,
            Look::JustNow => JUST_NOW,
            Look::Recent => RECENT,
        };
        self.seen.get(path).filter(|seen| seen.at.elapsed() <= most).cloned()
    }

    /// The next read of these must be a real one.
    pub(crate) fn remove(&mut self, path: &str) {
        self.seen.remove(path);
    }

    /// A change sent to a resource, or to an action of it, makes its look stale.
    pub(crate) fn forget(&mut self, target: &str) {
        let resource = target.split("/Actions/").next().unwrap_or(target);
        self.seen.remove(resource);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_is_forgotten_after_a_change_and_after_a_while() {
        let mut recent = Recent::default();
        recent.put("/s/1", Seen::now(json!({"@odata.etag": "x"}), None, None));
        recent.put("/s/1/VirtualMedia/1", Seen::now(json!({}), None, None));
        recent.forget("/s/1/Actions/ComputerSystem.Reset");
        assert!(recent.as_of("/s/1", Look::Recent).is_none());
        assert!(recent.as_of("/s/1/VirtualMedia/1", Look::Recent).is_some());
        assert!(recent.as_of("/s/1/VirtualMedia/1", Look::JustNow).is_some());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(recent.as_of("/s/1/VirtualMedia/1", Look::JustNow).is_none());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(recent.as_of("/s/1/VirtualMedia/1", Look::Recent).is_none());
    }
}
