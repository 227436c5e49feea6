//! Who calls, and whether they may. Basic credentials and bearer tokens lead to the same
//! [`Caller`]; what a caller may do follows from its role and the method alone,
//! so no route can forget to ask.

mod account;
mod password;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use http::{Extensions, HeaderMap, Method, header};
use ring::digest;
use shoal_core::Time;
use shoal_store::{Actor, Caller, Role, Store};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use self::account::Accounts;
pub use self::{
    account::User,
    password::{BadPasswordHash, PasswordHash},
};
use crate::{
    admin,
    api::{ClientAddr, Shared},
    error::{Code, Error, chain},
    registry,
    throttle::{Rate, Throttle},
};

/// Longest `Authorization` header that is looked at.
const AUTHORIZATION_MAX: usize = 1024;

/// Logins: the accounts of the configuration and the API tokens of the store.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

/// Which logins are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Passwords and API tokens.
    #[default]
    Any,
    /// Passwords only.
    Basic,
    /// API tokens only.
    Token,
}

struct Inner {
    mode: AuthMode,
    accounts: RwLock<Arc<Accounts>>,
    store: Store,
    logins: Throttle<IpAddr>,
    /// A password check takes a processor for tens of milliseconds; this many may run at once.
    checks: Semaphore,
}

/// Bounds on logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimits {
    /// Of one address: passwords not verified before, and wrong tokens.
    pub attempts: Rate,
    /// Password checks running at once.
    pub checks: usize,
}

impl Default for LoginLimits {
    fn default() -> Self {
        let burst = NonZeroU32::new(20).unwrap_or(NonZeroU32::MIN);
        Self { attempts: Rate { burst, every: Duration::from_secs(3) }, checks: 2 }
    }
}

impl Auth {
    /// Logins of `users` and of the tokens in `store`, as far as the mode accepts them.
    pub fn new(mode: AuthMode, users: Vec<User>, store: Store, limits: LoginLimits) -> Self {
        Self(Arc::new(Inner {
            mode,
            accounts: RwLock::new(Arc::new(Accounts::new(users))),
            store,
            logins: Throttle::new(limits.attempts),
            checks: Semaphore::new(limits.checks.max(1)),
        }))
    }

    /// Takes other users from the next request on. What was verified before is forgotten.
    pub fn replace_users(&self, users: Vec<User>) {
        let accounts = Arc::new(Accounts::new(users));
        *self.0.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    /// Pays for one attempt to log in from an address, at a door of the controller that is not this
    /// crate's, or says how long to wait.
    ///
    /// # Errors
    /// How long to wait.
    pub fn attempt(&self, from: IpAddr) -> Result<(), Duration> {
        self.0.logins.check(&network(from))
    }

    /// Who sent these headers.
    ///
    /// Every refusal is counted before a rate limit can answer in its place.
    async fn caller(&self, headers: &HeaderMap, from: IpAddr, now: Time) -> Result<Caller, Error> {
        let sent = credentials(headers).map(|sent| sent.accepted(self.0.mode));
        let found = match sent {
            None => return Err(Error::new(Code::Unauthorized, "this needs a login")),
            Some(Credentials::Unreadable) => None,
            Some(Credentials::Bearer(sha256)) => self.bearer(sha256, now).await?,
            Some(Credentials::Basic(login)) => return self.basic(login, from).await,
        };
        found.ok_or_else(|| self.refusal(from))
    }

    async fn bearer(&self, sha256: [u8; 32], now: Time) -> Result<Option<Caller>, Error> {
        let found = self.0.store.api_token(sha256).await.map_err(Error::store)?;
        let Some(token) = found.filter(|token| token.is_valid(now)) else { return Ok(None) };
        if token.is_use_news(now)
            && let Err(error) = self.0.store.api_token_used(sha256, now).await
        {
            // Who calls is known; that the use is not noted is no reason to turn them away.
            tracing::warn!(error = %chain(&error), token = token.id, "use of a token not noted");
        }
        Ok(Some(token.caller))
    }

    async fn basic(&self, login: Login, from: IpAddr) -> Result<Caller, Error> {
        let accounts = Arc::clone(&self.0.accounts.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(caller) = accounts.verified(&login) {
            return Ok(caller);
        }
        // The attempt is paid for before it is made: guessing must not cost us processor time.
        if let Err(wait) = self.0.logins.check(&network(from)) {
            count_failure();
            return Err(Error::rate_limited(wait));
        }
        let permit = self.0.checks.acquire().await;
        let checked = tokio::task::spawn_blocking(move || accounts.verify(&login)).await;
        drop(permit);
        match checked {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => {
                count_failure();
                Err(wrong())
            }
            Err(_) => Err(Error::new(Code::Internal, "the login could not be checked")),
        }
    }

    fn refusal(&self, from: IpAddr) -> Error {
        count_failure();
        match self.0.logins.check(&network(from)) {
            Ok(()) => wrong(),
            Err(wait) => Error::rate_limited(wait),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// Layer: puts the [`Caller`] and the [`Actor`] they are into the request's extensions, or refuses.
/// The answer carries the actor for the log line.
pub(crate) async fn identify(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = client(request.extensions());
    match shared.api.auth.caller(request.headers(), from, shared.now()).await {
        Ok(caller) => {
            let address = request.extensions().get::<ClientAddr>().map(|it| it.0.to_canonical());
            let actor = Actor { name: caller.name.clone(), address };
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(actor.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(actor);
            response
        }
        Err(error) => error.into_response(),
    }
}

/// Layer: lets readers read, operators write, and administrators do what concerns the installation.
pub(crate) async fn permit(request: Request, next: Next) -> Response {
    let reads = is_read(request.method());
    let Some(caller) = request.extensions().get::<Caller>() else {
        return Error::new(Code::Unauthorized, "this needs a login").into_response();
    };
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let needed = needed(path, reads);
    if caller.role < needed {
        let (needed, is) = (needed.as_str(), caller.role.as_str());
        let message = format!("this needs the role {needed}; the caller's is {is}");
        return Error::new(Code::Forbidden, message).into_response();
    }
    // A browser adds a stored login to requests of other sites too, and says so.
    let site = request.headers().get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    if !reads && matches!(site, Some(b"cross-site" | b"same-site")) {
        return Error::new(Code::Forbidden, "another web site sent this").into_response();
    }
    next.run(request).await
}

/// The role that a call needs.
pub(crate) fn needed(path: Option<&str>, reads: bool) -> Role {
    // Without a template nobody can say which call it is.
    let of_installation = path.is_none_or(|path| path.starts_with(admin::PREFIX));
    let of_registry = path.is_some_and(|path| path.starts_with(registry::PREFIX));
    match (of_installation || (of_registry && !reads), reads) {
        (true, _) => Role::Admin,
        (false, true) => Role::Reader,
        (false, false) => Role::Operator,
    }
}

pub(crate) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The caller's address; one and the same for all when the listener does not tell.
pub(crate) fn client(extensions: &Extensions) -> IpAddr {
    extensions.get::<ClientAddr>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |addr| addr.0)
}

/// The address, or the network that one customer of IPv6 is usually given.
pub(crate) fn network(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// A name and a password as they were sent.
struct Login {
    name: String,
    password: Zeroizing<Vec<u8>>,
}

enum Credentials {
    Basic(Login),
    Bearer([u8; 32]),
    Unreadable,
}

impl Credentials {
    /// Those of a kind that is not accepted are as good as unreadable.
    fn accepted(self, mode: AuthMode) -> Self {
        match (&self, mode) {
            (Self::Basic(_), AuthMode::Token) | (Self::Bearer(_), AuthMode::Basic) => {
                Self::Unreadable
            }
            (Self::Basic(_) | Self::Bearer(_) | Self::Unreadable, _) => self,
        }
    }
}

/// What the one `Authorization` header says; none when there is no such header.
fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.as_bytes();
    let readable = values.next().is_none() && value.len() <= AUTHORIZATION_MAX;
    let parsed = readable.then(|| scheme(value)).flatten();
    Some(parsed.unwrap_or(Credentials::Unreadable))
}

fn scheme(value: &[u8]) -> Option<Credentials> {
    let at = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at_checked(at)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        let sha256 = digest::digest(&digest::SHA256, rest);
        return sha256.as_ref().try_into().ok().map(Credentials::Bearer);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = Zeroizing::new(BASE64.decode(rest).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let (name, password) = pair.split_at_checked(colon)?;
    let name = std::str::from_utf8(name).ok()?.to_owned();
    let password = Zeroizing::new(password.get(1..)?.to_vec());
    Some(Credentials::Basic(Login { name, password }))
}

fn wrong() -> Error {
    Error::new(Code::Unauthorized, "the login is wrong")
}

fn count_failure() {
    metrics::counter!("login_auth_failures_total", "surface" => "api").increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one_and_mapped_ones_as_ipv4() {
        let net = |text: &str| network(text.parse().unwrap());
        assert_eq!(net("2001:db8::1"), net("2001:db8::ffff:1"));
        assert_ne!(net("2001:db8:0:1::1"), net("2001:db8::1"));
        assert_eq!(net("::ffff:192.0.2.1"), net("192.0.2.1"));
    }

    #[test]
    fn odd_authorization_headers_are_unreadable_and_not_a_crash() {
        for odd in ["", "Basic", "Basic !!", "Basic YQ==", "Digest x", "Basic  ", " ", "bearer"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, odd.parse().unwrap());
            assert!(matches!(credentials(&headers), Some(Credentials::Unreadable)), "{odd:?}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::AUTHORIZATION, "Bearer a".parse().unwrap());
        twice.append(header::AUTHORIZATION, "Bearer b".parse().unwrap());
        assert!(matches!(credentials(&twice), Some(Credentials::Unreadable)));
        assert!(credentials(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_password_may_hold_colons() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "basic b3A6YTpi".parse().unwrap());
        let Some(Credentials::Basic(login)) = credentials(&headers) else { panic!("not basic") };
        assert_eq!((login.name.as_str(), login.password.as_slice()), ("op", b"a:b".as_slice()));
    }
}
