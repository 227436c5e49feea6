use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::*;

#[test]
fn the_environment_of_a_job_says_what_the_recipe_said() {
    let recipe = Recipe::parse(include_bytes!("../../../../schemas/examples/linux.json"));
    let job = JobFile::parse(include_bytes!("../../tests/golden/job.json")).unwrap();

    let file = recipe_env(&recipe.unwrap().recipe, &job, "F54P1G3").unwrap();

    insta::assert_snapshot!(file.as_str());
}

#[test]
fn names_that_are_not_variables_are_refused() {
    for name in ["", "a", "1A", "A-B", "A B", "A="] {
        assert!(matches!(File::default().set(name, "x"), Err(Error::Name(_))), "{name}");
    }
}

#[test]
fn values_that_systemd_would_refuse_are_refused_here() {
    for character in ['\0', '\u{fdd0}', '\u{fdef}', '\u{fffe}', '\u{ffff}', '\u{10ffff}'] {
        let value = format!("a{character}b");

        assert!(matches!(File::default().set("A", &value), Err(Error::Character { .. })));
        if character != '\0' {
            assert_eq!(read_by_systemd(&format!("VERSION_ID=\"{value}\"\n")), None);
        }
    }
}

/// systemd itself reads the file: os-release is read by the same parser as `EnvironmentFile=`, and
/// systemd-tmpfiles puts one of its values into a file without needing a running manager.
#[test]
fn systemd_reads_back_exactly_what_was_written() {
    for value in [
        "plain",
        "",
        " leading and trailing ",
        "a\"b\\c$d`e'f",
        "\\n \\\\ \\\"",
        "ends with backslash\\",
        "${HOME} $(id) %n %%",
        "# not a comment; nor this",
        "line one\nline two\\\nline three\r\n",
        "tab\tbell\u{7}escape\u{1b}",
        "ä€😀\u{feff}\u{200b}",
        r#"{"serial":"S5G\"X","size":">=400G"}"#,
    ] {
        let mut file = File::default();
        file.set("ID", "before").unwrap();
        file.set("VERSION_ID", value).unwrap();
        file.set("VARIANT_ID", "after").unwrap();

        assert_eq!(read_by_systemd(file.as_str()).as_deref(), Some(value));
        assert_eq!(
            read_by_the_manual(file.as_str()),
            [("ID", "before"), ("VERSION_ID", value), ("VARIANT_ID", "after")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}

proptest! {
    #[test]
    fn any_value_that_is_written_reads_back(values in proptest::collection::vec(any::<String>(), 1..4)) {
        let mut file = File::default();
        let written: Vec<_> = values
            .into_iter()
            .filter(|value| file.set("A", value).is_ok())
            .map(|value| ("A".to_owned(), value))
            .collect();

        prop_assert_eq!(read_by_the_manual(file.as_str()), written);
    }
}

/// `VERSION_ID` of an os-release file with this content, as systemd reads it.
fn read_by_systemd(os_release: &str) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/os-release"), os_release).unwrap();
    fs::write(root.path().join("seen.conf"), "f /seen - - - - [%w]\n").unwrap();

    let done = Command::new("systemd-tmpfiles")
        .arg(format!("--root={}", root.path().display()))
        .args(["--create".as_ref(), root.path().join("seen.conf").as_os_str()])
        .output()
        .expect("systemd-tmpfiles is installed");

    let seen =
        fs::read_to_string(root.path().join("seen")).ok().filter(|_| done.status.success())?;
    Some(seen.strip_prefix('[')?.strip_suffix(']')?.to_owned())
}

/// A reader written from the manual page alone, for the forms that the writer uses.
fn read_by_the_manual(text: &str) -> Vec<(String, String)> {
    let mut assignments = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().expect("the quote is closed") {
                (at, '"') => break at,
                (_, '\\') => match characters.next().expect("a character is escaped").1 {
                    '\n' => {}
                    escaped @ ('"' | '\\' | '`' | '$') => value.push(escaped),
                    other => value.extend(['\\', other]),
                },
                (_, plain) => value.push(plain),
            }
        };
        assignments.push((name.to_owned(), value));
        rest = after[end + 1..].strip_prefix('\n').expect("an assignment ends its line");
    }
    assert_eq!(rest, "");
    assignments
}
