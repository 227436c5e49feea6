//! Clients and the garbage collection at the same time, on the same few digests. What a client was
//! told exists must be there when it acts on it within the grace, and what a manifest needs always,
//! and so must who refers to it be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shoal_oci::auth::Open;
use shoal_oci::gc::Mode;

use crate::stage::{Client, IMAGE, Stage, image, noise, sha256};

const CLIENTS: usize = 4;
/// Rounds of a client at least, and how many it makes at most until there was something to race for.
const ROUNDS: usize = 60;
const ROUNDS_MAX: usize = 100 * ROUNDS;
/// Contents the clients share, so that they meet each other's garbage.
const CONTENTS: usize = 6;
/// Within this grace there may be nothing old enough to be removed.
const LONG: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Seen {
    /// What must never happen.
    violations: Vec<String>,
    /// Rounds that took longer than the grace, so that nothing was promised any more.
    late: usize,
    /// Manifests that were pushed and pulled.
    whole: usize,
}

/// What all of them did together.
#[derive(Debug, Default)]
struct Met {
    sweeps: AtomicUsize,
    /// What they removed.
    removed: AtomicU64,
    /// Blobs that were there without being pushed.
    confirmed: AtomicUsize,
    over: AtomicBool,
}

impl Met {
    /// Whether clients and collections met, however this machine divides its time among them.
    fn is_enough(&self, grace: Duration) -> bool {
        self.sweeps.load(Ordering::Acquire) > 1
            && self.confirmed.load(Ordering::Acquire) > 0
            && (grace >= LONG || self.removed.load(Ordering::Acquire) > 0)
    }
}

fn content(n: usize) -> Vec<u8> {
    let mut content = noise(if n.is_multiple_of(2) { 40_000 } else { 100 });
    content.extend_from_slice(n.to_string().as_bytes());
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_swept_and_no_pull_is_broken() {
    for grace in [Duration::from_millis(5), Duration::from_millis(100), LONG] {
        let stage = Arc::new(Stage::with(|config| config.grace = grace, Arc::new(Open)).await);
        let met = Arc::new(Met::default());
        let sweeping = tokio::spawn(sweep(Arc::clone(&stage), Arc::clone(&met)));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stage, met) = (Arc::clone(&stage), Arc::clone(&met));
                tokio::spawn(async move { work(&stage, client, (grace, &met)).await })
            })
            .collect();
        let mut whole = 0;
        for client in clients {
            let seen = client.await.unwrap();
            assert!(seen.violations.is_empty(), "grace {grace:?}: {seen:?}");
            assert!(seen.whole + seen.late >= ROUNDS, "{seen:?}");
            whole += seen.whole;
        }
        met.over.store(true, Ordering::Release);
        sweeping.await.unwrap();
        assert!(met.is_enough(grace), "nothing was there to race for: {met:?}");
        assert!(whole > 0 || grace < LONG, "no round was quick enough");
    }
}

/// One collection after the other.
async fn sweep(stage: Arc<Stage>, met: Arc<Met>) {
    while !met.over.load(Ordering::Acquire) {
        let removed = stage.collect(Mode::Sweep).await.removed.total();
        met.removed.fetch_add(removed, Ordering::AcqRel);
        met.sweeps.fetch_add(1, Ordering::AcqRel);
    }
}

async fn work(stage: &Stage, client: usize, (grace, met): (Duration, &Met)) -> Seen {
    let mut seen = Seen::default();
    let mut connection = stage.client().await;
    let name = ["a", "b"][client % 2];
    for round in 0..ROUNDS_MAX {
        if round >= ROUNDS && (seen.whole > 0 || grace < LONG) && met.is_enough(grace) {
            break;
        }
        let contents = [content((client + round) % CONTENTS), content(round * 7 % CONTENTS)];
        let started = Instant::now();
        for content in &contents {
            let confirmed = bring(&mut connection, name, content).await;
            met.confirmed.fetch_add(usize::from(confirmed), Ordering::AcqRel);
        }
        let [config, layer] = contents.each_ref().map(|content| sha256(content));
        let mut manifest = image(&config, &[&layer]);
        manifest["annotations"] = serde_json::json!({"round": format!("{client} {round}")});
        let manifest = manifest.to_string();
        let path = format!("/v2/{name}/manifests/{}", sha256(manifest.as_bytes()));
        let headers = [("Content-Type", IMAGE)];
        let put = connection.ask("PUT", &path, &headers, manifest.as_bytes()).await;
        if put.status != 201 {
            if started.elapsed() < grace {
                seen.violations.push(format!("round {round}: {} {}", put.status, put.text()));
            }
            seen.late += 1;
            continue;
        }
        let got = connection.ask("GET", &path, &[], b"").await;
        if got.text() != manifest {
            seen.violations.push(format!("round {round}: manifest {}", got.status));
        }
        for content in &contents {
            let path = format!("/v2/{name}/blobs/{}", sha256(content));
            let got = connection.ask("GET", &path, &[], b"").await;
            if got.body != *content {
                seen.violations.push(format!("round {round}: {path} {}", got.status));
            }
        }
        if let Some(violation) = refer(&mut connection, name, (&manifest, &config)).await {
            seen.violations.push(format!("round {round}: {violation}"));
        }
        assert_eq!(connection.ask("DELETE", &path, &[], b"").await.status, 202);
        seen.whole += 1;
    }
    seen
}

/// Attaches something to a manifest that is there, looks for it, and takes it away again; what went
/// wrong. Its config is the manifest's own, which is why it cannot be missing.
async fn refer(
    connection: &mut Client,
    name: &str,
    (manifest, config): (&str, &str),
) -> Option<String> {
    let subject = sha256(manifest.as_bytes());
    let mut referrer = image(config, &[]);
    referrer["subject"] =
        serde_json::json!({"mediaType": IMAGE, "digest": subject, "size": manifest.len()});
    let referrer = referrer.to_string();
    let digest = sha256(referrer.as_bytes());
    let path = format!("/v2/{name}/manifests/{digest}");
    let headers = [("Content-Type", IMAGE)];
    let put = connection.ask("PUT", &path, &headers, referrer.as_bytes()).await;
    if put.status != 201 {
        return Some(format!("referrer {} {}", put.status, put.text()));
    }
    let list = connection.ask("GET", &format!("/v2/{name}/referrers/{subject}"), &[], b"").await;
    let listed =
        list.json()["manifests"].as_array().unwrap().iter().any(|it| it["digest"] == digest);
    let got = connection.ask("GET", &path, &[], b"").await;
    assert_eq!(connection.ask("DELETE", &path, &[], b"").await.status, 202);
    if listed && got.text() == referrer {
        return None;
    }
    Some(format!("referrer {} listed: {listed}", got.status))
}

/// Makes sure that a repository has content, as clients do; true if it was there already.
async fn bring(connection: &mut Client, name: &str, content: &[u8]) -> bool {
    let digest = sha256(content);
    if connection.ask("HEAD", &format!("/v2/{name}/blobs/{digest}"), &[], b"").await.status == 200 {
        return true;
    }
    let other = if name == "a" { "b" } else { "a" };
    let mount = format!("/v2/{name}/blobs/uploads/?mount={digest}&from={other}");
    let mounted = connection.ask("POST", &mount, &[], b"").await;
    if mounted.status == 201 {
        return true;
    }
    let put = format!("{}?digest={digest}", mounted.header("location"));
    assert_eq!(connection.ask("PUT", &put, &[], content).await.status, 201);
    false
}
