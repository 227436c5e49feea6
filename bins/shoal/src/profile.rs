//! From flags, environment and configuration file to one answer: which controller, how it is
//! trusted, and who asks. Each of the three is taken whole from the first source that has it, so
//! that a token never meets an address it was not meant for by accident.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::{Host, Url};

use crate::args::Connection;
use crate::error::Error;
use crate::secret::Secret;
use crate::tls::{Pin, Trust};

/// Environment variables by name, as they were when the program started.
pub(crate) type Environment = BTreeMap<String, String>;

/// How to reach one controller.
#[derive(Debug)]
pub(crate) struct Access {
    /// Ends with a slash.
    pub(crate) base: Url,
    pub(crate) trust: Trust,
    pub(crate) login: Login,
}

/// Who asks.
#[derive(Debug)]
pub(crate) enum Login {
    Nobody,
    Token(Secret),
    Password { user: String, password: Secret },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    default_profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// One profile; paths are relative to the configuration file.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    url: Option<String>,
    ca: Option<PathBuf>,
    pin: Option<String>,
    token_file: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    #[serde(default)]
    plain_http: bool,
}

/// Decides how to reach the controller. `prompt` is asked for a password that no file holds.
pub(crate) fn resolve(
    flags: &Connection,
    environment: &Environment,
    prompt: &dyn Fn(&str) -> io::Result<String>,
) -> Result<Access, Error> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let profile = profile(flags, environment)?;
    let (base, trust) = reached(flags, environment, &profile)?;

    let login = if let Some(path) = &flags.token_file {
        token(path)?
    } else if let Some(user) = &flags.user {
        password(user, flags.password_file.as_deref(), prompt)?
    } else if let Some(path) = variable("SHOAL_TOKEN_FILE") {
        token(Path::new(path))?
    } else if let Some(text) = variable("SHOAL_TOKEN") {
        Login::Token(Secret::new(text.clone()))
    } else {
        profile.login(prompt)?
    };
    Ok(Access { base, trust, login })
}

/// Decides which controller is meant and how it is trusted, for who logs in otherwise.
pub(crate) fn controller(
    flags: &Connection,
    environment: &Environment,
) -> Result<(Url, Trust), Error> {
    reached(flags, environment, &profile(flags, environment)?)
}

fn reached(
    flags: &Connection,
    environment: &Environment,
    profile: &Profile,
) -> Result<(Url, Trust), Error> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let url = flags.url.as_ref().or_else(|| variable("SHOAL_URL")).or(profile.url.as_ref());
    let base = base(url.ok_or(Error::NoUrl)?, profile.plain_http)?;

    let ca_variable = variable("SHOAL_CA").map(PathBuf::from);
    let trust = match (&flags.ca, flags.pin, ca_variable) {
        (Some(path), _, _) => Trust::Ca(read(path)?),
        (None, Some(pin), _) => Trust::Pin(pin),
        (None, None, Some(path)) => Trust::Ca(read(&path)?),
        (None, None, None) => profile.trust()?,
    };
    Ok((base, trust))
}

/// The profile that was named, or the default one, unless an address was given on its own.
fn profile(flags: &Connection, environment: &Environment) -> Result<Profile, Error> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let named = flags.profile.as_ref().or_else(|| variable("SHOAL_PROFILE"));
    let has_url = flags.url.is_some() || variable("SHOAL_URL").is_some();
    if named.is_none() && has_url {
        return Ok(Profile::default());
    }
    let explicit = variable("SHOAL_CONFIG").map(PathBuf::from);
    let usual = || {
        let home = variable("HOME").map(|home| Path::new(home).join(".config"));
        let directory = variable("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
        directory.map(|directory| directory.join("shoal/config.toml"))
    };
    let Some(path) = explicit.clone().or_else(usual) else {
        return Ok(Profile::default());
    };
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && explicit.is_none() => {
            String::new()
        }
        other => other.map_err(|source| Error::File { path: path.clone(), source })?,
    };
    let configuration = configuration(&path, &text)?;
    let chosen = named.or(configuration.default_profile.as_ref());
    let Some(name) = chosen else {
        return Ok(Profile::default());
    };
    let Some(profile) = configuration.profiles.get(name) else {
        let known = configuration.profiles.keys().cloned().collect();
        return Err(Error::NoProfile { name: name.clone(), known, path });
    };
    Ok(profile.clone().beside(&path))
}

/// The parser's own report would show the line itself, and with it a password in a wrong place.
fn configuration(path: &Path, text: &str) -> Result<Configuration, Error> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Error::Configuration {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            message: error.message().to_owned(),
        }
    })
}

impl Profile {
    fn beside(mut self, configuration: &Path) -> Self {
        let directory = configuration.parent().unwrap_or(Path::new("."));
        for path in
            [&mut self.ca, &mut self.token_file, &mut self.password_file].into_iter().flatten()
        {
            *path = directory.join(&*path);
        }
        self
    }

    fn trust(&self) -> Result<Trust, Error> {
        match (&self.ca, &self.pin) {
            (Some(_), Some(_)) => Err(twice("ca and pin of the profile")),
            (Some(path), None) => Ok(Trust::Ca(read(path)?)),
            (None, Some(pin)) => {
                let why = "not 64 hexadecimal digits";
                let pin: Pin = pin
                    .parse()
                    .map_err(|_| Error::BadValue { what: "pin of the profile".to_owned(), why })?;
                Ok(Trust::Pin(pin))
            }
            (None, None) => Ok(Trust::System),
        }
    }

    fn login(&self, prompt: &dyn Fn(&str) -> io::Result<String>) -> Result<Login, Error> {
        match (&self.token_file, &self.user) {
            (Some(_), Some(_)) => Err(twice("token_file and user of the profile")),
            (Some(path), None) => token(path),
            (None, Some(user)) => password(user, self.password_file.as_deref(), prompt),
            (None, None) => Ok(Login::Nobody),
        }
    }
}

fn twice(what: &str) -> Error {
    Error::BadValue { what: what.to_owned(), why: "only one of the two can be meant" }
}

fn token(path: &Path) -> Result<Login, Error> {
    Secret::from_file(path).map(Login::Token)
}

fn password(
    user: &str,
    file: Option<&Path>,
    prompt: &dyn Fn(&str) -> io::Result<String>,
) -> Result<Login, Error> {
    let password = match file {
        Some(path) => Secret::from_file(path)?,
        None => {
            let question = format!("password of {user}: ");
            Secret::new(prompt(&question).map_err(Error::Prompt)?)
        }
    };
    Ok(Login::Password { user: user.to_owned(), password })
}

/// A whole text file that was named by the operator.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Checks an address. Plain HTTP is for this very machine, or for those who asked for it by name.
fn base(text: &str, plain_http: bool) -> Result<Url, Error> {
    let bad = |why| Error::BadUrl { url: without_login(text), why };
    let mut url = Url::parse(text).map_err(|_| bad("it cannot be read"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it carries a login; use --user or --token-file"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a query or a fragment"));
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(bad("it names no host")),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback || plain_http => {}
        "http" => return Err(Error::PlainUrl { url: text.to_owned() }),
        _ => return Err(bad("it begins with neither https:// nor http://")),
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// The text without what stands before an `@`, which may be a password.
fn without_login(text: &str) -> String {
    text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned()
}

#[cfg(test)]
mod tests;
