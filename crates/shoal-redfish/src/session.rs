//! Logging in costs a BMC more than anything else we ask of it, and wrong passwords lock accounts.
//! So one login serves everybody, a refused token is replaced once, the lack of a session service, or
//! of a free session while nothing was refused, falls back to Basic, two authentication failures stop
//! all requests, and whoever lets go of a connection logs out.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::Mutex};

use crate::{
    answer::Answer,
    bmc::{Bmc, Inner},
    call::{Tries, refusal},
    endpoint::Credentials,
    error::Error,
    examination::LoginForm,
    kind::Kind,
    message,
    patience::Deadline,
    secret::Secret,
    transcript::Op,
    wire::{Auth, Method, Request, Sent, Wire},
};

/// Consecutive failures after which nothing more is sent; accounts commonly lock at three to five.
pub(crate) const FAILURES_ALLOWED: u8 = 2;

/// Refused sessions remembered for the logout; older ones have expired on the BMC by then.
const ABANDONED: usize = 4;

/// How often a request is sent again with a token that was issued a moment ago and yet refused: a
/// BMC that has just restarted does that, and a token locks no account.
const STRAYS: u32 = 2;

/// Logins whose answer was lost may each have left a session open, and a BMC has few.
const LOST_LOGINS: u32 = 2;

/// How long a connection that was let go without a word may take to log out.
const LAST_WORD: Duration = Duration::from_secs(5);

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
    /// Sessions whose token was refused once; they may still be open on the BMC.
    abandoned: Vec<Login>,
    failures: u8,
    logins: u64,
    /// The credentials were accepted on this connection, so that a refusal may be a mistake.
    proven: bool,
    /// Basic authentication is used because there was no free session.
    crowded: bool,
}

impl State {
    /// Refuses before anything is sent once the guard has tripped.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.failures >= FAILURES_ALLOWED { Err(Error::new(Kind::LockedOut)) } else { Ok(()) }
    }

    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.abandon();
    }

    pub(crate) fn open(&mut self, token: Secret, location: Option<String>) -> Login {
        self.logins += 1;
        let login = Login::Token { token, location, serial: self.logins };
        self.login = Some(login.clone());
        login
    }

    pub(crate) fn use_basic(&mut self, crowded: bool) -> Login {
        self.crowded = crowded;
        self.login = Some(Login::Basic);
        Login::Basic
    }

    pub(crate) fn forget_basic(&mut self) {
        self.login = self.login.take().filter(|login| !matches!(login, Login::Basic));
    }

    /// Forgets a token that was refused, unless somebody has already replaced it.
    pub(crate) fn discard(&mut self, refused: &Login) {
        if let (Some(Login::Token { serial: current, .. }), Login::Token { serial, .. }) =
            (&self.login, refused)
            && current == serial
        {
            self.abandon();
        }
    }

    fn abandon(&mut self) {
        self.abandoned.extend(self.login.take());
        if self.abandoned.len() > ABANDONED {
            self.abandoned.remove(0);
        }
    }

    /// Everything that may still be open on the BMC, to be logged out.
    pub(crate) fn take_all(&mut self) -> Vec<Login> {
        self.abandon();
        std::mem::take(&mut self.abandoned)
    }
}

pub(crate) struct Session {
    pub(crate) credentials: Credentials,
    /// Held across the login request on purpose: whoever comes second waits for the first login.
    pub(crate) state: Mutex<State>,
    /// Where the first login ran, for a logout when nobody is left to wait for it.
    runtime: OnceLock<Handle>,
}

impl Session {
    pub(crate) fn new(credentials: Credentials, failures: u8) -> Self {
        let state = Mutex::new(State { failures, ..State::default() });
        Self { credentials, state, runtime: OnceLock::new() }
    }

    pub(crate) async fn refused(&self) -> u8 {
        self.state.lock().await.failures
    }

    /// An answer that needed our identity proves that the credentials are right.
    pub(crate) async fn proven(&self) {
        let mut state = self.state.lock().await;
        (state.failures, state.proven) = (0, true);
    }

    pub(crate) async fn reset_lockout(&self) {
        self.state.lock().await.failures = 0;
    }
}

impl Bmc {
    /// Sends a request as whoever we are logged in as, renewing a refused token once.
    pub(crate) async fn authorised(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let (mut login, mut fresh) = self.login().await?;
        let mut strays = Tries { left: STRAYS, ..self.tries() };
        loop {
            let answer = self.exchange_as(&login, request).await?;
            if answer.status != 401 {
                if answer.status < 400 {
                    self.inner.session.proven().await;
                }
                return Ok(answer);
            }
            // A 401 proves that the request did nothing, so that it may be sent again.
            let refused = refusal(&answer, request.method.name(), request.path, Kind::Auth);
            if matches!(login, Login::Basic) {
                let mut state = self.inner.session.state.lock().await;
                state.failed();
                return if state.crowded {
                    Err(refused.instead(Kind::SessionLimit))
                } else {
                    Ok(answer)
                };
            }
            if !fresh {
                // The token has expired or was revoked.
                self.inner.session.state.lock().await.discard(&login);
                (login, _) = self.login().await?;
                fresh = true;
                self.sent_again(request.op, &refused);
            } else if !self.wait_to_retry(&mut strays, request.op, &refused).await {
                let mut state = self.inner.session.state.lock().await;
                match self.until {
                    None => state.failed(),
                    // Whoever is in a hurry did not wait until the token was taken, so that its
                    // refusal says nothing about the credentials, which were accepted for it.
                    Some(_) => state.discard(&login),
                }
                return Ok(answer);
            }
        }
    }

    /// How the BMC knows us at the moment.
    pub(crate) async fn login_form(&self) -> Option<LoginForm> {
        let state = self.inner.session.state.lock().await;
        state.login.as_ref().map(|login| match login {
            Login::Token { .. } => LoginForm::Session,
            Login::Basic => LoginForm::Basic,
        })
    }

    async fn exchange_as(&self, login: &Login, request: &Request<'_>) -> Result<Answer, Error> {
        let auth = match login {
            Login::Token { token, .. } => Auth::Token(token),
            Login::Basic => Auth::Basic(&self.inner.session.credentials),
        };
        self.inner.wire.exchange(request, auth).await
    }

    /// The login in use, and whether it was made just now.
    async fn login(&self) -> Result<(Login, bool), Error> {
        let mut state = self.inner.session.state.lock().await;
        state.check()?;
        if let Some(login) = &state.login {
            return Ok((login.clone(), false));
        }
        // Without a runtime there is nobody to send a request either.
        self.inner.session.runtime.get_or_init(Handle::current);
        let (sessions, oem) = {
            let known = self.known();
            (known.access.sessions.clone(), known.session_rules.oem.clone())
        };
        let Some(path) = sessions else { return Ok((state.use_basic(false), true)) };
        let credentials = &self.inner.session.credentials;
        let mut body =
            json!({"UserName": credentials.user, "Password": credentials.password.reveal()});
        if let (Some(oem), Some(fields)) = (oem, body.as_object_mut()) {
            fields.insert("Oem".to_owned(), oem);
        }
        let sent = Sent::default();
        let request =
            Request { body: Some(&body), ..self.request(Op::Session, Method::Post, &path, &sent) };
        let mut tries = self.tries();
        let mut lost = 0;
        loop {
            let result = self.inner.wire.exchange(&request, Auth::Nobody).await;
            let error = match result {
                Ok(answer) => match self.judge_login(&mut state, answer, &path) {
                    Ok(login) => return Ok((login, true)),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            lost += u32::from(error.may_have_taken_effect());
            let again = match error.kind() {
                Kind::Unreachable | Kind::Timeout { .. } => lost <= LOST_LOGINS,
                Kind::NotReady { .. } | Kind::Server => true,
                // What worked on this connection before is tried as often as the guard allows.
                Kind::Auth => state.proven && state.check().is_ok(),
                _ => false,
            };
            if !again || !self.wait_to_retry(&mut tries, Op::Session, &error).await {
                // Whatever became of the login, the request that needed it was never sent.
                return Err(error.unsure(false).after_all_tries());
            }
        }
    }

    fn judge_login(&self, state: &mut State, answer: Answer, path: &str) -> Result<Login, Error> {
        if answer.status < 300 {
            let link = answer.location.or_else(|| {
                answer.body.get("@odata.id").and_then(Value::as_str).map(str::to_owned)
            });
            let location = link.and_then(|link| self.inner.wire.path_of_own(&link));
            return Ok(match answer.token {
                Some(token) => state.open(token, location),
                None => state.use_basic(false),
            });
        }
        let messages = message::read(&answer.body);
        let kind = message::classify(answer.status, &messages);
        let unauthorised = messages.iter().any(|message| message.key().contains("Unauthorized"));
        if kind == Kind::Auth || unauthorised {
            state.failed();
            return Err(refusal(&answer, "POST", path, Kind::Auth));
        }
        match answer.status {
            // A full session table must not keep us out. Where Basic authentication was refused, with
            // a right password because it is off, asking again would only count towards the guard.
            _ if kind == Kind::SessionLimit && state.failures == 0 => Ok(state.use_basic(true)),
            _ if kind == Kind::SessionLimit => Err(refusal(&answer, "POST", path, kind)),
            // Neither must a login form we do not know.
            400 | 404 | 405 | 501 => Ok(state.use_basic(false)),
            _ => Err(refusal(&answer, "POST", path, kind)),
        }
    }
}

/// Logs out wherever a session may still be open, all within one limit. The last failure counts.
pub(crate) async fn log_out(wire: &Wire, logins: Vec<Login>, limit: Duration) -> Result<(), Error> {
    let mut failure = None;
    let deadline = Deadline::after(limit);
    for login in logins {
        let Login::Token { token, location: Some(path), .. } = login else { continue };
        let request = Request {
            op: Op::Session,
            method: Method::Delete,
            path: &path,
            body: None,
            if_match: None,
            timeout: deadline.left(),
            sent: &Sent::default(),
        };
        failure = wire.exchange(&request, Auth::Token(&token)).await.err().or(failure);
    }
    failure.map_or(Ok(()), Err)
}

/// A connection that was let go without [`Bmc::close`] logs out on its own, as well as it can: nobody
/// waits for it, and it ends with the runtime.
impl Drop for Inner {
    fn drop(&mut self) {
        let logins = self.session.state.get_mut().take_all();
        let Some(runtime) = self.session.runtime.get() else { return };
        if logins.iter().any(|login| matches!(login, Login::Token { location: Some(_), .. })) {
            let wire = Arc::clone(&self.wire);
            runtime.spawn(async move {
                if let Err(error) = log_out(&wire, logins, LAST_WORD).await {
                    tracing::debug!(error = %error, "a session was left open");
                }
            });
        }
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
