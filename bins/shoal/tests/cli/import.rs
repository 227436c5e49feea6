//! Lists of servers: what is sent, what is told, and by which line.

use serde_json::{Value, json};
use shoal::Exit;

use crate::shell::{PASSWORD, Shell, text};
use crate::stand_in::{Reply, StandIn};

const IMPORT: &str = "POST /api/v1/servers/import";

fn done() -> Reply {
    Reply::json(200, &json!({"created": 2, "updated": 1, "unchanged": 0}))
}

#[test]
fn a_list_is_sent_as_one_array_with_the_common_account() {
    let stand_in = StandIn::new([(IMPORT, vec![done()])]);
    let shell = Shell::at(&stand_in);
    let list = shell.file(
        "rack.csv",
        "serial,bmc_address,insecure_reason,label.rack\nA,https://10.0.0.7,lab,7\n",
    );
    let account = shell.file("bmc.env", &format!("BMC_USER=root\nBMC_PASSWORD={PASSWORD}\n"));

    let ran =
        shell.run(&format!("servers import {} --credentials-from {}", text(&list), text(&account)));

    insta::assert_snapshot!(ran.shown());
    let request = stand_in.requests().remove(0);
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(
        request.json(),
        json!([{"serial": "A", "bmc_address": "https://10.0.0.7", "labels": {"rack": "7"},
            "tls": {"policy": "insecure", "reason": "lab"},
            "credentials": {"user": "root", "password": PASSWORD}}])
    );
}

#[test]
fn standard_input_is_read_and_json_is_answered_in_json() {
    let stand_in = StandIn::new([(IMPORT, vec![done()])]);
    let lines = "{\"serial\": \"A\"}\n{\"serial\": \"B\"}\n".to_owned();
    let shell = Shell { stdin: lines, ..Shell::at(&stand_in) };

    let ran = shell.run("-o json servers import -");

    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let out: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(out, json!({"created": 2, "updated": 1, "unchanged": 0}));
    assert_eq!(stand_in.requests()[0].json(), json!([{"serial": "A"}, {"serial": "B"}]));
}

#[test]
fn mistakes_are_told_by_line_whoever_finds_them() {
    let refused = Reply::json(
        400,
        &json!({"error": "validation_error", "message": "the request has 2 problems, see details",
            "details": [
                {"path": "/0/bmc_address", "code": "bad_url", "message": "must be the https URL"},
                {"path": "/1/credentials", "code": "missing_field", "message": "is missing"}]}),
    );
    let stand_in = StandIn::new([(IMPORT, vec![refused])]);
    let shell = Shell::at(&stand_in);
    let wrong_here = shell.file("here.csv", &format!("serial,user,password\nA,,{PASSWORD}\n"));
    let wrong_there = shell.file(
        "there.csv",
        "serial,bmc_address,insecure_reason\nA,http://10.0.0.7,lab\nB,https://10.0.0.8,lab\n",
    );

    let here = shell.run(&format!("servers import {}", text(&wrong_here)));
    assert_eq!(stand_in.requests().len(), 0);
    let there = shell.run(&format!("servers import {}", text(&wrong_there)));

    insta::assert_snapshot!(here.shown() + &there.shown());
}

#[test]
fn a_lost_answer_says_that_repeating_is_safe() {
    let stand_in = StandIn::new([(IMPORT, vec![Reply::lost()])]);
    let shell = Shell { stdin: "{}".to_owned(), ..Shell::at(&stand_in) };

    let ran = shell.run("servers import -");

    assert_eq!((ran.exit, stand_in.requests().len()), (Exit::Unreachable, 1));
    assert!(ran.err.contains("repeat the command; it makes no server twice"), "{}", ran.err);
}
