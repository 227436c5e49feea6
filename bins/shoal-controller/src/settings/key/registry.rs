//! The keys of the registry under `/v2/`.

use super::{
    Default::{Unset, Value},
    Key,
};

/// In the order of the reference.
pub(super) const KEYS: &[Key] = &[
    Key::new("ENABLE_REGISTRY", Value("true"), "Whether there is a registry at `/v2/`."),
    Key::new(
        "REGISTRY_STORAGE",
        Unset("`STORAGE_ROOT/oci`"),
        "Directory of the registry: an OCI image layout with a database of its own.",
    ),
    Key::new(
        "REGISTRY_AUTH_MODE",
        Value("htpasswd"),
        "Who may use the registry: `htpasswd` (the users of `REGISTRY_USERS_FILE`, and jobs by their pull tokens) or `none` (everybody).",
    ),
    Key::new(
        "REGISTRY_USERS_FILE",
        Unset("no users: only jobs pull"),
        "Users of the registry, one `name:hash` a line, with a bcrypt or argon2id hash.",
    )
    .reload(),
    Key::new(
        "REGISTRY_MAX_CONCURRENCY",
        Value("32"),
        "Requests that may send content at one time, from 1 to 128, since each holds up to three of the threads that reading and writing share; more wait a little, and are then answered 429.",
    )
    .reload(),
    Key::new(
        "REGISTRY_STALL_TIMEOUT",
        Value("2m"),
        "How long whoever pulls may take next to nothing (less than about a megabyte, which sockets hold back) of what it asked for before its connection is cut, at least 30s; how long a whole pull lasts has no limit.",
    )
    .reload(),
    Key::new("REGISTRY_READ_ONLY", Value("false"), "Refuses every push and delete.").reload(),
    Key::new(
        "REGISTRY_ALLOW_DELETE",
        Value("true"),
        "Whether manifests, tags and blobs may be deleted through `/v2/`.",
    )
    .reload(),
    Key::new(
        "REGISTRY_PUSH_ALLOW",
        Value("*"),
        "Repositories that may be pushed to, separated by commas: `tools/*,os-images/*,firmware/bios`.",
    )
    .reload(),
    Key::new(
        "REGISTRY_IMMUTABLE_TAGS",
        Unset("every tag may move"),
        "Repositories whose tags never move, written the same way.",
    )
    .reload(),
    Key::new(
        "REGISTRY_QUOTAS",
        Unset("as much as there is room"),
        "How much a repository may hold: `scratch/*=20GiB,*=200GiB`; the first that fits a repository counts, for each one by itself.",
    )
    .reload(),
    Key::new(
        "REGISTRY_HEADROOM",
        Value("256MiB"),
        "What pushes leave free on the disk; a push that would not is answered 507.",
    )
    .reload(),
    Key::new(
        "REGISTRY_RETENTION",
        Unset("no tag is removed"),
        "How many tags are kept, those pushed last: `firmware/*=3,os-images/*=all`; the first that fits a repository counts.",
    )
    .reload(),
    Key::new(
        "REGISTRY_RETENTION_TOOLS_KEEP",
        Unset("all of them"),
        "How many tags of each repository below `tools/` are kept.",
    )
    .reload(),
    Key::new(
        "REGISTRY_GC_INTERVAL",
        Value("1h"),
        "How often the registry removes what nothing needs, and the tags retention does not keep; `off`: only when asked.",
    )
    .reload(),
    Key::new(
        "REGISTRY_GC_GRACE",
        Value("1h"),
        "How long content that a client pushed or was told of stays, needed or not.",
    )
    .reload(),
    Key::new(
        "REGISTRY_CREDENTIALS_FILE",
        Unset("none"),
        "Logins for registries of others, one `registry user:password` a line; a machine gets the one for the registry its recipe names.",
    )
    .reload(),
];
