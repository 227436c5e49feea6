//! Logging in costs a BMC more than anything else we ask of it, and wrong passwords lock accounts.
//! So one login serves everybody, a refused token is replaced once, the lack of a session service or
//! of a free session falls back to Basic, and two authentication failures stop all requests.

use tokio::sync::Mutex;

use crate::{
    endpoint::Credentials,
    error::{Error, Kind},
    secret::Secret,
};

/// Consecutive failures after which nothing more is sent; accounts commonly lock at three to five.
const FAILURES_ALLOWED: u8 = 2;

#[derive(Clone)]
pub(crate) enum Login {
    /// `serial` tells two logins apart, so that a late 401 does not discard a newer token.
    Token {
        token: Secret,
        location: Option<String>,
        serial: u64,
    },
    Basic,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) login: Option<Login>,
    failures: u8,
    logins: u64,
}

impl State {
    /// Refuses before anything is sent once the guard has tripped.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.failures >= FAILURES_ALLOWED { Err(Error::new(Kind::LockedOut)) } else { Ok(()) }
    }

    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.login = None;
    }

    pub(crate) fn open(&mut self, token: Secret, location: Option<String>) -> Login {
        self.logins += 1;
        let login = Login::Token { token, location, serial: self.logins };
        self.login = Some(login.clone());
        login
    }

    pub(crate) fn use_basic(&mut self) -> Login {
        self.login = Some(Login::Basic);
        Login::Basic
    }

    /// Forgets a token that was refused, unless somebody has already replaced it.
    pub(crate) fn discard(&mut self, refused: &Login) {
        if let (Some(Login::Token { serial: current, .. }), Login::Token { serial, .. }) =
            (&self.login, refused)
            && current == serial
        {
            self.login = None;
        }
    }
}

pub(crate) struct Session {
    pub(crate) credentials: Credentials,
    /// Held across the login request on purpose: whoever comes second waits for the first login.
    pub(crate) state: Mutex<State>,
}

impl Session {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, state: Mutex::default() }
    }

    /// An answer that needed our identity proves that the credentials are right.
    pub(crate) async fn proven(&self) {
        self.state.lock().await.failures = 0;
    }

    pub(crate) async fn reset_lockout(&self) {
        self.state.lock().await.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_stop_everything() {
        let mut state = State::default();
        state.failed();
        assert!(state.check().is_ok());
        state.failed();
        assert_eq!(state.check().unwrap_err().kind(), &Kind::LockedOut);
    }

    #[test]
    fn a_late_refusal_does_not_discard_a_newer_token() {
        let mut state = State::default();
        let old = state.open(Secret::new("a"), None);
        let _new = state.open(Secret::new("b"), None);
        state.discard(&old);
        assert!(state.login.is_some());
    }
}
