//! The registry's settings: where it keeps its content, who may use it, and the rules by which it
//! takes, keeps and removes content. Its file of users is read here, so that a broken one is a
//! configuration that is refused, at start and at a reload alike.

use std::{
    collections::BTreeMap, fmt, fs, io::Read as _, path::PathBuf, sync::Arc, time::Duration,
};

use shoal_oci::{
    Config, Limits, Pattern, Policy,
    auth::Htpasswd,
    quota,
    retention::{self, Keep},
};

use shoal_store::RegistryLogin;
use zeroize::Zeroizing;

use super::{Error, Storage, duration, reader::Reader, size};

/// Requests that send content hold a thread each and wait for a second one that writes, out of the
/// few hundred there are for work that blocks: with many more they would wait for each other.
const RECEIVING_MAX: usize = 128;

/// Longer files are no list of logins.
const CREDENTIALS_MAX: u64 = 64 * 1024;

const PATTERNS: &str =
    "names of repositories, or prefixes such as tools/*, or *, separated by commas";

/// The registry under `/v2/`.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Whether there is one.
    pub enabled: bool,
    /// Who may use it.
    pub access: RegistryAccess,
    /// Its directory, limits and rules.
    pub config: Config,
    /// Logins for registries of others.
    pub elsewhere: Logins,
}

/// Logins for registries of others, by the registry as recipes write it. Prints none of them.
#[derive(Clone, Default)]
pub struct Logins(BTreeMap<String, RegistryLogin>);

impl Logins {
    /// The login for a registry, if there is one.
    pub fn of(&self, registry: &str) -> Option<&RegistryLogin> {
        self.0.get(registry)
    }

    /// Reads `registry user:password` lines; none where one of them is something else.
    fn parse(text: &str) -> Option<Self> {
        let mut logins = BTreeMap::new();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (registry, login) = line.split_once(char::is_whitespace)?;
            let (user, password) = login.trim_start().split_once(':')?;
            let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
            let login = RegistryLogin { user: user.to_owned(), password: password.to_owned() };
            let usable = plain(user) && plain(password) && !registry.contains('/');
            if !usable || logins.insert(registry.to_owned(), login).is_some() {
                return None;
            }
        }
        Some(Self(logins))
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} logins", self.0.len())
    }
}

/// Who may use the registry.
#[derive(Clone, Debug)]
pub enum RegistryAccess {
    /// Everybody may do everything.
    Everybody,
    /// The users of a file, if there is one, and jobs that show their pull token.
    Users(Option<Arc<Htpasswd>>),
}

pub(super) fn read(reader: &Reader, storage: &Storage) -> Result<Registry, Error> {
    let flag = |key| reader.value(key, "true or false", |text| text.parse().ok());
    let mut config = Config::new(root(reader, storage)?);
    config.limits = limits(reader)?;
    config.policy = policy(reader)?;
    config.policy.read_only = flag("REGISTRY_READ_ONLY")?;
    config.policy.allow_delete = flag("REGISTRY_ALLOW_DELETE")?;
    config.grace = reader.value("REGISTRY_GC_GRACE", duration::EXPECTED, positive)?;
    config.gc_interval =
        reader.value("REGISTRY_GC_INTERVAL", "a duration such as 1h, or off", |text| {
            if text == "off" { Some(None) } else { positive(text).map(Some) }
        })?;
    let enabled = flag("ENABLE_REGISTRY")?;
    Ok(Registry { enabled, access: access(reader)?, config, elsewhere: elsewhere(reader)? })
}

fn elsewhere(reader: &Reader) -> Result<Logins, Error> {
    let key = "REGISTRY_CREDENTIALS_FILE";
    let mut content = Zeroizing::new(Vec::new());
    let file = reader.present(key, |path| {
        // One byte more than may be, so that a longer file is seen and not cut.
        fs::File::open(path)?.take(CREDENTIALS_MAX + 1).read_to_end(&mut content)?;
        Ok(())
    })?;
    if file.is_none() {
        return Ok(Logins::default());
    }
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > CREDENTIALS_MAX {
        return Err(reader.invalid(key, "a file of at most 64 KiB"));
    }
    let logins = std::str::from_utf8(&content).ok().and_then(Logins::parse);
    let expected = "a file with `registry user:password` a line, each registry once";
    logins.ok_or_else(|| reader.invalid(key, expected))
}

fn positive(text: &str) -> Option<Duration> {
    duration::parse(text).filter(|it| !it.is_zero())
}

/// The registry's directory. It is nobody else's: what it does not know in there is garbage to it.
fn root(reader: &Reader, storage: &Storage) -> Result<PathBuf, Error> {
    let key = "REGISTRY_STORAGE";
    let root = reader.path(key)?.unwrap_or_else(|| storage.root.join("oci"));
    let taken = [
        ("STORAGE_ROOT", &storage.root),
        ("TASK_ISO_DIR", &storage.task_iso_dir),
        ("STATIC_DIR", &storage.static_dir),
        ("DB_PATH", &storage.db_path),
    ];
    // A directory that contains another one's is as wrong as the same one.
    match taken.into_iter().find(|(_, path)| path.starts_with(&root)) {
        Some((other, _)) => {
            Err(reader.contradiction(key, &format!("{other} is that directory, or inside it")))
        }
        None => Ok(root),
    }
}

fn access(reader: &Reader) -> Result<RegistryAccess, Error> {
    let (mode, key) = ("REGISTRY_AUTH_MODE", "REGISTRY_USERS_FILE");
    let open = reader.value(mode, "htpasswd or none", |text| match text {
        "htpasswd" => Some(false),
        "none" => Some(true),
        _ => None,
    })?;
    let file = reader.path(key)?;
    if open {
        return match file {
            None => Ok(RegistryAccess::Everybody),
            Some(_) => {
                let reason = "REGISTRY_AUTH_MODE is none, so nobody is asked who they are";
                Err(reader.contradiction(key, reason))
            }
        };
    }
    let users = file.map(Htpasswd::open).transpose();
    let users = users.map_err(|source| Error::RegistryUsers {
        origin: reader.origin(key),
        source: Box::new(source),
    })?;
    Ok(RegistryAccess::Users(users.map(Arc::new)))
}

/// A socket tells that its peer took something when about a megabyte of it is gone, which a slow but
/// willing peer must have the time for.
const STALL_MIN: Duration = Duration::from_secs(30);

fn limits(reader: &Reader) -> Result<Limits, Error> {
    let receiving = reader.value("REGISTRY_MAX_CONCURRENCY", "a number from 1 to 128", |text| {
        text.parse().ok().filter(|count| (1..=RECEIVING_MAX).contains(count))
    })?;
    let headroom_bytes = reader.value("REGISTRY_HEADROOM", size::EXPECTED, size::parse)?;
    let stall = reader.value("REGISTRY_STALL_TIMEOUT", "30s or longer", |text| {
        duration::parse(text).filter(|it| *it >= STALL_MIN)
    })?;
    Ok(Limits { receiving, headroom_bytes, stall, ..Limits::default() })
}

fn policy(reader: &Reader) -> Result<Policy, Error> {
    let patterns = |key| reader.optional(key, PATTERNS, patterns);
    let quotas = "repositories and sizes such as scratch/*=20GiB,*=200GiB";
    Ok(Policy {
        push: patterns("REGISTRY_PUSH_ALLOW")?.unwrap_or_default(),
        immutable_tags: patterns("REGISTRY_IMMUTABLE_TAGS")?.unwrap_or_default(),
        retention: retention(reader)?,
        quotas: reader
            .optional("REGISTRY_QUOTAS", quotas, |text| {
                let rule = |(repositories, bytes)| {
                    Some(quota::Rule { repositories, bytes: size::parse(bytes)? })
                };
                pairs(text)?.into_iter().map(rule).collect()
            })?
            .unwrap_or_default(),
        ..Policy::default()
    })
}

fn retention(reader: &Reader) -> Result<Vec<retention::Rule>, Error> {
    let (key, tools_key) = ("REGISTRY_RETENTION", "REGISTRY_RETENTION_TOOLS_KEEP");
    let expected = "repositories and numbers of tags such as firmware/*=3,os-images/*=all";
    let kept = |text: &str| match text.trim() {
        "all" => Some(Keep::All),
        number => number.parse().ok().filter(|count| *count > 0).map(Keep::Last),
    };
    let rules = reader.optional(key, expected, |text| {
        let rule = |(repositories, text)| Some(retention::Rule { repositories, keep: kept(text)? });
        pairs(text)?.into_iter().map(rule).collect::<Option<Vec<_>>>()
    })?;
    let mut rules = rules.unwrap_or_default();
    let tools = reader.optional(tools_key, "a number of tags, at least 1", |text| {
        text.parse().ok().filter(|count| *count > 0)
    })?;
    let Some(count) = tools else { return Ok(rules) };
    let Some(repositories) = patterns("tools/*").and_then(|mut it| it.pop()) else {
        return Ok(rules);
    };
    if rules.iter().any(|rule| rule.repositories == repositories) {
        return Err(
            reader.contradiction(tools_key, "REGISTRY_RETENTION has a rule for tools/* too")
        );
    }
    // Behind the others, so that one for some of the tools is not hidden by it; before one for all.
    let at = rules.iter().position(|rule| rule.repositories == Pattern::All).unwrap_or(rules.len());
    rules.insert(at, retention::Rule { repositories, keep: Keep::Last(count) });
    Ok(rules)
}

fn patterns(text: &str) -> Option<Vec<Pattern>> {
    text.split(',').map(|part| part.trim().parse().ok()).collect()
}

/// `PATTERN=VALUE,…`; the same pattern twice is a mistake, since the second would never count.
fn pairs(text: &str) -> Option<Vec<(Pattern, &str)>> {
    let mut pairs: Vec<(Pattern, &str)> = Vec::new();
    for part in text.split(',') {
        let (pattern, value) = part.split_once('=')?;
        let pattern: Pattern = pattern.trim().parse().ok()?;
        if pairs.iter().any(|(known, _)| *known == pattern) {
            return None;
        }
        pairs.push((pattern, value));
    }
    Some(pairs)
}
