//! The settings of the registry.

use super::*;

#[test]
fn the_registry_is_closed_and_keeps_everything_unless_told_otherwise() {
    let registry = nothing().load().registry;

    assert!(registry.enabled && matches!(registry.access, RegistryAccess::Users(None)));
    assert_eq!(registry.config.root, Path::new("/var/lib/shoal/oci"));
    let moved = nothing().env("REGISTRY_STORAGE", "/x/registry").load().registry;
    assert_eq!(moved.config.root, Path::new("/x/registry"));
    let policy = registry.config.policy;
    assert!(policy.allow_delete && !policy.read_only);
    assert!(policy.retention.is_empty() && policy.quotas.is_empty());
    assert!(policy.immutable_tags.is_empty());
    assert_eq!(registry.config.gc_interval, Some(Duration::from_hours(1)));
}

#[test]
fn rules_of_the_registry_are_read_in_their_order() {
    let file = "registry_retention = ['tools/old=all', 'firmware/*=3', '*=all']
        registry_retention_tools_keep = 5
        registry_quotas = 'scratch/*=20GiB, *=1TiB'
        registry_push_allow = 'tools/*,os-images/*'
        registry_immutable_tags = 'os-images/*'
        registry_gc_interval = 'off'
        registry_headroom = '2GiB'
        registry_stall_timeout = '30s'";
    let config = nothing().file(file).load().registry.config;

    let policy = config.policy;
    let kept: Vec<String> =
        policy.retention.iter().map(|it| format!("{:?} {:?}", it.repositories, it.keep)).collect();
    assert_eq!(
        kept,
        ["One(tools/old) All", "Below(firmware) Last(3)", "Below(tools) Last(5)", "All All"]
    );
    let quotas: Vec<u64> = policy.quotas.iter().map(|rule| rule.bytes).collect();
    assert_eq!(quotas, [20 << 30, 1 << 40]);
    assert_eq!((policy.push.len(), policy.immutable_tags.len()), (2, 1));
    assert_eq!((config.gc_interval, config.limits.headroom_bytes), (None, 2 << 30));
    assert_eq!(config.limits.stall, Duration::from_secs(30));
}

#[test]
fn what_contradicts_itself_about_the_registry_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    fs::write(&users, format!("ann:{BCRYPT}\nbob:hunter2\n")).unwrap();
    let users = users.to_str().unwrap();
    let named = || nothing().env("REGISTRY_USERS_FILE", users);
    assert_refused(&named(), "line 2", "environment variable REGISTRY_USERS_FILE");
    assert!(!named().refusal().contains("hunter2"));
    assert_refused(&named().env("REGISTRY_AUTH_MODE", "none"), "REGISTRY_USERS_FILE", "none");
    for (root, other) in [
        ("/var/lib/shoal", "STORAGE_ROOT"),
        ("/var/lib/shoal/tasks", "TASK_ISO_DIR"),
        ("/", "inside"),
    ] {
        assert_refused(&nothing().env("REGISTRY_STORAGE", root), "REGISTRY_STORAGE", other);
    }
    let twice =
        nothing().env("REGISTRY_RETENTION", "tools/*=3").env("REGISTRY_RETENTION_TOOLS_KEEP", "5");
    assert_refused(&twice, "REGISTRY_RETENTION_TOOLS_KEEP", "environment variable");
    assert_refused(
        &nothing().env("REGISTRY_QUOTAS", "*=1GiB,*=2GiB"),
        "REGISTRY_QUOTAS",
        "expected",
    );
}

#[test]
fn logins_for_registries_of_others_are_read_whole_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("credentials");
    let named = || nothing().env("REGISTRY_CREDENTIALS_FILE", path.to_str().unwrap());
    fs::write(&path, "# ours\n\nregistry.example:5000  puller:pa:ss word\n").unwrap();
    let logins = named().load().registry.elsewhere;
    let login = logins.of("registry.example:5000").unwrap();
    assert_eq!((login.user.as_str(), login.password.as_str()), ("puller", "pa:ss word"));
    assert!(logins.of("registry.example").is_none());
    assert!(!format!("{:?}", named().load()).contains("pa:ss"));
    for bad in
        ["registry.example", "r.example hunter2", "r.example/x a:hunter2", "r a:hunter2\nr b:c"]
    {
        fs::write(&path, bad).unwrap();
        assert_refused(&named(), "REGISTRY_CREDENTIALS_FILE", "environment variable");
        assert!(!named().refusal().contains("hunter2"), "{bad}");
    }
    // The first 64 KiB alone would be a file that is good.
    let long = format!("{}\nregistry.example puller:x\n", "#".repeat(64 * 1024 - 1));
    fs::write(&path, long).unwrap();
    assert_refused(&named(), "REGISTRY_CREDENTIALS_FILE", "64 KiB");
}
