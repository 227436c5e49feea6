//! What strangers write, by the thousand: recipes with edits that nobody planned, the small
//! languages inside them, and the two files that the controller hands to the machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail a test by panicking, like the tests themselves"
)]

use std::{collections::BTreeSet, fmt::Debug, fmt::Display, fs, process::Command, str::FromStr};

use proptest::prelude::*;
use serde_json::{Value, json};
use shoal_recipe::{
    HttpUrl, JobFile, Layout, OciRef, Problem, Recipe, SizeSpec, TargetDisk, TaskTarget, TypeGuid,
    env::File, task_file,
};

const EXAMPLES: [&str; 4] = [
    include_str!("../../../schemas/examples/linux.json"),
    include_str!("../../../schemas/examples/windows.json"),
    include_str!("../../../schemas/examples/esxi.json"),
    include_str!("../../../schemas/examples/firmware.json"),
];
const JOB: &str = include_str!("golden/job.json");
const SECRET: &str = "canary-7731";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_problem_points_at_what_is_there_or_is_missing(recipe in edited()) {
        match Recipe::from_value(recipe.clone()) {
            Ok(parsed) => {
                let written = parsed.recipe.reveal_document();
                prop_assert_eq!(&Recipe::parse(&written).unwrap(), &parsed);
                prop_assert_eq!(parsed.recipe.reveal_document(), written, "equal values, equal bytes");
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty() && problems.len() <= 100);
                for problem in &problems {
                    prop_assert!(resolves(&recipe, problem), "{} in {}", problem, recipe);
                    prop_assert!(!problem.message.is_empty() && !problem.message.contains(SECRET));
                    prop_assert!(!problem.message.contains(char::is_control), "{:?}", problem);
                }
            }
        }
    }

    #[test]
    fn a_recipe_that_is_taken_makes_a_layout_and_a_medium_that_read_back(recipe in edited()) {
        let Ok(parsed) = Recipe::from_value(recipe) else { return Ok(()) };
        if let Some(layout) = Layout::of(&parsed.recipe) {
            let bytes = layout.to_json();
            prop_assert_eq!(&serde_json::from_slice::<Layout>(&bytes).unwrap(), &layout);
        }
        let job = JobFile::parse(JOB.as_bytes()).unwrap();
        let files = task_file::reveal_all(&parsed.recipe, &job);
        let names: BTreeSet<_> = files.iter().map(|(name, _)| *name).collect();
        prop_assert_eq!(names.len(), files.len(), "a name twice");
        let recipe = &files.iter().find(|(name, _)| *name == task_file::RECIPE).unwrap().1;
        prop_assert_eq!(Recipe::parse(recipe).unwrap().recipe, parsed.recipe);
    }

    #[test]
    fn partitions_stay_on_any_disk(bytes: u64, sizes in proptest::collection::vec(size(), 1..65)) {
        let partitions: Vec<Value> =
            sizes.iter().map(|size| json!({"size": size, "type_guid": "8300"})).collect();
        let mut recipe: Value = serde_json::from_str(EXAMPLES[0]).unwrap();
        recipe["partition_layout"] = partitions.into();
        let Ok(parsed) = Recipe::from_value(recipe) else { return Ok(()) };
        let layout = Layout::of(&parsed.recipe).unwrap();
        let Ok(extents) = layout.place(bytes) else { return Ok(()) };
        prop_assert_eq!(extents.len(), sizes.len());
        let mut end = 1 << 20;
        for extent in extents {
            prop_assert!(extent.start >= end && extent.length > 0);
            end = extent.start.checked_add(extent.length).unwrap();
        }
        prop_assert!(end <= bytes - (1 << 20));
    }

    #[test]
    fn the_small_languages_print_what_they_read(text in small_text()) {
        reads_back::<SizeSpec>(&text)?;
        reads_back::<TypeGuid>(&text)?;
        reads_back::<OciRef>(&text)?;
        if let Ok(url) = text.parse::<HttpUrl>() {
            prop_assert_eq!(url.as_str().parse::<HttpUrl>(), Ok(url.clone()));
            prop_assert!(!url.as_str().contains(char::is_control));
        }
        if let Ok(target) = text.parse::<TaskTarget>() {
            prop_assert_eq!(target.as_str(), &text);
            prop_assert!(!text.starts_with(['-', '.', '/']) && !text.contains('/'));
        }
        if let Ok(TargetDisk::Path(path)) = text.parse::<TargetDisk>() {
            prop_assert_eq!(path.as_str(), &text);
            prop_assert!(text.starts_with("/dev/") && !text.contains("..") && !text.contains("//"));
        }
    }

    #[test]
    fn a_job_file_is_read_whole_or_refused_without_its_token(change in job_change()) {
        let (name, value) = change;
        let mut job: Value = serde_json::from_str(JOB).unwrap();
        job["webhook_token"] = SECRET.into();
        job[name.as_str()] = value;
        match JobFile::parse(job.to_string().as_bytes()) {
            Ok(job) => {
                let written = job.reveal_bytes();
                prop_assert_eq!(JobFile::parse(&written).unwrap(), job);
            }
            Err(error) => {
                let told = format!("{error} {error:?}");
                prop_assert!(name == SECRET || !told.contains(SECRET), "{}", told);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_job_file_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(JobFile::parse(&bytes).is_err());
    }
}

proptest! {
    // Each case starts a program.
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn systemd_reads_any_value_back(values in proptest::collection::vec(value(), FIELDS.len())) {
        let mut file = File::default();
        let mut expected = Vec::new();
        for ((name, letter), value) in FIELDS.iter().zip(values) {
            if file.set(name, &value).is_ok() {
                expected.push((*letter, value));
            }
        }
        let letters: Vec<char> = expected.iter().map(|(letter, _)| *letter).collect();
        let seen = read_by_systemd(file.as_str(), &letters);
        prop_assert_eq!(letters.into_iter().zip(seen).collect::<Vec<_>>(), expected);
    }
}

/// Variables of os-release, which systemd reads like an environment file, and how it calls them.
const FIELDS: [(&str, char); 4] =
    [("ID", 'o'), ("VERSION_ID", 'w'), ("BUILD_ID", 'B'), ("VARIANT_ID", 'W')];

/// What systemd understands the variables of an os-release file to be, one file for each.
fn read_by_systemd(os_release: &str, letters: &[char]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/os-release"), os_release).unwrap();
    let rules: Vec<String> =
        letters.iter().map(|letter| format!("f /seen-{letter} - - - - [%{letter}]\n")).collect();
    fs::write(root.path().join("seen.conf"), rules.concat()).unwrap();
    let done = Command::new("systemd-tmpfiles")
        .arg(format!("--root={}", root.path().display()))
        .args(["--create".as_ref(), root.path().join("seen.conf").as_os_str()])
        .output()
        .expect("systemd-tmpfiles is installed");
    assert!(done.status.success(), "{os_release:?}: {}", String::from_utf8_lossy(&done.stderr));
    let seen = letters.iter().map(|letter| {
        let text = fs::read_to_string(root.path().join(format!("seen-{letter}"))).unwrap();
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap().to_owned()
    });
    seen.collect()
}

/// Values made of what quoting is about, and of anything else.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\\\\\"'`$#;=%{}() \n\r\t a-c\u{1b}\u{7f}ä€😀\u{feff}\u{2028}]{0,40}",
        any::<String>(),
    ]
}

/// The path of a problem leads to a value, or to where one is missing.
fn resolves(recipe: &Value, problem: &Problem) -> bool {
    let path = problem.path.as_str();
    // A very long member name is cut, and says so.
    if path.ends_with('…') || recipe.pointer(path).is_some() {
        return true;
    }
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    problem.code.as_str() == "missing_field" && recipe.pointer(parent).is_some()
}

fn reads_back<T>(text: &str) -> Result<(), TestCaseError>
where
    T: FromStr<Err: Debug> + Display + PartialEq + Debug,
{
    if let Ok(value) = text.parse::<T>() {
        prop_assert_eq!(value.to_string().parse::<T>().unwrap(), value, "from {:?}", text);
    }
    Ok(())
}

/// An example with members set, added and taken away at random, and at times a secret where it is
/// wrong.
fn edited() -> impl Strategy<Value = Value> {
    let edit = (pointer(), proptest::option::weighted(0.8, json_value()));
    let edits = proptest::collection::vec(edit, 0..5);
    (0..EXAMPLES.len(), edits, proptest::option::of(misplaced())).prop_map(
        |(example, edits, misplaced)| {
            let mut recipe: Value = serde_json::from_str(EXAMPLES[example]).unwrap();
            for (pointer, value) in edits {
                edit_at(&mut recipe, &pointer, value);
            }
            if let Some((name, value)) = misplaced {
                recipe[name] = value;
            }
            recipe
        },
    )
}

/// A sealed member that is refused.
fn misplaced() -> impl Strategy<Value = (&'static str, Value)> {
    let wrong = vec![json!(format!("{SECRET}\u{0}")), json!([SECRET]), json!({ SECRET: SECRET })];
    let name = proptest::sample::select(vec!["user_data", "unattend_xml", "ks_cfg"]);
    (name, proptest::sample::select(wrong))
}

fn edit_at(recipe: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (recipe.pointer_mut(parent), value) {
        (Some(Value::Object(members)), Some(value)) => drop(members.insert(name.to_owned(), value)),
        (Some(Value::Object(members)), None) => drop(members.remove(name)),
        (Some(Value::Array(items)), Some(value)) => items.push(value),
        (Some(Value::Array(items)), None) => drop(items.pop()),
        _ => {}
    }
}

fn pointer() -> impl Strategy<Value = String> {
    let member = proptest::sample::select(vec![
        "recipe_version",
        "task_target",
        "target_disk",
        "oci_url",
        "firmware_url",
        "firmware_sha256",
        "partition_layout",
        "user_data",
        "unattend_xml",
        "wim_index",
        "ks_cfg",
        "metadata",
        "$schema",
    ]);
    prop_oneof![
        4 => member.clone().prop_map(|member| format!("/{member}")),
        2 => ("[01]", "(size|type_guid|format|label|x)")
            .prop_map(|(at, name)| format!("/partition_layout/{at}/{name}")),
        1 => (member, "\\PC{0,6}").prop_map(|(member, name)| {
            format!("/{member}/{}", name.replace(['~', '/'], "_"))
        }),
        1 => "/\\PC{0,300}".prop_map(|pointer| pointer.replace('~', "_")),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => small_text().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(
                "(size|type_guid|format|label|serial|wwn|\\PC{0,5})",
                inner,
                0..4
            )
            .prop_map(|members| json!(members)),
        ]
    })
}

/// Texts that are nearly something.
fn small_text() -> impl Strategy<Value = String> {
    prop_oneof![
        size(),
        "(ef00|8300|8304|0700|[0-9a-f]{4}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12})",
        "(oci://)?[a-z0-9.]{1,10}(:[0-9]{1,5})?(/[a-z0-9._-]{1,6}){1,3}(:[A-Za-z0-9._-]{1,8})?(@sha256:[0-9a-f]{64})?",
        "(https?|ftp)://([a-z:]{1,5}@)?[a-z0-9.\\[\\]:-]{1,15}(/[a-zA-Z0-9%?#.]{0,8}){0,3}",
        "[a-z0-9./-]{0,12}\\.target",
        "/dev/(sd|vd|hd|nvme|md|mapper/|\\.\\./)[a-z0-9./_+-]{0,12}",
        "(vfat|ext4|xfs|ntfs|swap|raw|install-(linux|windows|esxi)\\.target)",
        "\\PC{0,30}",
    ]
}

fn size() -> impl Strategy<Value = String> {
    prop_oneof!["[1-9][0-9]{0,2}[KMGT%]", "[0-9]{1,20}[KMGTP%]?"]
}

fn job_change() -> impl Strategy<Value = (String, Value)> {
    let job: Value = serde_json::from_str(JOB).unwrap();
    let names: Vec<String> = job.as_object().unwrap().keys().cloned().collect();
    (proptest::sample::select(names), json_value())
}
