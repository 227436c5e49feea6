//! What the very first start makes: no default password, no shared key.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use data_encoding::HEXLOWER_PERMISSIVE;
use shoal_core::Time;
use shoal_store::{ApiToken, Imported, KeyPurpose, Role, Sealing, SealingKey, Secret, Store};

use crate::settings;

/// Makes the directories that are missing, readable by nobody else.
pub(crate) fn directories(storage: &settings::Storage) -> anyhow::Result<()> {
    let secrets = storage.root.join("secrets");
    let database = storage.db_path.parent().unwrap_or(&storage.root);
    for path in [&storage.root, &secrets, &storage.task_iso_dir, &storage.static_dir] {
        private(path)?;
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

/// The key that seals secrets in the database, from its file; made when there is none.
pub(crate) fn sealing(file: &Path) -> anyhow::Result<Sealing> {
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
    Ok(Sealing::new(SealingKey::from_bytes(key)))
}

fn make_key(file: &Path) -> anyhow::Result<zeroize::Zeroizing<String>> {
    use ring::rand::{SecureRandom, SystemRandom};

    let mut key = zeroize::Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(key.as_mut()).map_err(|_| anyhow::anyhow!("no randomness"))?;
    let text = zeroize::Zeroizing::new(HEXLOWER_PERMISSIVE.encode(key.as_ref()));
    secret_file(file, &text)?;
    tracing::info!(path = %file.display(), "made the key that seals secrets; keep a copy of it apart from backups");
    Ok(text)
}

/// How long the fleet secret before the current one stays accepted.
const DUAL_ACCEPT: Duration = Duration::from_hours(7 * 24);

/// Takes over the configured fleet secret: a new value becomes current, the one before stays
/// accepted for a while, and one that was revoked is refused.
pub(crate) async fn fleet_secret(store: &Store, text: &Secret, now: Time) -> anyhow::Result<()> {
    match store.import_key(KeyPurpose::FleetWebhook, text, now, DUAL_ACCEPT).await? {
        Imported::Revoked(_) => bail!("WEBHOOK_SECRET was revoked; set another value"),
        Imported::Current(_) | Imported::Known(_) => Ok(()),
    }
}

/// The first administrator's token. Made once; its file may be deleted after it was fetched.
pub(crate) async fn admin_token(store: &Store, file: &Path, now: Time) -> anyhow::Result<()> {
    let known = store.api_tokens().await?.iter().any(|caller| caller.role == Role::Admin);
    if known {
        return Ok(());
    }
    // The file first: killed in between, the next start draws another token and overwrites it.
    let token = ApiToken::draw()?;
    secret_file(file, token.text.expose())?;
    store.keep_api_token("first-admin", Role::Admin, &token, now).await?;
    tracing::info!(path = %file.display(), "made a first administrator's token");
    Ok(())
}

/// Writes a secret so that it is either wholly there or not at all.
fn secret_file(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let draft = file.with_extension("new");
        // A draft of an earlier, killed start could have other permissions.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut open = fs::OpenOptions::new();
        let mut out = open.create_new(true).write(true).mode(0o600).open(&draft)?;
        writeln!(out, "{text}")?;
        out.sync_all()?;
        fs::rename(&draft, file)?;
        fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("failed to write {}", file.display()))
}
