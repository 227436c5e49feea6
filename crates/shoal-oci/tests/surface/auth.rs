//! Credentials: the same refusal everywhere, and rights that end at the repository.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::json;
use shoal_oci::auth::{
    Access, Artifact, Authenticating, Claim, Htpasswd, Principal, Refused, Rights,
};

use crate::stage::{IMAGE, INDEX, Stage, sha256};

/// bcrypt at cost 4, so that tests do not wait for what is slow on purpose.
fn user(name: &str, password: &str) -> String {
    format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap())
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{name}:{password}").as_bytes()))
}

#[tokio::test]
async fn every_path_refuses_strangers_in_the_same_words() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), user("ann", "secret")).unwrap();
    let stage = Stage::with(|_| {}, Arc::new(Htpasswd::open(file.path()).unwrap())).await;
    let digest = sha256(b"x");
    let wrong = basic("ann", "wrong");
    let unknown = basic("bob", "secret");
    for headers in [vec![], vec![("Authorization", &*wrong)], vec![("Authorization", &*unknown)]] {
        let mut texts = Vec::new();
        for (method, path) in [
            ("GET", "/v2/".to_owned()),
            ("HEAD", format!("/v2/a/blobs/{digest}")),
            ("GET", format!("/v2/a/blobs/{digest}")),
            ("PUT", "/v2/a/manifests/v1".to_owned()),
            ("POST", "/v2/a/blobs/uploads/".to_owned()),
            ("GET", "/v2/_catalog".to_owned()),
            ("GET", "/v2/no/such/path".to_owned()),
            ("GET", "/v2/BAD/tags/list".to_owned()),
        ] {
            let refused = stage.ask_with(method, &path, &headers, b"").await;
            assert_eq!(refused.status, 401, "{method} {path}");
            assert_eq!(refused.header("www-authenticate"), "Basic realm=\"shoal registry\"");
            if method != "HEAD" {
                assert_eq!(refused.code(), "UNAUTHORIZED");
                texts.push(refused.text());
            }
        }
        assert!(texts.windows(2).all(|two| two[0] == two[1]));
    }
    let right = basic("ann", "secret");
    let entered = stage.ask_with("GET", "/v2/", &[("Authorization", &right)], b"").await;
    assert_eq!(entered.status, 200);
}

#[tokio::test]
async fn a_reload_forgets_who_was_recognised_and_a_bad_file_changes_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), user("ann", "old") + "# a comment\n\n").unwrap();
    let users = Arc::new(Htpasswd::open(file.path()).unwrap());
    let stage = Stage::with(|_| {}, users.clone()).await;
    let status = async |password: &str| {
        let header = basic("ann", password);
        stage.ask_with("GET", "/v2/", &[("Authorization", &header)], b"").await.status
    };
    assert_eq!((status("old").await, status("new").await), (200, 401));
    std::fs::write(file.path(), "ann:plain").unwrap();
    let error = users.reload().unwrap_err().to_string();
    assert!(error.contains("line 1") && !error.contains("plain"), "{error}");
    assert_eq!(status("old").await, 200);
    std::fs::write(file.path(), user("ann", "new")).unwrap();
    users.reload().unwrap();
    assert_eq!((status("old").await, status("new").await), (401, 200));
}

/// Knows two tokens of jobs, each for one artifact.
#[derive(Debug)]
struct Jobs {
    by_digest: String,
}

impl Access for Jobs {
    fn authenticate<'a>(&'a self, claim: Claim<'a>) -> Authenticating<'a> {
        let job = |reference: &str| {
            let repository = "tools/own".parse().unwrap();
            let own = [Artifact { repository, reference: reference.parse().unwrap() }];
            Ok(Principal::new("job", Rights::Artifacts(own.into())))
        };
        let known = match claim.header.and_then(|header| header.to_str().ok()) {
            Some("Bearer tag") => job("v1"),
            Some("Bearer digest") => job(&self.by_digest),
            Some("Bearer admin") => Ok(Principal::new("admin", Rights::All)),
            Some("Bearer often") => Err(Refused::TooMany { wait: Duration::from_secs(5) }),
            _ => Err(Refused::Unauthenticated),
        };
        Box::pin(async { known })
    }
}

/// An index of one image of one layer, tagged `v1`; something else of the same repository, tagged
/// `v2`; the first once more in another repository.
struct Pushed {
    index: Vec<u8>,
    image: String,
    layer: String,
    config: String,
    other: String,
    other_layer: String,
}

async fn push(stage: &Stage, name: &str) -> Pushed {
    let admin = [("Authorization", "Bearer admin")];
    let blob = async |content: &'static str| {
        let digest = sha256(content.as_bytes());
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let pushed = stage.ask_with("POST", &path, &admin, content.as_bytes()).await;
        assert_eq!(pushed.status, 201);
        digest
    };
    let manifest = async |media_type: &str, reference: &str, body: &[u8]| {
        let headers = [("Authorization", "Bearer admin"), ("Content-Type", media_type)];
        let path = format!("/v2/{name}/manifests/{reference}");
        assert_eq!(stage.ask_with("PUT", &path, &headers, body).await.status, 201, "{path}");
    };
    let (config, layer, other_layer) =
        (blob("{}").await, blob("tool").await, blob("another").await);
    let image = |layer: &str, size: usize| {
        json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": "application/x-tool", "digest": layer, "size": size}],
        })
        .to_string()
        .into_bytes()
    };
    let own = image(&layer, 4);
    let own_digest = sha256(&own);
    manifest(IMAGE, &own_digest, &own).await;
    let entry = json!({"mediaType": IMAGE, "digest": own_digest, "size": own.len()});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
    let index = index.to_string().into_bytes();
    manifest(INDEX, "v1", &index).await;
    let other = image(&other_layer, 7);
    manifest(IMAGE, "v2", &other).await;
    let other = sha256(&other);
    Pushed { index, image: own_digest, layer, config, other, other_layer }
}

#[tokio::test]
async fn a_job_reads_its_own_artifact_with_what_that_needs_and_nothing_else() {
    // The digest is known before anything is pushed: both stages hold the same.
    let before = Stage::with(|_| {}, Arc::new(Jobs { by_digest: sha256(b"") })).await;
    let by_digest = sha256(&push(&before, "tools/own").await.index);
    let stage = Stage::with(|_| {}, Arc::new(Jobs { by_digest: by_digest.clone() })).await;
    let Pushed { image, layer, config, other, other_layer, .. } = push(&stage, "tools/own").await;
    push(&stage, "tools/other").await;

    for (token, named) in [("Bearer tag", "v1"), ("Bearer digest", &by_digest)] {
        let job = [("Authorization", token)];
        let ask = async |method: &str, path: String| {
            stage.ask_with(method, &path, &job, b"").await.status
        };
        assert_eq!(ask("GET", "/v2/".to_owned()).await, 200);
        for path in [
            format!("manifests/{named}"),
            format!("manifests/{by_digest}"),
            format!("manifests/{image}"),
            format!("blobs/{layer}"),
            format!("blobs/{config}"),
        ] {
            for method in ["GET", "HEAD"] {
                let path = format!("/v2/tools/own/{path}");
                assert_eq!(ask(method, path.clone()).await, 200, "{token}: {method} {path}");
            }
        }
        for (method, path) in [
            ("GET", "tools/own/manifests/v2".to_owned()),
            ("GET", format!("tools/own/manifests/{other}")),
            ("HEAD", format!("tools/own/blobs/{other_layer}")),
            ("GET", format!("tools/own/blobs/{}", sha256(b"never pushed"))),
            ("GET", "tools/own/tags/list".to_owned()),
            ("GET", format!("tools/own/referrers/{by_digest}")),
            ("GET", format!("tools/other/manifests/{by_digest}")),
            ("GET", format!("tools/other/blobs/{layer}")),
            ("GET", "tools/nobody/manifests/v1".to_owned()),
            ("GET", "_catalog".to_owned()),
            ("POST", "tools/own/blobs/uploads/".to_owned()),
            ("POST", format!("tools/own/blobs/uploads/?mount={layer}&from=tools/own")),
            ("PUT", "tools/own/manifests/v1".to_owned()),
            ("DELETE", format!("tools/own/blobs/{layer}")),
            ("DELETE", "tools/own/manifests/v1".to_owned()),
        ] {
            assert_eq!(ask(method, format!("/v2/{path}")).await, 403, "{token}: {method} {path}");
        }
    }
    let by_tag = [("Authorization", "Bearer digest")];
    let refused = stage.ask_with("GET", "/v2/tools/own/manifests/v1", &by_tag, b"").await;
    assert_eq!(refused.status, 403, "who may read a digest may not read whatever a tag points at");
}

#[tokio::test]
async fn who_was_wrong_too_often_is_told_when_to_come_back() {
    let stage = Stage::with(|_| {}, Arc::new(Jobs { by_digest: String::new() })).await;
    let refused = stage.ask_with("GET", "/v2/", &[("Authorization", "Bearer often")], b"").await;
    assert_eq!((refused.status, refused.code()), (429, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(refused.header("retry-after"), "6");
}
