//! Client certificates: asked for, judged, and no reason to turn anybody away at the door.

use std::path::Path;

use shoal_api::ClientCertificate;

use super::*;

/// An authority and a leaf of it for a client, both from openssl: PEM of the authority's certificate,
/// and of the leaf with its key.
fn issued(directory: &Path, name: &str) -> (PathBuf, Vec<u8>) {
    let file = |kind: &str| directory.join(format!("{name}.{kind}"));
    let [ca, ca_key, leaf, key] = ["ca", "ca-key", "leaf", "key"].map(file);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let made = |arguments: Vec<String>| {
        let run = Command::new("openssl").args(&arguments).output();
        let run = run.expect("openssl is missing: apt-get install -y openssl");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    let words = |words: &str| words.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
    let own = format!(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={name} -keyout {} -out {}",
        text(&ca_key),
        text(&ca)
    );
    made(words(&own));
    let signed = format!(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=machine -CA {} -CAkey {} \
         -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth \
         -keyout {} -out {}",
        text(&ca),
        text(&ca_key),
        text(&key),
        text(&leaf)
    );
    made(words(&signed));
    let identity = [std::fs::read(&leaf).unwrap(), std::fs::read(&key).unwrap()].concat();
    (ca, identity)
}

#[tokio::test]
async fn certificates_of_clients_are_asked_for_and_judged_and_nobody_is_turned_away() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, ours) = issued(directory.path(), "ours");
    let (_, foreign) = issued(directory.path(), "foreign");
    let set = vec![
        format!("STORAGE_ROOT={}", directory.path().display()),
        "WEBHOOK_MTLS=required".to_owned(),
        format!("WEBHOOK_CLIENT_CA_FILE={}", ca.display()),
    ];
    let settings = Settings::load(&Sources { set, ..Sources::default() }).unwrap().settings;
    let tls = Arc::new(Tls::open(&settings, SystemTime::now()).unwrap());
    let identity = Identity { directory, settings, tls };
    let shown = get(|shown: Extension<ClientCertificate>| async move { format!("{:?}", shown.0) });
    let router = Router::new().route("/", shown);
    let server = Server::start(router, Limits::default(), Some(&identity.tls));

    for (certificate, judged) in
        [(None, "None"), (Some(&ours), "Trusted"), (Some(&foreign), "Foreign")]
    {
        let client = identity.client_with(certificate.map(Vec::as_slice));
        let answer = client.get(server.url("https", "/")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), judged);
    }
    server.drained().await;
}
