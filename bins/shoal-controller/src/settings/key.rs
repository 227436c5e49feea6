//! The table of keys: names, defaults, meanings. Reading, refusing unknown names and the reference
//! page all follow from it, so that no default exists twice.

mod registry;

/// One key. In the environment it is `NAME` or `SHOAL_NAME`, in the file `name`.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) default: Default,
    pub(super) meaning: &'static str,
    pub(super) secret: bool,
    /// Whether a reload may change it without a restart.
    pub(super) reload: bool,
}

/// What holds when nobody sets a key.
#[derive(Clone, Copy)]
pub(super) enum Default {
    /// This value.
    Value(&'static str),
    /// No value; the words say what that means.
    Unset(&'static str),
}

use self::Default::{Unset, Value};

impl Key {
    const fn new(name: &'static str, default: Default, meaning: &'static str) -> Self {
        Self { name, default, meaning, secret: false, reload: false }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn reload(self) -> Self {
        Self { reload: true, ..self }
    }
}

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Every key but the budgets, in the order of the reference.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(registry::KEYS)
}

const KEYS: &[Key] = &[
    Key::new(
        "CONTROLLER_HTTP_ADDR",
        Value("0.0.0.0:8443"),
        "Address of the HTTPS listener: API, media and registry.",
    ),
    Key::new(
        "ADMIN_HTTP_ADDR",
        Value("127.0.0.1:9090"),
        "Address of the plain listener for `/metrics`, `/livez` and `/readyz`; it asks for no login.",
    ),
    Key::new(
        "MEDIA_HTTP_ADDR",
        Unset("no plain listener"),
        "Address of the plain listener for BMCs that cannot do HTTPS; it serves `/media/*` only.",
    ),
    Key::new(
        "PUBLIC_URL",
        Unset("the address of the HTTPS listener"),
        "How machines reach this controller: base of the webhook's URL.",
    ),
    Key::new(
        "MEDIA_URL_HTTPS",
        Unset("`PUBLIC_URL`, or the local address of the connection to the BMC"),
        "Base of the media URLs given to BMCs that fetch over HTTPS.",
    ),
    Key::new(
        "MEDIA_URL_HTTP",
        Unset("the local address of the connection to the BMC"),
        "Base of the media URLs given to BMCs that fetch over plain HTTP; needs `MEDIA_HTTP_ADDR`.",
    ),
    Key::new(
        "TLS_CERT_FILE",
        Unset("a certificate of the local authority"),
        "Certificate chain in PEM, the leaf first; needs `TLS_KEY_FILE`.",
    )
    .reload(),
    Key::new("TLS_KEY_FILE", Unset("as above"), "The certificate's private key in PEM.").reload(),
    Key::new(
        "TRUSTED_PROXIES",
        Unset("none"),
        "Addresses and networks, separated by commas, whose `X-Forwarded-For` is believed.",
    ),
    Key::new("STORAGE_ROOT", Value("/var/lib/shoal"), "Directory of everything this controller keeps."),
    Key::new("DB_PATH", Unset("`STORAGE_ROOT/db/provisioner.db`"), "The job database."),
    Key::new("TASK_ISO_DIR", Unset("`STORAGE_ROOT/tasks`"), "Directory of task media."),
    Key::new(
        "STATIC_DIR",
        Unset("`STORAGE_ROOT/static/isos`"),
        "Directory of boot media that this controller serves.",
    ),
    Key::new(
        "SEAL_KEY_FILE",
        Unset("`STORAGE_ROOT/secrets/seal.key`, created at the first start"),
        "The key that seals credentials, 32 bytes in hexadecimal; a file named here must exist.",
    ),
    Key::new(
        "BACKUP_DIR",
        Unset("`STORAGE_ROOT/backups`"),
        "Directory of backups of the job database; another disk than the database's is better, and a \
         network file system is refused.",
    ),
    Key::new(
        "BACKUP_INTERVAL",
        Value("24h"),
        "From one backup to the next; the first is made at the first start.",
    )
    .reload(),
    Key::new("BACKUP_KEEP", Value("7"), "How many backups are kept, the newest ones.").reload(),
    Key::new(
        "MAINTENANCE_ISO_URL",
        Unset("jobs must name one"),
        "The maintenance OS: an `http`, `https` or `file` URL, or a file under `STATIC_DIR`.",
    ),
    Key::new(
        "ESXI_INSTALLER_URL",
        Unset("ESXi jobs must name one"),
        "The ESXi installer: an `http`, `https` or `file` URL, or a file under `STATIC_DIR`.",
    ),
    Key::new("REDFISH_TIMEOUT", Value("30s"), "Bound of one request to a BMC.").reload(),
    Key::new("REDFISH_RETRIES", Value("5"), "How often a request that may be repeated is repeated.")
        .reload(),
    Key::new(
        "REDFISH_INSECURE",
        Value("false"),
        "Lets a server's own TLS policy turn certificate checks off; does nothing by itself.",
    ),
    Key::new("REDFISH_PROFILE_DIR", Unset("built-in profiles only"), "Directory of further vendor profiles.")
        .reload(),
    Key::new(
        "WORKER_CONCURRENCY",
        Value("4"),
        "Jobs that may work on a BMC at one time; 0 starts nothing new.",
    )
    .reload(),
    Key::new(
        "MAX_ACTIVE_JOBS",
        Value("10000"),
        "Jobs that may be under way at one time, waiting ones included.",
    )
    .reload(),
    Key::new(
        "JOB_LABEL_LIMITS",
        Unset("no such limit"),
        "Jobs under way whose servers share a value of a label: `rack=4,room=40`.",
    )
    .reload(),
    Key::new(
        "JOB_STUCK_TIMEOUT",
        Value("4h"),
        "Bounds all of provisioning; every report deadline must fit into it.",
    )
    .reload(),
    Key::new(
        "JOB_RETENTION_DAYS",
        Value("14"),
        "Days after which files that a complete job should not have left are deleted.",
    )
    .reload(),
    Key::new(
        "JOB_HISTORY_DAYS",
        Value("365"),
        "Days for which complete jobs, their events and the audit log are kept.",
    )
    .reload(),
    Key::new(
        "AUTH_MODE",
        Value("any"),
        "Which logins are accepted: `any`, `basic` (passwords only) or `token` (API tokens only).",
    ),
    Key::new(
        "BASIC_USER",
        Unset("no such account"),
        "Name of an administrator's account for basic authentication; needs `BASIC_PASS_HASH`.",
    )
    .reload(),
    Key::new("BASIC_PASS_HASH", Unset("as above"), "argon2id or bcrypt hash of its password.")
        .secret()
        .reload(),
    Key::new(
        "USERS_FILE",
        Unset("no further accounts"),
        "Accounts for basic authentication, one `name:hash[:role]` a line; without a role: `reader`.",
    )
    .reload(),
    Key::new(
        "WEBHOOK_SECRET",
        Unset("only job tokens are accepted"),
        "The fleet secret of maintenance images that do not use job tokens.",
    )
    .secret()
    .reload(),
    Key::new(
        "WEBHOOK_MTLS",
        Value("off"),
        "Certificates of machines that report: `off`, `optional` (a wrong one is refused) or `required`.",
    ),
    Key::new(
        "WEBHOOK_CLIENT_CA_FILE",
        Unset("as above"),
        "Authorities of these certificates in PEM; `WEBHOOK_MTLS` needs it.",
    ),
    Key::new(
        "SIGNED_URL_SECRET",
        Unset("a key drawn at the first start"),
        "Signs media addresses; at least 16 characters.",
    )
    .secret()
    .reload(),
    Key::new(
        "SECRET_DUAL_ACCEPT",
        Value("7d"),
        "How long a key or fleet secret stays accepted after another one took its place.",
    )
    .reload(),
    Key::new(
        "LOG_LEVEL",
        Value("info"),
        "`off`, `error`, `warn`, `info`, `debug` or `trace`, with exceptions: `info,shoal_redfish=debug`.",
    )
    .reload(),
    Key::new(
        "LOG_FORMAT",
        Value("auto"),
        "`json`, `human`, or `auto`: human on a terminal and JSON otherwise.",
    ),
    Key::new(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Unset("no traces are exported"),
        "Base URL of a trace collector that takes OTLP over HTTP.",
    ),
];

/// Keys of the runbook that configure what this release does not have. Where they are certainly
/// meant for this program they are refused, because to obey silently would be to promise.
pub(super) const LATER: &[&str] = &["JOB_LEASE_TTL"];
