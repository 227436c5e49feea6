//! Copies between two registries that do what their scripts say.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{PASSWORD, Ran, Shell};
use crate::stand_in::{Reply, StandIn};
use crate::tls::tls;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "0123456789";
const UPLOADS: &str = "/v2/b/blobs/uploads/";
const UPLOAD: &str = "/v2/b/blobs/uploads/1";
const OCTETS: &str = "application/octet-stream";

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
    Reply::empty(202).with_header("location", UPLOAD)
}

/// The layer, whole.
fn whole() -> Reply {
    Reply::text(200, OCTETS, LAYER)
}

/// The layer but for what the destination has after [`state`].
fn rest() -> Reply {
    Reply::text(206, OCTETS, &LAYER[4..]).with_header("content-range", "bytes 4-9/10")
}

/// Four bytes have arrived.
fn state() -> Reply {
    Reply::empty(204).with_header("location", UPLOAD).with_header("range", "0-3")
}

/// A registry that lacks it, takes parts as the script says, and then the whole.
fn destination(patches: Vec<Reply>) -> StandIn {
    StandIn::new([
        (route("HEAD", &blob("b")), vec![Reply::empty(404)]),
        (route("POST", UPLOADS), vec![accepted()]),
        (route("PATCH", UPLOAD), patches),
        (route("GET", UPLOAD), vec![state()]),
        (route("PUT", UPLOAD), vec![Reply::empty(201)]),
        (route("PUT", "/v2/b/manifests/v1"), vec![Reply::empty(201)]),
    ])
}

fn patches(destination: &StandIn) -> Vec<Vec<u8>> {
    let requests = destination.requests().into_iter();
    requests.filter(|it| it.line.starts_with("PATCH")).map(|it| it.body).collect()
}

fn host(stand_in: &StandIn) -> String {
    stand_in.url().split_once("://").unwrap().1.to_owned()
}

fn copy(source: &StandIn, destination: &StandIn, more: &str) -> Ran {
    let mut shell = Shell::bare();
    shell.set("DST_REGISTRY_PASSWORD", PASSWORD);
    shell.set("SRC_REGISTRY_PASSWORD", PASSWORD);
    copy_in(&shell, (source, destination), more)
}

fn copy_in(shell: &Shell, (source, destination): (&StandIn, &StandIn), more: &str) -> Ran {
    let (from, to) = (host(source), host(destination));
    let plain = if destination.url().starts_with("http:") { " --dst-plain-http" } else { "" };
    shell.run(&format!("registry copy {from}/a:v1 {to}/b --src-plain-http{plain}{more}"))
}

#[test]
fn a_transfer_that_breaks_goes_on_where_the_destination_is() {
    let source = source(vec![whole(), rest()]);
    let destination = destination(vec![Reply::lost(), accepted()]);

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
fn a_destination_that_still_holds_the_upload_is_asked_again_where_it_is() {
    let from = source(vec![whole(), rest()]);
    let out_of_step = [Reply::lost(), Reply::empty(416), Reply::empty(409), Reply::empty(409)];
    let holding = destination([&out_of_step[..], &[Reply::empty(416), accepted()]].concat());

    let ran = copy(&from, &holding, "");

    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let sent = patches(&holding);
    assert_eq!((sent.len(), &*sent[5]), (6, &LAYER.as_bytes()[4..]));

    let from = source(vec![whole(), rest()]);
    let forever = destination(vec![Reply::lost(), Reply::empty(409)]);
    let ran = copy(&from, &forever, "");
    assert_eq!(ran.exit, Exit::Conflict, "{}", ran.err);
    assert!(patches(&forever).len() < 12);
}

#[test]
fn a_transfer_may_take_longer_than_silence_is_borne() {
    let source = source(vec![whole().slow(Duration::from_millis(900))]);
    let destination = destination(vec![accepted()]);
    let shell = Shell { silence: Duration::from_secs(8), ..Shell::bare() };

    let ran = copy_in(&shell, (&source, &destination), "");

    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    assert_eq!(patches(&destination), [LAYER.as_bytes()]);
}

#[test]
fn a_source_without_parts_is_read_from_its_start_and_one_with_others_is_refused() {
    let without = source(vec![whole()]);
    let to = destination(vec![Reply::lost(), accepted()]);
    let ran = copy(&without, &to, "");
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    assert_eq!(patches(&to), [LAYER.as_bytes(), &LAYER.as_bytes()[4..]]);

    let other = Reply::text(206, OCTETS, &LAYER[5..]).with_header("content-range", "bytes 5-9/10");
    let from = source(vec![whole(), other]);
    let to = destination(vec![Reply::lost(), accepted()]);
    let ran = copy(&from, &to, "");
    assert_eq!(ran.exit, Exit::Internal);
    assert!(ran.err.contains("another part"), "{}", ran.err);
    assert_eq!(patches(&to).len(), 1);
}

#[test]
fn a_source_that_breaks_off_is_named() {
    let cut = Reply::text(200, OCTETS, &LAYER[..3]).cut();
    let source = source(vec![whole(), cut]);
    let destination = destination(vec![Reply::lost(), accepted()]);

    let ran = copy(&source, &destination, "");

    assert_eq!(ran.exit, Exit::Unreachable);
    assert!(ran.err.contains(&format!("reach {}", host(&source))), "{}", ran.err);
    assert!(!ran.err.contains(&host(&destination)), "{}", ran.err);
}

#[test]
fn an_upload_does_not_leave_tls() {
    let source = source(vec![whole()]);
    let plain = Reply::empty(202).with_header("location", "http://127.0.0.1:1/upload");
    let tls = tls("127.0.0.1");
    let script = [
        (route("HEAD", &blob("b")), vec![Reply::empty(404)]),
        (route("POST", UPLOADS), vec![plain]),
    ];
    let destination = StandIn::with_tls(script, Arc::clone(&tls.config));

    let ran = copy(&source, &destination, &format!(" --dst-pin {}", tls.pin));

    assert_eq!(ran.exit, Exit::Internal);
    assert!(ran.err.contains("without TLS"), "{}", ran.err);
}

#[test]
fn whoever_a_redirect_leads_to_names_no_service_for_tokens() {
    let service = StandIn::new([("GET /token", vec![Reply::json(200, &json!({"token": "x"}))])]);
    let challenge = format!("Bearer realm=\"{}/token\"", service.url());
    let challenge = Reply::empty(401).with_header("www-authenticate", &challenge);
    let store = StandIn::new([("GET /blob", vec![challenge])]);
    let moved = Reply::empty(307).with_header("location", &format!("{}/blob", store.url()));
    let source = source(vec![moved]);
    let destination = destination(vec![accepted()]);

    let ran = copy(&source, &destination, " --src-user ops");

    assert_eq!(ran.exit, Exit::Denied, "{}", ran.err);
    assert_eq!(store.lines(), ["GET /blob"]);
    assert!(service.lines().is_empty());
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

/// A service that gives tokens, and how a registry asks for one of them.
fn tokens() -> (StandIn, Reply) {
    let token = |name: &str| Reply::json(200, &json!({"token": name}));
    let service = StandIn::new([("GET /token", vec![token("first"), token("second")])]);
    let challenge = format!("Bearer realm=\"{}/token\",service=\"r\"", service.url());
    let challenge = Reply::empty(401).with_header("www-authenticate", &challenge);
    (service, challenge)
}

#[test]
fn a_token_that_expires_in_a_transfer_is_renewed_once_and_the_transfer_goes_on() {
    let (service, challenge) = tokens();
    let from = source(vec![whole(), rest()]);
    let to = destination(vec![challenge, accepted()]);

    let ran = copy(&from, &to, " --dst-user ops");

    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    assert_eq!(patches(&to)[1], &LAYER.as_bytes()[4..], "it goes on where the destination is");
    assert_eq!(service.lines().len(), 1);
    let requests = to.requests().into_iter().skip_while(|it| !it.line.starts_with("PATCH"));
    for request in requests.skip(1) {
        let token = request.headers.get("authorization").map(String::as_str);
        assert_eq!(token, Some("Bearer first"), "{}", request.line);
    }
}

#[test]
fn a_destination_that_takes_no_token_is_not_asked_forever() {
    let (service, challenge) = tokens();
    let from = source(vec![whole(), rest()]);
    let to = destination(vec![challenge]);

    let ran = copy(&from, &to, " --dst-user ops");

    assert_eq!(ran.exit, Exit::Denied, "{}", ran.err);
    assert!(ran.err.contains(&host(&to)), "{}", ran.err);
    // What it has grew once, from nothing to the four bytes it told of.
    assert_eq!((patches(&to).len(), service.lines().len()), (3, 3));
}

#[test]
fn referrers_are_copied_on_request_from_a_list_or_from_the_tag_that_stands_for_it() {
    let index = "application/vnd.oci.image.index.v1+json";
    let subject = json!({"mediaType": IMAGE, "digest": digest(&manifest()), "size": 1});
    let mut signature: Value = serde_json::from_str(&manifest()).unwrap();
    signature["subject"] = subject;
    let signature = signature.to_string();
    let entry = json!({"mediaType": IMAGE, "digest": digest(&signature), "size": 1});
    let list = json!({"schemaVersion": 2, "mediaType": index, "manifests": [entry]}).to_string();
    let list = || Reply::text(200, index, &list);
    let none = Reply::text(200, index, &json!({"schemaVersion": 2, "manifests": []}).to_string());
    let of_image = route("GET", &format!("/v2/a/referrers/{}", digest(&manifest())));
    let of_signature = route("GET", &format!("/v2/a/referrers/{}", digest(&signature)));
    let tag = digest(&manifest()).replace(':', "-");
    let put = route("PUT", &format!("/v2/b/manifests/{}", digest(&signature)));
    let missing = || Reply::empty(404);
    for (listed, tagged) in [(list(), missing()), (missing(), list())] {
        let from = StandIn::new([
            ("GET /v2/a/manifests/v1", vec![Reply::text(200, IMAGE, &manifest())]),
            (of_image, vec![listed]),
            (of_signature, vec![none.clone()]),
            (route("GET", &format!("/v2/a/manifests/{tag}")), vec![tagged]),
            (
                route("GET", &format!("/v2/a/manifests/{}", digest(&signature))),
                vec![Reply::text(200, IMAGE, &signature)],
            ),
        ]);
        let to = StandIn::new([
            (route("HEAD", &blob("b")), vec![Reply::empty(200)]),
            (route("PUT", "/v2/b/manifests/v1"), vec![Reply::empty(201)]),
            (put, vec![Reply::empty(201)]),
        ]);

        let ran = copy(&from, &to, " --referrers --output json");

        assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(told["manifests"], 2);
        let signed = to.requests().into_iter().find(|it| it.line == put).unwrap();
        assert_eq!(signed.body, signature.as_bytes());
    }
}
