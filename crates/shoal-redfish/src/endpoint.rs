//! Where a BMC is and how to prove that it is the right one: address, TLS policy, credentials and
//! the limits every request obeys. These are the only inputs that a connection needs.

use std::{fmt, sync::Arc, time::Duration};

use url::Url;

use crate::{
    learned::Learning, media_url::BadUrl, profile::Profiles, secret::Secret, tls::Fingerprint,
};

/// The address of one BMC, how its certificate is judged, and who we log in as.
#[derive(Debug, Clone)]
pub struct Endpoint {
    base: Url,
    tls: Tls,
    credentials: Credentials,
}

impl Endpoint {
    /// Parses the address. Only the origin counts: a path is dropped, because Redfish always starts
    /// at `/redfish/v1`. `http` is accepted for emulators; the TLS policy is then unused.
    pub fn new(url: &str, tls: Tls, credentials: Credentials) -> Result<Self, AddressError> {
        let mut base = Url::parse(url).map_err(|why| AddressError::Unreadable(BadUrl(why)))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(AddressError::Scheme(base.scheme().to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(AddressError::Credentials);
        }
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base, tls, credentials })
    }

    /// The origin, such as `https://10.0.0.7/`.
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a URL at all.
    #[error("the BMC address is not a URL")]
    Unreadable(#[source] BadUrl),
    /// Neither `http` nor `https`.
    #[error("the BMC address has scheme {0}, which is neither http nor https")]
    Scheme(String),
    /// A user name or password inside the URL would end up in logs.
    #[error("the BMC address carries credentials; pass them separately")]
    Credentials,
}

/// How the BMC's certificate is judged.
#[derive(Clone, Debug)]
pub enum Tls {
    /// Only certificates below these PEM roots, with the right name and within their dates; or one of
    /// these certificates itself, as long as it lasts, for any of its names, or for any address if it
    /// has none.
    Ca(String),
    /// Exactly this certificate or key, whatever name and dates it carries.
    /// This is the policy for the self-signed certificates most BMCs leave the factory with.
    Pin(Fingerprint),
    /// Any certificate. The reason is required so that it can be audited.
    Insecure {
        /// Why nobody checks this BMC's certificate.
        reason: String,
    },
}

/// A BMC account.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

impl Credentials {
    /// An account by name and password.
    pub fn new(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password }
    }
}

/// Limits and timing of one connection. The defaults suit real BMCs over a management network.
#[derive(Clone)]
pub struct Options {
    /// Time one request may take (30 s).
    pub request_timeout: Duration,
    /// Time an insert may take: some BMCs download the whole image before they answer (180 s).
    pub media_timeout: Duration,
    /// How often a failed request that surely had no effect is sent again (5). A BMC that answers that
    /// it is not ready is asked again until `retry_deadline`, unless this is 0.
    pub retries: u32,
    /// First pause between such tries (0.5 s); it doubles each time.
    pub backoff_first: Duration,
    /// Longest pause between such tries (8 s). A `Retry-After` of the BMC wins.
    pub backoff_most: Duration,
    /// No request is tried again when its pause would end later than this after its start (120 s).
    pub retry_deadline: Duration,
    /// Reads in flight at once (2). Writes are always one at a time.
    pub concurrency: usize,
    /// First pause before the state is read again while waiting for an effect (2 s).
    pub poll_first: Duration,
    /// Longest pause between such reads (5 s).
    pub poll_most: Duration,
    /// How long a power change may take to show (120 s).
    pub power_timeout: Duration,
    /// How long a refusal such as "the server is in POST" is waited out (120 s).
    pub busy_timeout: Duration,
    /// Vendor behaviour; the built-in set unless the operator has overrides.
    pub profiles: Arc<Profiles>,
    /// Logins of this account which earlier connections saw refused in a row (0). Together with those
    /// of this connection they count against the two that stop all requests.
    pub refused_logins: u8,
    /// The kind this BMC was of when it was last read (unknown), see
    /// [`Learned::kind_of`](crate::Learned::kind_of). With what is known of the kind a discovery
    /// needs fewer reads; a BMC of another kind is read whole.
    pub kind: Option<String>,
    /// What connections to BMCs of the same kind find out, for each other (nothing).
    pub learning: Learning,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            media_timeout: Duration::from_mins(3),
            retries: 5,
            backoff_first: Duration::from_millis(500),
            backoff_most: Duration::from_secs(8),
            retry_deadline: Duration::from_mins(2),
            concurrency: 2,
            poll_first: Duration::from_secs(2),
            poll_most: Duration::from_secs(5),
            power_timeout: Duration::from_mins(2),
            busy_timeout: Duration::from_mins(2),
            profiles: Profiles::builtin(),
            refused_logins: 0,
            kind: None,
            learning: Learning::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("request_timeout", &self.request_timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, AddressError> {
        let tls = Tls::Insecure { reason: "test".into() };
        Endpoint::new(url, tls, Credentials::new("admin", Secret::new("p")))
    }

    #[test]
    fn only_the_origin_of_an_address_is_kept() {
        assert_eq!(
            endpoint("https://[fd00::7]:8443/redfish/v1?x=1").unwrap().url(),
            "https://[fd00::7]:8443/"
        );
    }

    #[test]
    fn credentials_inside_an_address_are_refused() {
        assert!(matches!(endpoint("https://a:b@host"), Err(AddressError::Credentials)));
        assert!(matches!(endpoint("ftp://host"), Err(AddressError::Scheme(_))));
    }
}
