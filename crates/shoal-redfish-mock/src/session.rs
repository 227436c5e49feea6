//! Who may talk to a BMC: Basic credentials and sessions with their limit and idle time.

use std::{collections::BTreeMap, time::Duration};

use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderMap, header};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{config::Secret, persona::SessionHabits};

/// The open sessions of a BMC.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: BTreeMap<u64, Session>,
    last: u64,
}

#[derive(Debug)]
struct Session {
    token: Secret,
    used: Duration,
}

impl Sessions {
    /// Opens a session; `None` when as many as allowed are open.
    pub(crate) fn open(&mut self, habits: &SessionHabits, now: Duration) -> Option<(u64, Secret)> {
        self.expire(habits, now);
        if self.open.len() >= habits.max {
            return None;
        }
        let mut raw = [0; 16];
        SystemRandom::new().fill(&mut raw).ok()?;
        let token = Secret::new(HEXLOWER.encode(&raw));
        self.last += 1;
        self.open.insert(self.last, Session { token: token.clone(), used: now });
        Some((self.last, token))
    }

    /// Whether the token belongs to an open session, which is then in use as of now.
    pub(crate) fn admit(&mut self, token: &str, habits: &SessionHabits, now: Duration) -> bool {
        self.expire(habits, now);
        match self.open.values_mut().find(|session| session.token.is(token)) {
            Some(session) => {
                session.used = now;
                true
            }
            None => false,
        }
    }

    /// Closes a session; false when there is none of that number.
    pub(crate) fn close(&mut self, id: u64) -> bool {
        self.open.remove(&id).is_some()
    }

    /// Numbers of the sessions that are open now.
    pub(crate) fn ids(&mut self, habits: &SessionHabits, now: Duration) -> Vec<u64> {
        self.expire(habits, now);
        self.open.keys().copied().collect()
    }

    /// Closes every session, as a restart of the BMC does.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    fn expire(&mut self, habits: &SessionHabits, now: Duration) {
        let idle = Duration::from_secs(habits.idle_seconds);
        self.open.retain(|_, session| now.saturating_sub(session.used) < idle);
    }
}

/// What a request offers to be let in.
pub(crate) enum Offer {
    Token(String),
    Basic { user: String, password: Secret },
    Nothing,
}

impl Offer {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(token) = headers.get("x-auth-token").and_then(|value| value.to_str().ok()) {
            return Self::Token(token.to_owned());
        }
        text(header::AUTHORIZATION).and_then(basic).unwrap_or(Self::Nothing)
    }
}

fn basic(value: &str) -> Option<Offer> {
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Offer::Basic { user: user.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HABITS: SessionHabits =
        SessionHabits { supported: true, max: 2, idle_seconds: 60, advertised_seconds: 60 };

    #[test]
    fn a_session_ends_when_it_is_not_used() {
        let mut sessions = Sessions::default();
        let (_, token) = sessions.open(&HABITS, Duration::ZERO).unwrap();
        assert!(sessions.admit(token.expose(), &HABITS, Duration::from_secs(59)));
        assert!(sessions.admit(token.expose(), &HABITS, Duration::from_secs(118)));
        assert!(!sessions.admit(token.expose(), &HABITS, Duration::from_secs(178)));
    }

    #[test]
    fn one_session_too_many_is_refused_until_one_closes() {
        let mut sessions = Sessions::default();
        let (first, _) = sessions.open(&HABITS, Duration::ZERO).unwrap();
        sessions.open(&HABITS, Duration::ZERO).unwrap();
        assert!(sessions.open(&HABITS, Duration::ZERO).is_none());
        assert!(sessions.close(first));
        assert!(!sessions.close(first));
        assert!(sessions.open(&HABITS, Duration::ZERO).is_some());
    }
}
