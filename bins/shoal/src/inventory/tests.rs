use serde_json::json;

use super::*;
use crate::error::Error;

fn credentials() -> Credentials {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bmc.env");
    let text = "# racks 1 to 9\nexport BMC_USER=root\nOTHER=x\nBMC_PASSWORD='a b='\n";
    std::fs::write(&path, text).unwrap();
    Credentials::read(&path).unwrap()
}

fn inventory(text: &str, credentials: Option<&Credentials>) -> Result<Inventory, Vec<String>> {
    read(Path::new("-"), &mut text.as_bytes(), credentials).map_err(|error| match error {
        Error::List { misfits, .. } => misfits.iter().map(ToString::to_string).collect(),
        other => panic!("{other}"),
    })
}

fn records(text: &str, credentials: Option<&Credentials>) -> Value {
    serde_json::from_str(&inventory(text, credentials).unwrap().body()).unwrap()
}

/// What the operator is told when the controller refuses these places.
fn told(text: &str, places: &[&str]) -> Vec<String> {
    let detail = |path: &&str| Detail {
        path: (*path).to_owned(),
        code: "bad_url".to_owned(),
        message: "must be a URL".to_owned(),
    };
    let details = places.iter().map(detail).collect();
    let refusal = crate::wire::Refusal {
        error: "validation_error".to_owned(),
        message: "see details".to_owned(),
        details,
        request_id: None,
    };
    let refused = Error::Refused { call: "c".to_owned(), status: 400, refusal: Box::new(refusal) };
    match inventory(text, None).unwrap().located(refused) {
        Error::List { misfits, .. } => misfits.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    }
}

#[test]
fn json_records_are_sent_as_they_are_and_bare_ones_get_the_common_account() {
    let account = credentials();
    let array = r#"[{"serial": "A", "x": 1, "x": 2},
                    {"serial": "B", "credentials": null}, {}]"#;
    let lines = "{\"serial\": \"A\"}\n\n{\"serial\": \"B\"}\n";
    let common = json!({"user": "root", "password": "a b="});

    let body = inventory(array, None).unwrap().body();
    let filled = records(array, Some(&account));

    assert!(body.contains(r#"{"serial": "A", "x": 1, "x": 2}"#), "{body}");
    assert_eq!(filled[0], json!({"serial": "A", "x": 2, "credentials": common}));
    assert_eq!(filled[1], json!({"serial": "B", "credentials": null}));
    assert_eq!(filled[2], json!({"credentials": common}));
    assert_eq!(records(lines, None), json!([{"serial": "A"}, {"serial": "B"}]));
}

#[test]
fn a_csv_line_becomes_a_record_without_what_it_leaves_empty() {
    let text = "serial,bmc_address,user,password,pin,insecure_reason,label.rack,allow_plain_media\n\
                A, https://10.0.0.7 ,root, secret ,,lab,7,true\n\
                B,https://10.0.0.8,,,PIN,,,\n";
    let text = text.replace("PIN", &"AB".repeat(32));

    let records = records(&text, None);

    assert_eq!(
        records,
        json!([
            {"serial": "A", "bmc_address": "https://10.0.0.7", "allow_plain_media": true,
             "credentials": {"user": "root", "password": " secret "},
             "tls": {"policy": "insecure", "reason": "lab"}, "labels": {"rack": "7"}},
            {"serial": "B", "bmc_address": "https://10.0.0.8", "labels": {},
             "tls": {"policy": "pin", "sha256": "ab".repeat(32)}}
        ])
    );
}

#[test]
fn every_mistake_of_a_list_is_told_with_its_line() {
    let problems = |text: &str| inventory(text, None).err().unwrap();

    assert_eq!(problems(" \n"), ["it is empty"]);
    assert_eq!(problems("[{}\n,x]"), ["line 2: it is not JSON at column 2"]);
    assert_eq!(
        problems("{}\n{\"a\":\n[]]\n"),
        [
            "line 2: it is not one JSON object: column 5",
            "line 3: it is not one JSON object: column 3"
        ]
    );
    assert_eq!(
        problems("serial,colour,label.,serial\n"),
        [
            "line 1: there is no column \"colour\"",
            "line 1: there is no column \"label.\"",
            "line 1: a column is there twice"
        ]
    );
    assert_eq!(
        problems(
            "serial,user,password,pin,insecure_reason,ca_file,allow_plain_media\nA,root\n\
             B,root,,,x,,\nC,,x,,x,,\nD,,,ab,,,\nE,,,,,,\nF,,,ab,x,,\nG,,,,x,,maybe\n\
             H,,,,,absent.pem,\n"
        ),
        [
            "line 2 (A): it has 2 fields for 7 columns",
            "line 3 (B): it has a user and no password",
            "line 4 (C): it has a password and no user",
            "line 5 (D): pin must have 64 hexadecimal digits",
            "line 6 (E): it must have one of pin, ca_file and insecure_reason",
            "line 7 (F): it must have one of pin, ca_file and insecure_reason",
            "line 8 (G): allow_plain_media must be true or false",
            "line 9 (H): absent.pem: No such file or directory (os error 2)",
        ]
    );
}

#[test]
fn what_the_controller_refuses_is_told_by_the_lines_of_the_file() {
    let array = "[\n {\"serial\": \"A\"},\n {\"serial\": \"B\",\n  \"bmc_address\": 1}\n]";
    let lines = "\n{\"serial\": \"A\"}\n\n{\"serial\": \"B\"}\n";
    let csv = "serial,insecure_reason,quarantine\nA,x,\"two\nlines\"\nB,x,\n";

    let place = ["/1/bmc_address"];
    assert_eq!(told(array, &place), ["line 4 (B): bmc_address must be a URL (bad_url)"]);
    assert_eq!(told(lines, &place), ["line 4 (B): bmc_address must be a URL (bad_url)"]);
    assert_eq!(told(csv, &place), ["line 4 (B): bmc_address must be a URL (bad_url)"]);
    assert_eq!(told(csv, &["/0"]), ["line 2 (A): must be a URL (bad_url)"]);
    // What is about no server of the list is told as the controller says it.
    assert_eq!(told(csv, &["query x"]), ["c: see details (validation_error)"]);
    assert_eq!(told(csv, &["/7/x"]), ["c: see details (validation_error)"]);
}

#[test]
fn an_account_needs_both_of_its_lines_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bmc.env");
    for wrong in [
        "",
        "BMC_USER=root\n",
        "BMC_PASSWORD=x\n",
        "BMC_USER=\nBMC_PASSWORD=x\n",
        "BMC_USER=a\nBMC_USER=b\nBMC_PASSWORD=x\n",
    ] {
        std::fs::write(&path, wrong).unwrap();
        let read = Credentials::read(&path);
        assert!(matches!(read, Err(Error::CredentialsFile { .. })), "{wrong:?}");
    }
}
