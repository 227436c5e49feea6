//! Clients and the garbage collection at the same time, on the same few digests. What a client was
//! told exists must be there when it acts on it within the grace, and what a manifest needs always,
//! and so must who refers to it be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shoal_oci::auth::Open;
use shoal_oci::gc::Mode;

use crate::stage::{Client, IMAGE, Stage, image, noise, sha256};

const CLIENTS: usize = 4;
const ROUNDS: usize = 60;
/// Contents the clients share, so that they meet each other's garbage.
const CONTENTS: usize = 6;

#[derive(Debug, Default)]
struct Seen {
    /// What must never happen.
    violations: Vec<String>,
    /// Rounds that took longer than the grace, so that nothing was promised any more.
    late: usize,
    /// Manifests that were pushed and pulled.
    whole: usize,
    /// Blobs that were there without being pushed.
    confirmed: usize,
}

fn content(n: usize) -> Vec<u8> {
    let mut content = noise(if n.is_multiple_of(2) { 40_000 } else { 100 });
    content.extend_from_slice(n.to_string().as_bytes());
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_swept_and_no_pull_is_broken() {
    for grace in [Duration::from_millis(5), Duration::from_millis(100), Duration::from_secs(2)] {
        let stage = Arc::new(Stage::with(|config| config.grace = grace, Arc::new(Open)).await);
        let over = Arc::new(AtomicBool::new(false));
        let sweeping = tokio::spawn(sweep(Arc::clone(&stage), Arc::clone(&over)));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let stage = Arc::clone(&stage);
                tokio::spawn(async move { work(&stage, client, grace).await })
            })
            .collect();
        let (mut whole, mut confirmed) = (0, 0);
        for client in clients {
            let seen = client.await.unwrap();
            assert!(seen.violations.is_empty(), "grace {grace:?}: {seen:?}");
            assert_eq!(seen.whole + seen.late, ROUNDS, "{seen:?}");
            (whole, confirmed) = (whole + seen.whole, confirmed + seen.confirmed);
        }
        over.store(true, Ordering::Release);
        let (sweeps, removed) = sweeping.await.unwrap();
        assert!(sweeps > 1 && confirmed > 0, "{sweeps} sweeps, {confirmed} confirmed");
        // With the longest grace there may be nothing old enough to be removed.
        assert!(whole > 0 || grace < Duration::from_secs(2), "no round was quick enough");
        assert!(removed > 0 || grace >= Duration::from_secs(2), "nothing was there to race for");
    }
}

/// One collection after the other; how many, and what they removed.
async fn sweep(stage: Arc<Stage>, over: Arc<AtomicBool>) -> (u64, u64) {
    let (mut sweeps, mut removed) = (0, 0);
    while !over.load(Ordering::Acquire) {
        removed += stage.collect(Mode::Sweep).await.removed.total();
        sweeps += 1;
    }
    (sweeps, removed)
}

async fn work(stage: &Stage, client: usize, grace: Duration) -> Seen {
    let mut seen = Seen::default();
    let mut connection = stage.client().await;
    let name = ["a", "b"][client % 2];
    for round in 0..ROUNDS {
        let contents = [content((client + round) % CONTENTS), content(round * 7 % CONTENTS)];
        let started = Instant::now();
        for content in &contents {
            seen.confirmed += usize::from(bring(&mut connection, name, content).await);
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
