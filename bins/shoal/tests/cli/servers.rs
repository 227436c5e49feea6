//! Verbs on servers.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{PASSWORD, Shell, text};
use crate::stand_in::{Reply, StandIn};

fn server(more: &Value) -> Value {
    let mut server = json!({"serial": "SRV-1", "bmc_address": "https://10.0.0.7",
        "labels": {"rack": "7"}, "quarantine": null,
        "hardware": {"vendor": "Example", "model": "X1", "serial": "S1"},
        "created_at": "2025-11-01T12:00:00.000Z", "updated_at": "2025-11-05T11:00:00.000Z"});
    server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server
}

fn unknown_then_put(status: u16) -> StandIn {
    StandIn::new([
        (
            "GET /api/v1/servers/SRV-1",
            vec![Reply::refusal(404, "not_found.server", "there is no such server")],
        ),
        ("PUT /api/v1/servers/SRV-1", vec![Reply::json(status, &server(&json!({})))]),
    ])
}

#[test]
fn add_sends_the_whole_record_with_the_password_from_a_file() {
    let stand_in = unknown_then_put(201);
    let shell = Shell::at(&stand_in);
    let file = shell.file("bmc.password", &format!("{PASSWORD}\n"));
    let pin = "AB:".repeat(31) + "AB";

    let ran = shell.run(&format!(
        "servers add SRV-1 --bmc https://10.0.0.7 --user root --password-file {} --pin {pin} \
         --label rack=7 --media-scheme http --media-host 10.0.0.1 --allow-plain-media \
         --vendor-hint idrac --quarantine burn-in",
        text(&file)
    ));

    insta::assert_snapshot!(ran.shown());
    assert_eq!(
        stand_in.requests()[1].json(),
        json!({"bmc_address": "https://10.0.0.7",
            "credentials": {"user": "root", "password": PASSWORD},
            "tls": {"policy": "pin", "sha256": "ab".repeat(32)}, "labels": {"rack": "7"},
            "media_scheme": "http", "media_host": "10.0.0.1", "allow_plain_media": true,
            "vendor_hint": "idrac", "quarantine": "burn-in"})
    );
}

#[test]
fn add_asks_for_the_password_and_takes_insecurity_only_with_a_reason() {
    let stand_in = unknown_then_put(201);
    let shell = Shell::at(&stand_in);
    let line = "servers add SRV-1 --bmc https://10.0.0.7 --user root";

    let ran = shell.run(&format!("{line} --insecure --reason lab"));

    assert_eq!(ran.exit, Exit::Done);
    let body = stand_in.requests()[1].json();
    assert_eq!(body["tls"], json!({"policy": "insecure", "reason": "lab"}));
    assert_eq!(body["credentials"]["password"], PASSWORD);
    for incomplete in ["", " --insecure", " --reason lab", " --insecure --reason x --pin ab"] {
        assert_eq!(shell.run(&format!("{line}{incomplete}")).exit, Exit::Usage, "{incomplete}");
    }
}

#[test]
fn a_known_server_is_written_anew_only_when_asked_to() {
    let stand_in = StandIn::new([
        ("GET /api/v1/servers/SRV-1", vec![Reply::json(200, &server(&json!({})))]),
        ("PUT /api/v1/servers/SRV-1", vec![Reply::json(200, &server(&json!({})))]),
    ]);
    let shell = Shell::at(&stand_in);
    let line = "servers add SRV-1 --bmc https://10.0.0.7 --user root --insecure --reason lab";

    let refused = shell.run(line);
    let replaced = shell.run(&format!("{line} --replace"));

    insta::assert_snapshot!(refused.shown() + &replaced.shown());
    assert_eq!(stand_in.lines(), ["GET /api/v1/servers/SRV-1", "PUT /api/v1/servers/SRV-1"]);
}

#[test]
fn a_ca_file_without_a_certificate_is_refused_before_anything_is_sent() {
    let stand_in = unknown_then_put(201);
    let shell = Shell::at(&stand_in);
    let file = shell.file("ca.pem", "no certificate");

    let ran = shell
        .run(&format!("servers add SRV-1 --bmc https://10.0.0.7 --user root --ca {}", text(&file)));

    assert_eq!((ran.exit, stand_in.requests().len()), (Exit::Usage, 0));
    assert!(ran.err.contains("ca.pem: it holds no usable certificate"), "{}", ran.err);
}

#[test]
fn list_and_show_print_what_the_controller_knows() {
    let second = server(&json!({"serial": "SRV-22", "hardware": null, "labels": {},
        "quarantine": "fan\u{1b}[31m broken"}));
    let page = json!({"servers": [server(&json!({})), second], "next": null});
    let one = server(&json!({"has_credentials": true, "tls": {"policy": "pin", "sha256": "ab"},
        "residue": ["CD1"], "active_job": null}));
    let stand_in = StandIn::new([
        ("GET /api/v1/servers", vec![Reply::json(200, &page)]),
        ("GET /api/v1/servers/SRV-1", vec![Reply::json(200, &one)]),
    ]);
    let shell = Shell::at(&stand_in);

    let shown = shell.run("servers list").shown() + &shell.run("servers show SRV-1").shown();
    let json = shell.run("-o json servers list").out;

    insta::assert_snapshot!(shown);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), page);
}

#[test]
fn remove_forgets_a_server_and_tells_why_it_cannot() {
    let busy = Reply::refusal(409, "conflict.active_job", "the server has the unfinished job J");
    let stand_in = StandIn::new([("DELETE /api/v1/servers/SRV-1", vec![Reply::empty(204), busy])]);
    let shell = Shell::at(&stand_in);

    let shown =
        shell.run("servers remove SRV-1").shown() + &shell.run("servers remove SRV-1").shown();

    insta::assert_snapshot!(shown);
}
