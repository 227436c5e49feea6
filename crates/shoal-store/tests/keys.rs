//! Keys and API tokens: which are accepted, for how long, and what may end them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod drive;

use std::{collections::BTreeMap, time::Duration};

use drive::{NOW, at, claimed, frozen, id};
use ring::digest::{SHA256, digest};
use shoal_core::Workflow;
use shoal_store::{
    ApiToken, Caller, Error, Imported, KeyPurpose, KeySet, KeySource, KeyState, Revocation, Revoke,
    Role, Secret, Store, token,
};

const FLEET: KeyPurpose = KeyPurpose::FleetWebhook;
const ACCEPT: Duration = Duration::from_secs(9);

/// Sets a key that nobody knows, and answers its id.
async fn rotate(store: &Store, purpose: KeyPurpose, accept_for: Duration) -> u8 {
    let text = Secret::draw().unwrap();
    match store.set_key(purpose, &text, NOW, accept_for).await.unwrap() {
        KeySet::Current(id) => id,
        KeySet::Known(id) => unreachable!("drew key {id} twice"),
    }
}

async fn import(store: &Store, text: &str, second: u64) -> Imported {
    store.import_key(FLEET, &Secret::from(text), at(second), ACCEPT).await.unwrap()
}

#[tokio::test]
async fn rotated_keys_verify_until_their_time_is_over() {
    let store = Store::scratch().unwrap();
    let purpose = KeyPurpose::WebhookToken;
    let first = store.keys(purpose).await.unwrap().current;
    assert_eq!(store.keys(purpose).await.unwrap().current.secret.expose(), first.secret.expose());
    let token = token::mint(&first, purpose, id(1), 1);

    let second = rotate(&store, purpose, Duration::from_mins(1)).await;
    let ring = store.keys(purpose).await.unwrap();
    assert_eq!((ring.current.id, ring.accepted[0].id), (second, first.id));
    let verify = |ring| token::verify(&ring, purpose, token.expose());
    assert_eq!(verify(ring.clone().at(at(59))), Some((id(1), 1)));
    assert_eq!(verify(ring.at(at(60))), None);

    let revoke = |id| store.revoke_key(purpose, id, Revoke::IfUnused, NOW);
    assert_eq!(revoke(second).await.unwrap(), Revocation::Current);
    assert_eq!(revoke(first.id).await.unwrap(), Revocation::Revoked { jobs: 0 });
    assert_eq!(revoke(first.id).await.unwrap(), Revocation::Already);
    assert_eq!(revoke(9).await.unwrap(), Revocation::Unknown);
    assert_eq!(verify(store.keys(purpose).await.unwrap()), None);
}

#[tokio::test]
async fn a_configured_key_becomes_current_once_and_stays_revoked() {
    let store = Store::scratch().unwrap();
    assert_eq!(import(&store, "one", 0).await, Imported::Current(1));
    assert_eq!(import(&store, "one", 1).await, Imported::Known(1));
    assert_eq!(import(&store, "two", 2).await, Imported::Current(2));
    let ring = store.keys(FLEET).await.unwrap();
    assert_eq!(ring.accepted[0].accepted_until, Some(at(11)));
    let two = shoal_store::key_from_text(&Secret::from("two"));
    assert_eq!(ring.current.secret.expose(), two.expose());
    assert_eq!(import(&store, "one", 3).await, Imported::Current(1), "rolled back");
    assert_eq!(import(&store, "two", 4).await, Imported::Current(2));

    let changes = store.installation_events(NOW).await.unwrap();
    let set: Vec<_> =
        changes.iter().map(|event| (event.kind.as_str(), event.at, &event.detail)).collect();
    let detail = |id: &str| {
        BTreeMap::from([
            ("purpose".to_owned(), FLEET.as_str().to_owned()),
            ("key_id".to_owned(), id.to_owned()),
        ])
    };
    let [one, two] = ["1", "2"].map(detail);
    let expected = [(at(0), &one), (at(2), &two), (at(3), &one), (at(4), &two)]
        .map(|(at, id)| ("secret_set", at, id));
    assert_eq!(set, expected, "what was known is no change");

    store.revoke_key(FLEET, 1, Revoke::IfUnused, at(5)).await.unwrap();
    let both = vec![
        (KeyPurpose::Media, Secret::from("a new one for media")),
        (FLEET, Secret::from("one")),
    ];
    let refused = store.import_keys(both, at(6), ACCEPT).await.unwrap_err();
    assert!(matches!(refused, Error::RevokedKey { purpose: FLEET, id: 1 }), "{refused}");
    let records = store.key_records().await.unwrap();
    assert!(records.iter().all(|key| key.purpose == FLEET), "nothing of it was taken over");
}

#[tokio::test]
async fn what_an_operator_sets_is_not_undone_by_the_configuration() {
    let store = Store::scratch().unwrap();
    import(&store, "configured", 0).await;

    let set =
        async |text: &str| store.set_key(FLEET, &Secret::from(text), at(1), ACCEPT).await.unwrap();
    assert_eq!(set("better").await, KeySet::Current(2));
    assert_eq!(set("better").await, KeySet::Known(2));
    assert_eq!(set("configured").await, KeySet::Known(1));

    assert_eq!(import(&store, "configured", 2).await, Imported::Superseded(1));
    assert_eq!(store.keys(FLEET).await.unwrap().current.id, 2);
    let records = store.key_records().await.unwrap();
    let told: Vec<_> = records.iter().map(|key| (key.id, key.state, key.source)).collect();
    let expected = [
        (2, KeyState::Current, KeySource::Operator),
        (1, KeyState::Accepted, KeySource::Configured),
    ];
    assert_eq!(told, expected);
    assert_eq!((records[1].created_at, records[1].accepted_until), (Some(at(0)), Some(at(10))));
}

#[tokio::test]
async fn a_key_of_an_unfinished_attempt_is_revoked_in_an_emergency_only() {
    let (store, _lease) = claimed(Workflow::Linux).await;
    let inputs = frozen(1);
    let (media, token) = (inputs.media_key, inputs.token_key);
    store.freeze(id(1), 1, inputs).await.unwrap();
    assert_eq!(store.under_way().await.unwrap()[0].job, id(1));
    for (purpose, key) in [(KeyPurpose::Media, media), (KeyPurpose::WebhookToken, token)] {
        while store.keys(purpose).await.unwrap().current.id <= key {
            rotate(&store, purpose, ACCEPT).await;
        }
        let revoke = |how| store.revoke_key(purpose, key, how, at(1));
        assert_eq!(revoke(Revoke::IfUnused).await.unwrap(), Revocation::InUse { jobs: 1 });
        assert!(store.keys(purpose).await.unwrap().find(key).is_some());
        assert_eq!(revoke(Revoke::Emergency).await.unwrap(), Revocation::Revoked { jobs: 1 });
        assert!(store.keys(purpose).await.unwrap().find(key).is_none());
    }
}

fn sha256(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap()
}

#[tokio::test]
async fn api_token_is_known_by_its_digest_alone() {
    let store = Store::scratch().unwrap();
    let token = store.add_api_token("ci", Role::Operator, NOW).await.unwrap();

    let found = store.api_token(sha256(token.text.expose())).await.unwrap().unwrap();
    assert_eq!(found.caller, Caller { name: "ci".to_owned(), role: Role::Operator });
    assert_eq!(store.api_token(sha256("shoal_x")).await.unwrap(), None);
    let taken = store.add_api_token("ci", Role::Admin, NOW).await.unwrap_err();
    assert!(matches!(taken, Error::NameTaken(name) if name == "ci"));
    assert_eq!(store.api_tokens().await.unwrap(), [found]);
    assert!(store.remove_api_token("ci").await.unwrap());
    assert_eq!(store.api_token(sha256(token.text.expose())).await.unwrap(), None);
}

#[tokio::test]
async fn an_api_token_ends_tells_its_last_use_and_is_revoked_by_its_id() {
    let store = Store::scratch().unwrap();
    let token = ApiToken::draw().unwrap();
    let caller = Caller { name: "ci".to_owned(), role: Role::Reader };
    let kept = store.keep_api_token(caller.clone(), &token, Some(at(10)), NOW).await.unwrap();
    assert!(kept.is_valid(at(9)) && !kept.is_valid(at(10)));
    assert!(kept.is_use_news(at(1)));

    store.api_token_used(sha256(token.text.expose()), at(1)).await.unwrap();

    let used = store.api_tokens().await.unwrap().remove(0);
    assert_eq!((used.id.as_str(), used.used_at), (kept.id.as_str(), Some(at(1))));
    assert!(!used.is_use_news(at(2)) && used.is_use_news(at(2 * 24 * 3600)));
    assert_eq!(store.revoke_api_token("0123456789abcdef").await.unwrap(), None);
    assert_eq!(store.revoke_api_token(&kept.id).await.unwrap(), Some(caller));
    assert!(store.api_tokens().await.unwrap().is_empty());
}
