//! Credentials reach the controller and nothing else. That no run shows one is checked by the shell
//! of these tests, for every run.

use serde_json::json;
use shoal::Exit;

use crate::shell::{Shell, TOKEN, text};
use crate::stand_in::{Reply, StandIn};

fn stand_in() -> StandIn {
    let empty = json!({"servers": [], "next": null});
    StandIn::new([("GET /api/v1/servers", vec![Reply::json(200, &empty)])])
}

fn authorization(stand_in: &StandIn) -> Option<String> {
    stand_in.requests()[0].headers.get("authorization").cloned()
}

#[test]
fn a_token_comes_from_a_file() {
    let stand_in = stand_in();
    let shell = Shell::bare();
    let file = shell.file("token", "canary-token\n");

    let ran =
        shell.run(&format!("--url {} --token-file {} servers list", stand_in.url(), text(&file)));

    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    assert_eq!(authorization(&stand_in), Some(format!("Bearer {TOKEN}")));
}

#[test]
fn a_password_is_asked_for() {
    let stand_in = stand_in();

    let ran = Shell::bare().run(&format!("--url {} --user ops servers list", stand_in.url()));

    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    // base64 of ops:canary-password, made with another tool.
    assert_eq!(authorization(&stand_in).as_deref(), Some("Basic b3BzOmNhbmFyeS1wYXNzd29yZA=="));
}

#[test]
fn an_address_on_its_own_gets_no_credentials_of_the_default_profile() {
    let stand_in = stand_in();
    let mut shell = Shell::bare();
    shell.file("token", TOKEN);
    let profiles = "default_profile = \"prod\"\n[profiles.prod]\n\
                    url = \"https://prod.example\"\ntoken_file = \"token\"\n";
    let configuration = shell.file("config.toml", profiles);
    shell.set("SHOAL_CONFIG", text(&configuration));

    let ran = shell.run(&format!("--url {} servers list", stand_in.url()));

    assert_eq!((ran.exit, authorization(&stand_in)), (Exit::Done, None));
}

#[test]
fn a_redirect_does_not_carry_the_token_away() {
    let elsewhere = stand_in();
    let location = format!("{}/api/v1/servers", elsewhere.url());
    let redirect = Reply::empty(307).with_header("location", &location);
    let stand_in = StandIn::new([("GET /api/v1/servers", vec![redirect])]);

    let ran = Shell::at(&stand_in).run("servers list");

    assert_ne!(ran.exit, Exit::Done);
    assert!(elsewhere.requests().is_empty());
}
