//! What the very first start makes: no default password, no shared key.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, bail};
use data_encoding::HEXLOWER_PERMISSIVE;
use shoal_core::Time;
use shoal_store::{
    ApiToken, Caller, Imported, KeyPurpose, Role, Sealing, SealingKey, Secret, Store,
};

use crate::settings;

/// Makes the directories that are missing, readable by nobody else.
pub(crate) fn directories(settings: &settings::Settings) -> anyhow::Result<()> {
    let storage = &settings.storage;
    let secrets = storage.root.join("secrets");
    let database = storage.db_path.parent().unwrap_or(&storage.root);
    for path in [&storage.root, &secrets, &storage.task_iso_dir, &storage.static_dir] {
        private(path)?;
    }
    if settings.registry.enabled {
        private(&settings.registry.config.root)?;
    }
    private(database)
}

fn private(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path)
        .with_context(|| format!("failed to create the directory {}", path.display()))
}

/// What seals secrets in the database: the key in its file, made when there is none.
pub(crate) fn sealing(file: &Path) -> anyhow::Result<Sealing> {
    Ok(Sealing::new(sealing_key(file)?))
}

/// The sealing key in a file; made when there is none.
pub(crate) fn sealing_key(file: &Path) -> anyhow::Result<SealingKey> {
    let text = match fs::read_to_string(file) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(file)?,
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", file.display()));
        }
    };
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map(zeroize::Zeroizing::new);
    let Some(key) = bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()) else {
        bail!("{} must hold 64 hex digits (32 bytes)", file.display());
    };
    Ok(SealingKey::from_bytes(key))
}

fn make_key(file: &Path) -> anyhow::Result<zeroize::Zeroizing<String>> {
    use ring::rand::{SecureRandom, SystemRandom};

    let mut key = zeroize::Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(key.as_mut()).map_err(|_| anyhow::anyhow!("no randomness"))?;
    let text = zeroize::Zeroizing::new(HEXLOWER_PERMISSIVE.encode(key.as_ref()));
    if !keep_first(file, &text).with_context(|| format!("failed to write {}", file.display()))? {
        let kept = fs::read_to_string(file).map(zeroize::Zeroizing::new);
        return kept.with_context(|| format!("failed to read {}", file.display()));
    }
    tracing::info!(path = %file.display(), "made the key that seals secrets; keep a copy of it apart from backups");
    Ok(text)
}

/// Writes a secret unless there is one: of several starts at once, which no lock orders yet, all go
/// on with the same. Whether this one's is kept.
fn keep_first(file: &Path, text: &str) -> io::Result<bool> {
    let own = format!("{}-{:?}.new", std::process::id(), std::thread::current().id());
    let draft = file.with_extension(own);
    write_draft(&draft, text)?;
    let linked = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    }
    sync_directory(file)?;
    Ok(true)
}

/// Takes over the secrets of the configuration; none of them if one was revoked.
pub(crate) async fn secrets(
    store: &Store,
    access: &settings::Access,
    now: Time,
) -> Result<Vec<String>, shoal_store::Error> {
    let given = given(access);
    let imported = store.import_keys(given.clone(), now, access.dual_accept).await?;
    let superseded = given.iter().zip(imported).filter_map(|((purpose, _), imported)| {
        let Imported::Superseded(id) = imported else { return None };
        Some(format!(
            "the configured {} secret is the former key {id}: an operator has set another one since",
            purpose.as_str()
        ))
    });
    Ok(superseded.collect())
}

/// The secrets that the configuration gives.
pub(crate) fn given(access: &settings::Access) -> Vec<(KeyPurpose, Secret)> {
    let given = [
        (KeyPurpose::FleetWebhook, &access.webhook_secret),
        (KeyPurpose::Media, &access.signed_url_secret),
    ];
    given.into_iter().filter_map(|(purpose, text)| Some((purpose, text.clone()?))).collect()
}

/// The first administrator's token. Made once; its file may be deleted after it was fetched.
pub(crate) async fn admin_token(store: &Store, file: &Path, now: Time) -> anyhow::Result<()> {
    let tokens = store.api_tokens().await?;
    if tokens.iter().any(|token| token.caller.role == Role::Admin && token.is_valid(now)) {
        return Ok(());
    }
    // The file first: killed in between, the next start draws another token and overwrites it.
    let token = ApiToken::draw()?;
    secret_file(file, token.text.expose())?;
    let taken = tokens.iter().any(|token| token.caller.name == "first-admin");
    let name =
        if taken { format!("first-admin-{}", now.as_secs()) } else { "first-admin".to_owned() };
    store.keep_api_token(Caller { name, role: Role::Admin }, &token, None, now).await?;
    tracing::info!(path = %file.display(), "made a first administrator's token");
    Ok(())
}

/// Writes a secret so that it is either wholly there or not at all.
fn secret_file(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let draft = file.with_extension("new");
        write_draft(&draft, text)?;
        fs::rename(&draft, file)?;
        sync_directory(file)
    };
    write().with_context(|| format!("failed to write {}", file.display()))
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    // A draft of an earlier, killed start could have other permissions.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = fs::OpenOptions::new();
    let mut out = open.create_new(true).write(true).mode(0o600).open(draft)?;
    writeln!(out, "{text}")?;
    out.sync_all()
}

fn sync_directory(file: &Path) -> io::Result<()> {
    fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_that_race_for_the_sealing_key_go_on_with_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("seal.key");
        let start = std::sync::Barrier::new(8);
        let race = || {
            start.wait();
            make_key(&file).unwrap().trim().to_owned()
        };
        let keys: Vec<String> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let kept = fs::read_to_string(&file).unwrap();
        assert!(keys.iter().all(|key| key == kept.trim()), "somebody goes on with another key");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "drafts are left");
    }
}
