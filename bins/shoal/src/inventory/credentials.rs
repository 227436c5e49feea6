//! The one account that many BMCs share, from a file that systemd and shells read as well.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::Error;
use crate::profile::read;
use crate::secret::Secret;

const USER: &str = "BMC_USER";
const PASSWORD: &str = "BMC_PASSWORD";

/// User and password of BMCs.
#[derive(Debug)]
pub(crate) struct Credentials {
    user: String,
    password: Secret,
}

impl Credentials {
    /// Reads `NAME=VALUE` lines. Other names than ours are somebody else's.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = Secret::new(read(path)?);
        let bad = |why| Error::CredentialsFile { path: path.to_owned(), why };
        let (mut user, mut password) = (None, None);
        for line in text.reveal().lines().map(str::trim) {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) = line.split_once('=') else { continue };
            let place = match name.trim() {
                USER => &mut user,
                PASSWORD => &mut password,
                _ => continue,
            };
            if place.replace(unquoted(value.trim())).is_some() {
                return Err(bad("a name is there twice"));
            }
        }
        let present = |value: Option<String>| value.filter(|value| !value.is_empty());
        let user = present(user).ok_or_else(|| bad("BMC_USER is missing"))?;
        let password = present(password).ok_or_else(|| bad("BMC_PASSWORD is missing"))?;
        Ok(Self { user, password: Secret::new(password) })
    }

    /// As the API takes them.
    pub(super) fn json(&self) -> Value {
        json!({ "user": self.user, "password": self.password.reveal() })
    }
}

/// The value without one pair of quotes around it.
fn unquoted(value: &str) -> String {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value).to_owned()
}
