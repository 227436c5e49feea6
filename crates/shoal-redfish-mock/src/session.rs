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
    account: u64,
    token: Secret,
    used: Duration,
}

impl Sessions {
    /// Opens a session of an account; `None` when as many as allowed are open.
    pub(crate) fn open(
        &mut self,
        account: u64,
        habits: &SessionHabits,
        now: Duration,
    ) -> Option<(u64, Secret)> {
        self.expire(habits, now);
        if self.open.len() >= habits.max {
            return None;
        }
        let mut raw = [0; 16];
        SystemRandom::new().fill(&mut raw).ok()?;
        let token = Secret::new(HEXLOWER.encode(&raw));
        self.last += 1;
        self.open.insert(self.last, Session { account, token: token.clone(), used: now });
        Some((self.last, token))
    }

    /// The account whose open session the token belongs to; that session is then in use as of now.
    pub(crate) fn admit(
        &mut self,
        token: &str,
        habits: &SessionHabits,
        now: Duration,
    ) -> Option<u64> {
        self.expire(habits, now);
        let session = self.open.values_mut().find(|session| session.token.is(token))?;
        session.used = now;
        Some(session.account)
    }

    /// Closes a session; false when there is none of that number.
    pub(crate) fn close(&mut self, id: u64) -> bool {
        self.open.remove(&id).is_some()
    }

    /// Closes every session of an account.
    pub(crate) fn close_of(&mut self, account: u64) {
        self.open.retain(|_, session| session.account != account);
    }

    /// Whose session that is.
    pub(crate) fn account(&self, id: u64) -> Option<u64> {
        self.open.get(&id).map(|session| session.account)
    }

    /// The sessions that are open now: their numbers, and those of their accounts.
    pub(crate) fn all(&mut self, habits: &SessionHabits, now: Duration) -> BTreeMap<u64, u64> {
        self.expire(habits, now);
        self.open.iter().map(|(id, session)| (*id, session.account)).collect()
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

    const HABITS: SessionHabits = SessionHabits {
        supported: true,
        max: 2,
        idle_seconds: 60,
        advertised_seconds: 60,
        locks_after: 0,
        login_needs: Vec::new(),
    };

    #[test]
    fn a_session_ends_when_it_is_not_used() {
        let mut sessions = Sessions::default();
        let (_, token) = sessions.open(7, &HABITS, Duration::ZERO).unwrap();
        let admit = |sessions: &mut Sessions, at| {
            sessions.admit(token.expose(), &HABITS, Duration::from_secs(at))
        };
        assert_eq!(admit(&mut sessions, 59), Some(7));
        assert_eq!(admit(&mut sessions, 118), Some(7));
        assert_eq!(admit(&mut sessions, 178), None);
    }

    #[test]
    fn one_session_too_many_is_refused_until_one_closes() {
        let mut sessions = Sessions::default();
        let (first, _) = sessions.open(7, &HABITS, Duration::ZERO).unwrap();
        sessions.open(7, &HABITS, Duration::ZERO).unwrap();
        assert!(sessions.open(7, &HABITS, Duration::ZERO).is_none());
        assert!(sessions.close(first));
        assert!(!sessions.close(first));
        assert!(sessions.open(7, &HABITS, Duration::ZERO).is_some());
    }
}
