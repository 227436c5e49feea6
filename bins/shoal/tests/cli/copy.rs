//! Copies between two registries that do what their scripts say.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{PASSWORD, Shell};
use crate::stand_in::{Reply, StandIn};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "0123456789";
const UPLOADS: &str = "/v2/b/blobs/uploads/";

fn digest(content: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
    hash.as_ref().iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// An image of one layer, whose config is the layer as well.
fn manifest() -> String {
    let part = json!({"mediaType": "a/b", "digest": digest(LAYER), "size": LAYER.len()});
    json!({"schemaVersion": 2, "mediaType": IMAGE, "config": part, "layers": [part]}).to_string()
}

fn route(method: &str, path: &str) -> &'static str {
    format!("{method} {path}").leak()
}

fn blob(repository: &str) -> String {
    format!("/v2/{repository}/blobs/{}", digest(LAYER))
}

/// The registry that has it.
fn source(layers: Vec<Reply>) -> StandIn {
    StandIn::new([
        ("GET /v2/a/manifests/v1", vec![Reply::text(200, IMAGE, &manifest())]),
        (route("GET", &blob("a")), layers),
    ])
}

fn accepted() -> Reply {
    Reply::empty(202).with_header("location", "/v2/b/blobs/uploads/1")
}

fn copy(source: &StandIn, destination: &StandIn, more: &str) -> crate::shell::Ran {
    let host = |stand_in: &StandIn| stand_in.url().trim_start_matches("http://").to_owned();
    let mut shell = Shell::bare();
    shell.set("DST_REGISTRY_PASSWORD", PASSWORD);
    let line = format!(
        "registry copy {}/a:v1 {}/b --src-plain-http --dst-plain-http{more}",
        host(source),
        host(destination)
    );
    shell.run(&line)
}

#[test]
fn a_transfer_that_breaks_goes_on_where_the_destination_is() {
    let layer = Reply::text(200, "application/octet-stream", LAYER);
    let part = Reply::text(206, "application/octet-stream", &LAYER[4..]);
    let source = source(vec![layer, part]);
    let state = Reply::empty(204).with_header("location", "/v2/b/blobs/uploads/1");
    let state = state.with_header("range", "0-3");
    let destination = StandIn::new([
        (route("HEAD", &blob("b")), vec![Reply::empty(404)]),
        (route("POST", UPLOADS), vec![accepted()]),
        (route("PATCH", "/v2/b/blobs/uploads/1"), vec![Reply::lost(), accepted()]),
        (route("GET", "/v2/b/blobs/uploads/1"), vec![state]),
        (route("PUT", "/v2/b/blobs/uploads/1"), vec![Reply::empty(201)]),
        (route("PUT", "/v2/b/manifests/v1"), vec![Reply::empty(201)]),
    ]);

    let ran = copy(&source, &destination, " --output json");

    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&told["blobs_sent"], &told["bytes_sent"]), (&json!(1), &json!(10)));
    assert_eq!(told["digest"], digest(&manifest()));
    let patches: Vec<_> =
        destination.requests().into_iter().filter(|it| it.line.starts_with("PATCH")).collect();
    assert_eq!(patches[0].body, LAYER.as_bytes());
    assert_eq!(patches[1].body, &LAYER.as_bytes()[4..]);
    assert_eq!(patches[1].headers["content-range"], "4-9");
    let ranged = source.requests().into_iter().find_map(|it| it.headers.get("range").cloned());
    assert_eq!(ranged.as_deref(), Some("bytes=4-"));
    let requests = destination.requests();
    let last = requests.last().unwrap();
    assert_eq!((&*last.line, &*last.headers["content-type"]), ("PUT /v2/b/manifests/v1", IMAGE));
    assert_eq!(last.body, manifest().as_bytes());
    let ended = requests.iter().find(|it| it.line.starts_with("PUT /v2/b/blobs")).unwrap();
    assert!(ended.line.ends_with(&digest(LAYER).replace(':', "%3A")), "{}", ended.line);
}

#[test]
fn what_the_destination_has_is_not_asked_of_the_source() {
    let source = source(Vec::new());
    let destination = StandIn::new([
        (route("HEAD", &blob("b")), vec![Reply::empty(200)]),
        (route("PUT", "/v2/b/manifests/v1"), vec![Reply::empty(201)]),
    ]);
    let ran = copy(&source, &destination, "");
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    assert!(ran.out.contains("0 sent, 0 mounted, 1 there already"), "{}", ran.out);
    assert_eq!(source.lines(), ["GET /v2/a/manifests/v1"]);
}

#[test]
fn within_one_registry_blobs_are_mounted() {
    let both = StandIn::new([
        ("GET /v2/a/manifests/v1", vec![Reply::text(200, IMAGE, &manifest())]),
        (route("HEAD", &blob("b")), vec![Reply::empty(404)]),
        (route("POST", UPLOADS), vec![Reply::empty(201)]),
        (route("PUT", "/v2/b/manifests/v1"), vec![Reply::empty(201)]),
    ]);
    let ran = copy(&both, &both, "");
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let lines = both.lines();
    let mount = lines.iter().find(|line| line.starts_with("POST")).unwrap();
    assert!(mount.contains("mount=sha256") && mount.ends_with("from=a"), "{mount}");
}

#[test]
fn content_that_is_not_what_it_is_called_is_not_ended_as_it() {
    let wrong = Reply::text(200, "application/octet-stream", "012345678X");
    let source = source(vec![wrong]);
    let destination = StandIn::new([
        (route("HEAD", &blob("b")), vec![Reply::empty(404)]),
        (route("POST", UPLOADS), vec![accepted()]),
        (route("PATCH", "/v2/b/blobs/uploads/1"), vec![accepted()]),
    ]);
    let ran = copy(&source, &destination, "");
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.err.contains("is something else"), "{}", ran.err);
    assert!(destination.lines().iter().all(|line| !line.starts_with("PUT")));
}

#[test]
fn who_asks_is_said_only_where_it_is_asked_and_only_to_that_registry() {
    let source = source(Vec::new());
    let unknown = || Reply::empty(401).with_header("www-authenticate", "Basic realm=\"registry\"");
    let destination = StandIn::new([
        (route("HEAD", &blob("b")), vec![unknown(), Reply::empty(200)]),
        (route("PUT", "/v2/b/manifests/v1"), vec![Reply::empty(201)]),
    ]);
    let ran = copy(&source, &destination, " --dst-user ops");
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let logins: Vec<_> =
        destination.requests().iter().map(|it| it.headers.contains_key("authorization")).collect();
    assert_eq!(logins, [false, true, true]);
    assert!(source.requests().iter().all(|it| !it.headers.contains_key("authorization")));

    let closed = StandIn::new([(route("HEAD", &blob("b")), vec![unknown()])]);
    let nobody = copy(&source, &closed, "");
    assert_eq!(nobody.exit, Exit::Denied);
    assert!(nobody.err.contains("--dst-user"), "{}", nobody.err);
    assert_eq!(closed.lines().len(), 1);
}

#[test]
fn names_that_cannot_be_meant_are_refused_before_anybody_is_asked() {
    for line in ["registry copy https://x/a:v1 b", "registry copy a:v1 ../b", "registry copy a"] {
        assert_eq!(Shell::bare().run(line).exit, Exit::Usage, "{line}");
    }
    let nowhere = Shell::bare().run("registry copy a:v1 b:v1");
    assert_eq!(nowhere.exit, Exit::Usage);
    assert!(nowhere.err.contains("no controller is named"), "{}", nowhere.err);
}
