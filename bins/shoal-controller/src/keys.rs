//! The keys of media addresses in this process: who signs and who checks must follow every change of
//! the keys in the store, a rotation, a revocation, and the end of a former key's time.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use shoal_core::Time;
use shoal_engine::Clock;
use shoal_media::{Key, KeyId, Keyring, MediaServer};
use shoal_store::{Error, KeyPurpose, KeyRing, KeyState, Store};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{catalog::Shelf, effects::chain};

/// How often the store is asked although nobody said that anything changed: bounds how long a key is
/// accepted beyond its time.
const BEAT: Duration = Duration::from_mins(1);

/// What signs media addresses now. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MediaKeys(Arc<ArcSwap<Keyring>>);

impl MediaKeys {
    /// The keys in the store.
    pub(crate) async fn load(store: &Store, clock: &Clock) -> Result<Self, Error> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(ring(store, clock).await?))))
    }

    /// The keys at this moment; whoever signs several addresses that belong together asks once.
    pub(crate) fn ring(&self) -> Arc<Keyring> {
        self.0.load_full()
    }
}

/// Follows the store.
pub(crate) struct Keys {
    store: Store,
    clock: Clock,
    signing: MediaKeys,
    server: Arc<MediaServer<Shelf>>,
    /// Two readings at a time could end with the older one in force.
    turn: Mutex<()>,
}

impl Keys {
    /// Keys for those who sign with `signing`, and for `server`.
    pub(crate) fn new(
        store: Store,
        clock: Clock,
        signing: MediaKeys,
        server: Arc<MediaServer<Shelf>>,
    ) -> Self {
        Self { store, clock, signing, server, turn: Mutex::default() }
    }

    /// Puts the keys of the store in force.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let (checking, signing) =
            (ring(&self.store, &self.clock).await?, ring(&self.store, &self.clock).await?);
        // Who checks comes first: nothing is handed out that would be refused.
        self.server.replace_keyring(checking);
        self.signing.0.store(Arc::new(signing));
        self.measure().await
    }

    /// Follows the passing of time until `stop`.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut beat = tokio::time::interval(BEAT);
        while stop.run_until_cancelled(beat.tick()).await.is_some() {
            if let Err(error) = self.refresh().await {
                tracing::error!(error = %chain(&error), "failed to look at the keys");
            }
        }
    }

    async fn measure(&self) -> Result<(), Error> {
        let (records, now) = (self.store.key_records().await?, self.clock.now());
        let installed = self.store.chores().await?.installed;
        for purpose in KeyPurpose::ALL {
            let secret = purpose.as_str();
            let of_purpose = || records.iter().filter(|key| key.purpose == purpose);
            let accepted = of_purpose().filter(|key| match key.state {
                KeyState::Current => true,
                KeyState::Accepted => key.accepted_until.is_none_or(|until| now < until),
                KeyState::Revoked => false,
            });
            #[expect(clippy::cast_precision_loss, reason = "there are at most 256 keys")]
            metrics::gauge!("secret_accepted_keys", "secret" => secret)
                .set(accepted.count() as f64);
            // The first key was drawn by the installation itself.
            let newest = of_purpose().filter_map(|key| key.created_at).max().unwrap_or(installed);
            let open = of_purpose().filter(|key| key.state == KeyState::Accepted);
            let open = open.filter_map(|key| key.accepted_until).filter(|until| now < *until).max();
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            let seconds = |at: Time| at.as_secs() as f64;
            metrics::gauge!("secret_rotated_timestamp_seconds", "secret" => secret)
                .set(seconds(newest));
            metrics::gauge!("secret_dual_accept_until_timestamp_seconds", "secret" => secret)
                .set(open.map_or(0.0, seconds));
        }
        Ok(())
    }
}

/// The keys in the store whose time is not over.
pub(crate) async fn ring(store: &Store, clock: &Clock) -> Result<Keyring, Error> {
    let keys = store.keys(KeyPurpose::Media).await?.at(clock.now());
    Ok(keyring(&keys))
}

#[expect(clippy::expect_used, reason = "a stored key has 32 bytes and an id of its own below 256")]
fn keyring(keys: &KeyRing) -> Keyring {
    let key = |key: &shoal_store::Key| {
        let id = KeyId::new(u16::from(key.id)).expect("a key id has 12 bits, and this one 8");
        Key::new(id, key.secret.expose().to_vec()).expect("16 bytes are enough")
    };
    let accepted = keys.accepted.iter().map(key).collect();
    Keyring::new(key(&keys.current), accepted).expect("ids are a primary key")
}
