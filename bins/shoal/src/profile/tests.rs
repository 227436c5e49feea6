//! Precedence, and that secrets stay with their controller.

use super::*;

const FILE: &str = r#"
default_profile = "lab"
[profiles.lab]
url = "https://lab.example:8443"
token_file = "lab.token"
[profiles.prod]
url = "https://prod.example/shoal"
pin = "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
user = "ops"
[profiles.open]
url = "http://controller.example"
plain_http = true
"#;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".config/shoal")).unwrap();
        std::fs::write(home.path().join(".config/shoal/config.toml"), FILE).unwrap();
        std::fs::write(home.path().join(".config/shoal/lab.token"), "lab-token\n").unwrap();
        Self(home)
    }

    fn resolve(&self, flags: &Connection, variables: &[(&str, &str)]) -> Result<Access, Error> {
        let home = ("HOME", self.0.path().to_str().unwrap());
        let environment = variables
            .iter()
            .chain(&[home])
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        resolve(flags, &environment, &|_| Ok("prompted".to_owned()))
    }
}

fn named(profile: &str) -> Connection {
    Connection { profile: Some(profile.to_owned()), ..Connection::default() }
}

fn at(url: &str) -> Connection {
    Connection { url: Some(url.to_owned()), ..Connection::default() }
}

fn token_of(access: &Access) -> Option<&str> {
    match &access.login {
        Login::Token(secret) => Some(secret.reveal()),
        Login::Nobody | Login::Password { .. } => None,
    }
}

#[test]
fn the_default_profile_is_used_and_its_paths_are_relative_to_the_file() {
    let access = Home::new().resolve(&Connection::default(), &[]).unwrap();

    assert_eq!(access.base.as_str(), "https://lab.example:8443/");
    assert_eq!(access.trust, Trust::System);
    assert_eq!(token_of(&access), Some("lab-token"));
}

#[test]
fn a_named_profile_brings_its_pin_and_asks_for_its_password() {
    let access = Home::new().resolve(&named("prod"), &[("SHOAL_PROFILE", "lab")]).unwrap();

    assert_eq!(access.base.as_str(), "https://prod.example/shoal/");
    assert_eq!(access.trust, Trust::Pin("ab".repeat(32).parse().unwrap()));
    let Login::Password { user, password } = access.login else { panic!("{access:?}") };
    assert_eq!((user.as_str(), password.reveal()), ("ops", "prompted"));
}

#[test]
fn an_address_without_a_profile_gets_no_credentials_of_any_profile() {
    let home = Home::new();

    let by_flag = home.resolve(&at("https://other.example"), &[]).unwrap();
    let by_variable =
        home.resolve(&Connection::default(), &[("SHOAL_URL", "https://other.example")]).unwrap();

    assert!(matches!(by_flag.login, Login::Nobody));
    assert!(matches!(by_variable.login, Login::Nobody));
}

#[test]
fn flags_outrank_the_environment_which_outranks_the_profile() {
    let home = Home::new();
    let file = home.0.path().join("flag.token");
    std::fs::write(&file, "flag-token").unwrap();
    let variables = [("SHOAL_URL", "https://variable.example"), ("SHOAL_TOKEN", "variable-token")];

    let by_variable = home.resolve(&named("lab"), &variables).unwrap();
    let flags = Connection { token_file: Some(file), ..at("https://flag.example") };
    let by_flag = home.resolve(&flags, &variables).unwrap();

    assert_eq!(by_variable.base.as_str(), "https://variable.example/");
    assert_eq!(token_of(&by_variable), Some("variable-token"));
    assert_eq!(by_flag.base.as_str(), "https://flag.example/");
    assert_eq!(token_of(&by_flag), Some("flag-token"));
}

#[test]
fn plain_http_is_for_this_machine_or_for_profiles_that_say_so() {
    let home = Home::new();

    assert!(home.resolve(&at("http://127.0.0.1:8080"), &[]).is_ok());
    assert!(home.resolve(&at("http://[::1]:8080"), &[]).is_ok());
    assert!(home.resolve(&named("open"), &[]).is_ok());
    let refused = home.resolve(&at("http://controller.example"), &[]);
    assert!(matches!(refused, Err(Error::PlainUrl { .. })));
}

#[test]
fn odd_addresses_are_refused_without_repeating_a_login_in_them() {
    let home = Home::new();

    for wrong in ["controller", "ftp://c.example", "https://c.example/?a", "https://c.example/#a"] {
        assert!(matches!(home.resolve(&at(wrong), &[]), Err(Error::BadUrl { .. })), "{wrong}");
    }
    let error = home.resolve(&at("https://ops:hunter2@c.example"), &[]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_profile_that_is_not_there_and_an_unknown_key_are_told() {
    let home = Home::new();

    let error = home.resolve(&named("stage"), &[]).unwrap_err();
    assert_eq!(error.next_step().unwrap(), "choose one of: lab, open, prod");

    let odd = home.0.path().join("odd.toml");
    std::fs::write(&odd, "[profiles.a]\ntoken = \"hunter2\"\n").unwrap();
    let error = home.resolve(&named("a"), &[("SHOAL_CONFIG", odd.to_str().unwrap())]).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("line 2: unknown field `token`") && !told.contains("hunter2"), "{told}");
}

#[test]
fn without_a_file_the_address_must_be_given_and_a_named_file_must_exist() {
    let empty = |variables: &[(&str, &str)]| {
        let environment =
            variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        resolve(&Connection::default(), &environment, &|_| Ok(String::new())).unwrap_err()
    };

    assert!(matches!(empty(&[]), Error::NoUrl));
    assert!(matches!(empty(&[("HOME", "/nonexistent")]), Error::NoUrl));
    assert!(matches!(empty(&[("SHOAL_CONFIG", "/nonexistent")]), Error::File { .. }));
}
