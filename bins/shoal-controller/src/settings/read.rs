//! From merged text to settings, one function per concern, and the rules that span keys.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use shoal_api::{AuthMode, PasswordHash, User};
use shoal_redfish::profile::Profiles;
use shoal_store::{Role, Secret};
use shoal_telemetry::logs;
use url::Url;

use super::{
    Access, Backups, Error, Http, Jobs, Loaded, Media, Network, Redfish, Settings, Snapshot,
    Sources, Storage, Telemetry, TlsFiles, WebhookMtls, budget, duration, layer, reader::Reader,
    registry, users,
};

const ADDRESS: &str = "an address with a port, such as 0.0.0.0:8443 or [::]:8443";
const IMAGE: &str = "an http, https or file URL, or the name of a file under STATIC_DIR";

pub(super) fn load(sources: &Sources) -> Result<Loaded, Error> {
    let (mut merged, ignored) = layer::merge(sources)?;
    layer::resolve_secrets(&mut merged)?;
    let reader = Reader::new(merged);
    let (http, storage) = (http(&reader)?, storage(&reader)?);
    let settings = Settings {
        media: media(&reader, &http)?,
        http,
        registry: registry::read(&reader, &storage)?,
        storage,
        backups: backups(&reader)?,
        redfish: redfish(&reader)?,
        jobs: jobs(&reader)?,
        access: access(&reader)?,
        telemetry: telemetry(&reader)?,
    };
    if settings.access.dual_accept < settings.jobs.stuck_timeout {
        let reason =
            "it must not be below JOB_STUCK_TIMEOUT, or machines under way lose their keys";
        return Err(reader.contradiction("SECRET_DUAL_ACCEPT", reason));
    }
    let snapshot = Snapshot::of(&reader)?;
    Ok(Loaded { settings, given: reader.given(), ignored, snapshot })
}

fn http(reader: &Reader) -> Result<Http, Error> {
    let (api, admin, media) = ("CONTROLLER_HTTP_ADDR", "ADMIN_HTTP_ADDR", "MEDIA_HTTP_ADDR");
    let api_addr: SocketAddr = reader.value(api, ADDRESS, parsed)?;
    let admin_addr = reader.value(admin, ADDRESS, parsed)?;
    let media_addr = reader.optional(media, ADDRESS, parsed)?;
    if same(api_addr, admin_addr) {
        return Err(reader.contradiction(admin, &format!("{api} has the same address")));
    }
    if media_addr.is_some_and(|addr| same(addr, api_addr) || same(addr, admin_addr)) {
        return Err(reader.contradiction(media, "another listener has the same address"));
    }
    let readable = |path: &Path| fs::File::open(path).map(drop);
    let tls_files = reader.pair(
        ("TLS_CERT_FILE", reader.present("TLS_CERT_FILE", readable)?),
        ("TLS_KEY_FILE", reader.present("TLS_KEY_FILE", readable)?),
    )?;
    let tls_files = tls_files.map(|(cert, key)| TlsFiles { cert, key });
    if let Some(files) = &tls_files {
        crate::tls::check_pair(files).map_err(|source| Error::Certificate {
            origin: reader.origin("TLS_CERT_FILE"),
            source: Box::new(source),
        })?;
    }
    let proxies = reader.optional(
        "TRUSTED_PROXIES",
        "addresses or networks such as 10.0.0.0/8, separated by commas",
        networks,
    )?;
    Ok(Http {
        api_addr,
        admin_addr,
        media_addr,
        public_url: reader.optional("PUBLIC_URL", "an http or https URL", |text| {
            base(text, &["http", "https"])
        })?,
        tls_files,
        trusted_proxies: proxies.unwrap_or_default(),
    })
}

fn storage(reader: &Reader) -> Result<Storage, Error> {
    let root = reader.value("STORAGE_ROOT", "a path", |text| Some(PathBuf::from(text)))?;
    let under = |key, rest| Ok::<_, Error>(reader.path(key)?.unwrap_or_else(|| root.join(rest)));
    // A named key that is gone must not be replaced by a new one: nothing could be unsealed.
    let seal_key = reader.present("SEAL_KEY_FILE", |path| fs::File::open(path).map(drop))?;
    Ok(Storage {
        db_path: under("DB_PATH", "db/provisioner.db")?,
        task_iso_dir: under("TASK_ISO_DIR", "tasks")?,
        static_dir: under("STATIC_DIR", "static/isos")?,
        seal_key_file: seal_key.unwrap_or_else(|| root.join("secrets/seal.key")),
        root,
    })
}

fn backups(reader: &Reader) -> Result<Backups, Error> {
    let root = reader.value("STORAGE_ROOT", "a path", |text| Some(PathBuf::from(text)))?;
    let keep = |text: &str| within(text, 1, 10_000).map(|it| it as usize);
    Ok(Backups {
        dir: reader.path("BACKUP_DIR")?.unwrap_or_else(|| root.join("backups")),
        interval: positive(reader, "BACKUP_INTERVAL")?,
        keep: reader.value("BACKUP_KEEP", "a number from 1 to 10000", keep)?,
    })
}

fn media(reader: &Reader, http: &Http) -> Result<Media, Error> {
    let url_https =
        reader.optional("MEDIA_URL_HTTPS", "an https URL", |text| base(text, &["https"]))?;
    let url_http =
        reader.optional("MEDIA_URL_HTTP", "an http URL", |text| base(text, &["http"]))?;
    if url_http.is_some() && http.media_addr.is_none() {
        return Err(reader.contradiction("MEDIA_URL_HTTP", "it needs MEDIA_HTTP_ADDR"));
    }
    let public = http.public_url.clone().filter(|url| url.scheme() == "https");
    Ok(Media {
        url_https: url_https.or(public),
        url_http,
        maintenance_iso: reader.optional("MAINTENANCE_ISO_URL", IMAGE, image)?,
        esxi_installer: reader.optional("ESXI_INSTALLER_URL", IMAGE, image)?,
    })
}

fn redfish(reader: &Reader) -> Result<Redfish, Error> {
    Ok(Redfish {
        timeout: positive(reader, "REDFISH_TIMEOUT")?,
        retries: reader
            .value("REDFISH_RETRIES", "a number from 0 to 20", |text| within(text, 0, 20))?,
        insecure: reader.value("REDFISH_INSECURE", "true or false", parsed)?,
        profiles: profiles(reader)?,
    })
}

fn profiles(reader: &Reader) -> Result<Arc<Profiles>, Error> {
    let Some(directory) = reader.path("REDFISH_PROFILE_DIR")? else {
        return Ok(Profiles::builtin());
    };
    Profiles::with_overrides(&directory).map_err(|source| Error::Profiles {
        origin: reader.origin("REDFISH_PROFILE_DIR"),
        source: Box::new(source),
    })
}

fn jobs(reader: &Reader) -> Result<Jobs, Error> {
    let stuck_timeout = positive(reader, "JOB_STUCK_TIMEOUT")?;
    let days =
        |key| reader.value(key, "a number of days from 1 to 36500", |text| within(text, 1, 36_500));
    let count = |key, expected, least| {
        reader.value(key, expected, |text| within(text, least, 100_000).map(|it| it as usize))
    };
    Ok(Jobs {
        workers: count("WORKER_CONCURRENCY", "a number from 0 to 100000", 0)?,
        max_active: count("MAX_ACTIVE_JOBS", "a number from 1 to 100000", 1)?,
        label_limits: reader
            .optional("JOB_LABEL_LIMITS", "labels and counts such as rack=4,room=40", label_limits)?
            .unwrap_or_default(),
        stuck_timeout,
        budgets: budget::read(reader, stuck_timeout)?,
        retention_days: days("JOB_RETENTION_DAYS")?,
        history_days: days("JOB_HISTORY_DAYS")?,
    })
}

/// `rack=4,room=40`. A name that no label can have would be a limit that never holds.
fn label_limits(text: &str) -> Option<BTreeMap<String, u64>> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let mut limits = BTreeMap::new();
    for pair in text.split(',') {
        let (name, count) = pair.trim().split_once('=')?;
        let count = within(count, 1, 100_000)?;
        let fits = (1..=63).contains(&name.len()) && name.bytes().all(plain);
        if !fits || limits.insert(name.to_owned(), u64::from(count)).is_some() {
            return None;
        }
    }
    Some(limits)
}

fn access(reader: &Reader) -> Result<Access, Error> {
    let fleet = |text: &str| Some(Secret::new(text.to_owned()));
    let signing = |text: &str| (text.len() >= 16).then(|| Secret::new(text.to_owned()));
    let mode = reader.value("AUTH_MODE", "any, basic or token", |text| match text {
        "any" => Some(AuthMode::Any),
        "basic" => Some(AuthMode::Basic),
        "token" => Some(AuthMode::Token),
        _ => None,
    })?;
    let users = accounts(reader)?;
    if mode == AuthMode::Basic && !users.iter().any(|user| user.role == Role::Admin) {
        let reason = "basic needs an account with the role admin in BASIC_USER or USERS_FILE";
        return Err(reader.contradiction("AUTH_MODE", reason));
    }
    if mode == AuthMode::Token
        && let Some(key) = ["BASIC_USER", "USERS_FILE"].into_iter().find(|key| reader.is_given(key))
    {
        return Err(reader.contradiction(key, "AUTH_MODE is token, so no account is accepted"));
    }
    Ok(Access {
        mode,
        users,
        webhook_secret: reader.optional("WEBHOOK_SECRET", "text", fleet)?,
        webhook_mtls: webhook_mtls(reader)?,
        signed_url_secret: reader.optional(
            "SIGNED_URL_SECRET",
            "text of at least 16 characters",
            signing,
        )?,
        dual_accept: positive(reader, "SECRET_DUAL_ACCEPT")?,
    })
}

/// The account of the configuration and those of the file, each name once.
fn accounts(reader: &Reader) -> Result<Vec<User>, Error> {
    let name = |text: &str| (!text.contains([':', '\0'])).then(|| text.to_owned());
    let hash = |text: &str| text.parse::<PasswordHash>().ok();
    let basic = reader.pair(
        ("BASIC_USER", reader.optional("BASIC_USER", "a name without a colon", name)?),
        (
            "BASIC_PASS_HASH",
            reader.optional("BASIC_PASS_HASH", "an argon2id or bcrypt hash", hash)?,
        ),
    )?;
    let basic = basic.map(|(name, password)| User { name, password, role: Role::Admin });
    let mut users: Vec<User> = basic.into_iter().collect();
    let Some(path) = reader.path("USERS_FILE")? else { return Ok(users) };
    let listed = users::read(&path).map_err(|source| Error::Users {
        origin: reader.origin("USERS_FILE"),
        path,
        source,
    })?;
    if let Some(twin) = listed.iter().find(|listed| users.iter().any(|it| it.name == listed.name)) {
        let reason = format!("it lists {:?}, which is BASIC_USER", twin.name);
        return Err(reader.contradiction("USERS_FILE", &reason));
    }
    users.extend(listed);
    Ok(users)
}

fn webhook_mtls(reader: &Reader) -> Result<Option<WebhookMtls>, Error> {
    let readable = |path: &Path| fs::File::open(path).map(drop);
    let file = reader.present("WEBHOOK_CLIENT_CA_FILE", readable)?;
    let required =
        reader.value("WEBHOOK_MTLS", "off, optional or required", |text| match text {
            "off" => Some(None),
            "optional" => Some(Some(false)),
            "required" => Some(Some(true)),
            _ => None,
        })?;
    match (required, file) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(reader.contradiction("WEBHOOK_CLIENT_CA_FILE", "WEBHOOK_MTLS is off"))
        }
        (Some(_), None) => {
            Err(reader.contradiction("WEBHOOK_MTLS", "it needs WEBHOOK_CLIENT_CA_FILE"))
        }
        (Some(required), Some(client_ca_file)) => {
            Ok(Some(WebhookMtls { required, client_ca_file }))
        }
    }
}

fn telemetry(reader: &Reader) -> Result<Telemetry, Error> {
    let level = |text: &str| text.parse::<logs::Level>().is_ok().then(|| text.to_owned());
    let format = |text: &str| match text {
        "auto" => Some(logs::Format::Auto),
        "json" => Some(logs::Format::Json),
        "human" => Some(logs::Format::Human),
        _ => None,
    };
    let endpoint = |text: &str| base(text, &["http", "https"]).map(|_| text.to_owned());
    Ok(Telemetry {
        log_level: reader.value("LOG_LEVEL", "a level such as info,shoal_redfish=debug", level)?,
        log_format: reader.value("LOG_FORMAT", "auto, json or human", format)?,
        otlp_endpoint: reader.optional(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "an http or https URL",
            endpoint,
        )?,
    })
}

fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn within(text: &str, least: u32, most: u32) -> Option<u32> {
    parsed(text).filter(|number| (least..=most).contains(number))
}

/// The kernel gives every listener on port 0 a port of its own.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}

fn positive(reader: &Reader, key: &str) -> Result<Duration, Error> {
    let some = |text: &str| duration::parse(text).filter(|it| !it.is_zero());
    reader.value(key, duration::EXPECTED, some)
}

fn networks(text: &str) -> Option<Vec<Network>> {
    text.split(',').map(|part| part.trim().parse().ok()).collect()
}

/// The base of URLs: nothing but scheme, host, port and perhaps a path.
fn base(text: &str, schemes: &[&str]) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    (schemes.contains(&url.scheme()) && url.has_host() && bare).then_some(url)
}

fn image(text: &str) -> Option<String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let fits = match scheme {
        Some("http" | "https") => base(text, &["http", "https"]).is_some(),
        Some("file") => Url::parse(text).is_ok_and(|url| url.to_file_path().is_ok()),
        Some(_) => false,
        None => true,
    };
    fits.then(|| text.to_owned())
}
