//! The breaker in front of a BMC's account and the newest look at a BMC.
#![expect(clippy::unwrap_used, reason = "in a test a failure is a finding")]

use shoal_core::{ServerSerial, Time};
use shoal_store::{
    AuditFilter, Credentials, Logins, Secret, Server, Store, StoredLearned, StoredProbe, TlsPolicy,
};

const NOW: Time = Time::from_millis(1_700_000_000_000);

async fn store() -> (Store, ServerSerial) {
    let store = Store::scratch().unwrap();
    let serial: ServerSerial = "SRV-1".parse().unwrap();
    put(&store, &serial, Some("one")).await;
    (store, serial)
}

async fn put(store: &Store, serial: &ServerSerial, password: Option<&str>) {
    let tls = TlsPolicy::Pin { sha256: "ab".repeat(32) };
    let server = Server::new(serial.clone(), "https://192.0.2.7", tls);
    let credentials = password.map(|password| Credentials {
        user: "root".to_owned(),
        password: Secret::new(password.to_owned()),
    });
    store.put_server(server, credentials, "test", NOW).await.unwrap();
}

#[tokio::test]
async fn refused_logins_are_forgotten_by_new_credentials_or_an_operator_and_nothing_else() {
    let (store, serial) = store().await;
    let stopped = Logins { refused: 2, stopped_at: Some(NOW) };
    assert_eq!(store.logins(&serial).await.unwrap(), Logins::default());
    store.set_logins(&serial, stopped).await.unwrap();
    put(&store, &serial, None).await;
    assert_eq!(store.logins(&serial).await.unwrap(), stopped);
    put(&store, &serial, Some("two")).await;
    assert_eq!(store.logins(&serial).await.unwrap(), Logins::default());
    store.set_logins(&serial, stopped).await.unwrap();
    assert!(store.retry_login(&serial, "olga", NOW).await.unwrap());
    assert!(!store.retry_login(&serial, "olga", NOW).await.unwrap());
    assert_eq!(store.logins(&serial).await.unwrap(), Logins::default());
    let audited = store.audited(AuditFilter::default()).await.unwrap();
    assert_eq!(audited.iter().filter(|a| a.entry.action == "server.retry_login").count(), 2);
    let unknown = "SRV-2".parse().unwrap();
    store.retry_login(&unknown, "olga", NOW).await.unwrap_err();
    store.set_logins(&unknown, stopped).await.unwrap();
    assert_eq!(store.logins(&unknown).await.unwrap(), Logins::default());
}

#[tokio::test]
async fn only_the_newest_look_is_kept_and_it_goes_with_its_server() {
    let (store, serial) = store().await;
    assert_eq!(store.probe(&serial).await.unwrap(), None);
    for report in ["{\"first\":1}", "{\"second\":2}"] {
        let probe = StoredProbe { at: NOW, report: report.to_owned(), discovery: None };
        store.set_probe(&serial, probe.clone()).await.unwrap();
        assert_eq!(store.probe(&serial).await.unwrap(), Some(probe));
    }
    store.delete_server(&serial, "test", NOW).await.unwrap();
    put(&store, &serial, Some("three")).await;
    assert_eq!(store.probe(&serial).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_known_of_a_kind_of_bmc_is_replaced_by_what_is_known_later() {
    let (store, _) = store().await;
    let learned = |kind: &str, forms: &str| StoredLearned {
        kind: kind.to_owned(),
        at: NOW,
        forms: forms.to_owned(),
    };
    for (kind, forms) in [("b/2", "{}"), ("a/1", "{\"old\":1}"), ("a/1", "{\"new\":1}")] {
        store.set_learned(learned(kind, forms)).await.unwrap();
    }
    let known = store.learned().await.unwrap();
    assert_eq!(known, [learned("a/1", "{\"new\":1}"), learned("b/2", "{}")]);
    assert!(store.forget_learned("a/1").await.unwrap());
    assert!(!store.forget_learned("a/1").await.unwrap());
    assert_eq!(store.learned().await.unwrap(), [learned("b/2", "{}")]);
}
