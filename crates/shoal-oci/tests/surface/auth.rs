//! Credentials: the same refusal everywhere, and rights that end at the repository.

use std::sync::Arc;

use data_encoding::BASE64;
use http::HeaderValue;
use shoal_oci::auth::{Access, Authenticating, Htpasswd, Principal, Refused, Rights};

use crate::stage::{Stage, sha256};

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

/// Knows one token, for one repository.
#[derive(Debug)]
struct OneJob;

impl Access for OneJob {
    fn authenticate<'a>(&'a self, header: Option<&'a HeaderValue>) -> Authenticating<'a> {
        Box::pin(async move {
            match header.and_then(|header| header.to_str().ok()) {
                Some("Bearer job") => {
                    let own = [("tools/own").parse().unwrap()];
                    Ok(Principal::new("job", Rights::Pull(own.into())))
                }
                Some("Bearer admin") => Ok(Principal::new("admin", Rights::All)),
                _ => Err(Refused::Unauthenticated),
            }
        })
    }
}

#[tokio::test]
async fn a_job_reads_its_own_repository_and_nothing_else() {
    let stage = Stage::with(|_| {}, Arc::new(OneJob)).await;
    let (job, admin) = ([("Authorization", "Bearer job")], [("Authorization", "Bearer admin")]);
    let digest = sha256(b"tool");
    for name in ["tools/own", "tools/other"] {
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        assert_eq!(stage.ask_with("POST", &path, &admin, b"tool").await.status, 201);
    }
    let own = format!("/v2/tools/own/blobs/{digest}");
    assert_eq!(stage.ask_with("GET", &own, &job, b"").await.text(), "tool");
    assert_eq!(stage.ask_with("GET", "/v2/", &job, b"").await.status, 200);
    for (method, path) in [
        ("GET", format!("/v2/tools/other/blobs/{digest}")),
        ("HEAD", format!("/v2/tools/own/x/blobs/{digest}")),
        ("GET", "/v2/tools/other/tags/list".to_owned()),
        ("GET", format!("/v2/tools/other/referrers/{digest}")),
        ("GET", "/v2/_catalog".to_owned()),
        ("POST", "/v2/tools/own/blobs/uploads/".to_owned()),
        ("PUT", "/v2/tools/own/manifests/v1".to_owned()),
        ("DELETE", own.clone()),
    ] {
        let refused = stage.ask_with(method, &path, &job, b"").await;
        assert_eq!(refused.status, 403, "{method} {path}");
    }
}
