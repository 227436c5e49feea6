use proptest::prelude::*;
use serde_json::json;

use super::*;

const EXAMPLES: [(&str, &[u8], Workflow); 4] = [
    ("linux", include_bytes!("../../../../schemas/examples/linux.json"), Workflow::Linux),
    ("windows", include_bytes!("../../../../schemas/examples/windows.json"), Workflow::Windows),
    ("esxi", include_bytes!("../../../../schemas/examples/esxi.json"), Workflow::Esxi),
    ("firmware", include_bytes!("../../../../schemas/examples/firmware.json"), Workflow::Firmware),
];

#[test]
fn the_published_examples_are_recipes_without_warnings() {
    for (name, bytes, workflow) in EXAMPLES {
        let parsed = Recipe::parse(bytes).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));

        assert_eq!(parsed.recipe.workflow(), workflow, "{name}");
        assert_eq!(parsed.lints, [], "{name}");
    }
}

#[test]
fn the_document_of_a_recipe_reads_back_equal() {
    for (name, bytes, _) in EXAMPLES {
        let recipe = Recipe::parse(bytes).unwrap().recipe;
        let document = recipe.reveal_document();

        let again = Recipe::parse(&document).unwrap().recipe;

        assert_eq!(again, recipe, "{name}");
        assert_eq!(again.reveal_document(), document, "{name}");
    }
}

#[test]
fn a_serialised_recipe_has_no_sealed_member_and_loads_again() {
    for (name, bytes, _) in EXAMPLES {
        let recipe = Recipe::parse(bytes).unwrap().recipe;

        let public = serde_json::to_string(&recipe).unwrap();
        let mut loaded: Recipe = serde_json::from_str(&public).unwrap();

        for (member, text) in recipe.sealed() {
            assert!(!public.contains(member), "{name}");
            assert!(!format!("{recipe:?}").contains(text.reveal()), "{name}");
        }
        loaded.user_data.clone_from(&recipe.user_data);
        loaded.unattend_xml.clone_from(&recipe.unattend_xml);
        loaded.ks_cfg.clone_from(&recipe.ks_cfg);
        assert_eq!(loaded, recipe, "{name}");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    insta::assert_snapshot!(problems(&json!({
        "recipe_version": 7,
        "task_target": "install-linux.target",
        "target_disk": "/dev/sda/../sdb",
        "oci_url": "https://user:hunter2@registry.example/debian:13",
        "firmware_url": "https://user:hunter2@firmware.example/x",
        "firmware_sha256": "ABC",
        "wim_index": 0,
        "hostname": "web-17",
        "partition_layout": [
            {"size": "512", "type_guid": "ef00", "format": "vfat", "label": "much too long a label"},
            {"size": "60%", "type_guid": "zzzz", "format": "zfs"},
            {"size": "60%", "type_guid": "8300", "mount": "/"},
            {"type_guid": "8300", "size": "100%"},
            {"type_guid": "8300", "size": "100%", "label": ""},
            {"size": 5}
        ],
        "metadata": []
    })));
}

#[test]
fn each_target_names_what_it_needs() {
    let missing = |target: &str| problems(&json!({"task_target": target}));

    insta::assert_snapshot!(
        [
            missing("install-linux.target"),
            missing("install-windows.target"),
            missing("install-esxi.target"),
            missing("supermicro-update.target"),
            problems(&json!({})),
            problems(&json!([1])),
        ]
        .join("\n")
    );
    assert!(Recipe::from_value(json!({"task_target": "wipe.target"})).is_ok());
}

#[test]
fn selectors_are_closed_and_need_a_usable_member() {
    let disk = |disk: Value| problems(&json!({"task_target": "wipe.target", "target_disk": disk}));

    insta::assert_snapshot!(
        [
            disk(json!({})),
            disk(
                json!({"serial": " ", "wwn": "x", "model": "a\nb", "size": "400", "rotational": 1})
            ),
            disk(json!({"serial": "A", "vendor": "B"})),
            disk(json!({"size": "about 400G"})),
            disk(json!(["/dev/sda"])),
        ]
        .join("\n--\n")
    );
}

#[test]
fn sealed_content_never_appears_in_a_problem() {
    let secret = "hunter2-hunter2";
    for (name, value) in [
        ("user_data", json!({ "nested": secret })),
        ("user_data", json!(format!("{secret}\u{0}{secret}"))),
        ("unattend_xml", json!([secret])),
        ("unattend_xml", json!(secret.repeat(100_000))),
        ("ks_cfg", json!(secret.repeat(30_000))),
        ("ks_cfg", json!(17)),
    ] {
        let told = problems(&json!({"task_target": "wipe.target", name: value}));

        assert!(told.contains(&format!("/{name}: ")) && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn limits_are_counted_in_bytes() {
    let recipe = |text: String| json!({"task_target": "wipe.target", "user_data": text});

    assert!(Recipe::from_value(recipe("a".repeat(1 << 20))).is_ok());
    assert_eq!(
        problems(&recipe("ä".repeat(1 << 20))),
        "/user_data: has 2097152 bytes, the limit is 1048576 (too_large)"
    );
    let metadata = json!({"task_target": "wipe.target", "metadata": {"x": "y".repeat(300_000)}});
    assert_eq!(problems(&metadata), "/metadata: has 300008 bytes, the limit is 262144 (too_large)");
}

#[test]
fn a_recipe_that_would_not_fit_on_its_medium_is_refused() {
    let quotes = "\"".repeat(1 << 20);
    let told = problems(&json!({
        "task_target": "wipe.target", "user_data": quotes, "unattend_xml": quotes,
    }));

    assert!(told.starts_with("/: the recipe and its files need 6291"), "{told}");
}

#[test]
fn numbers_with_a_fraction_are_refused_as_such() {
    let told =
        problems(&json!({"task_target": "wipe.target", "recipe_version": 1.0, "wim_index": 2.0}));

    assert_eq!(
        told,
        "/recipe_version: must be a whole number without fraction or sign (out_of_range)\n\
         /wim_index: must be a whole number without fraction or sign (out_of_range)"
    );
}

#[test]
fn the_list_of_problems_is_bounded() {
    let recipe = |count| {
        let partitions = vec![json!({"a": 1, "b": 2}); count];
        json!({"task_target": "wipe.target", "partition_layout": partitions})
    };

    let problems_of_many = Recipe::from_value(recipe(64)).unwrap_err();

    assert_eq!(problems_of_many.len(), 100);
    assert_eq!(problems_of_many[99].message, "at least 256 problems found, the first 99 are shown");
    assert_eq!(
        problems(&recipe(50_000)),
        "/partition_layout: has 50000 entries, a layout has at most 64 (out_of_range)"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_recipe_or_problems(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Err(problems) = Recipe::parse(&bytes) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn any_member_values_are_a_recipe_or_problems(members in members()) {
        match Recipe::from_value(Value::Object(members)) {
            Ok(parsed) => {
                let again = Recipe::parse(&parsed.recipe.reveal_document()).unwrap();
                prop_assert_eq!(again, parsed);
            }
            Err(problems) => prop_assert!(!problems.is_empty() && problems.len() <= 100),
        }
    }

    #[test]
    fn valid_recipes_round_trip(recipe in valid_recipe()) {
        let parsed = Recipe::from_value(recipe).unwrap();
        let again = Recipe::parse(&parsed.recipe.reveal_document()).unwrap();
        prop_assert_eq!(again, parsed);
    }
}

/// Objects with the right names and values that are often nearly right.
fn members() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(json!("install-linux.target")),
        Just(json!("/dev/sda")),
        Just(json!("r.example/a:1")),
        Just(json!("100%")),
        Just(json!("ef00")),
        Just(json!(1)),
        Just(json!(1.5)),
        Just(json!(null)),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("size"),
        Just("type_guid"),
        Just("format"),
        Just("label"),
        Just("serial"),
        Just("x~/y"),
    ];
    let value = leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let member = proptest::sample::select(vec![
        "task_target",
        "target_disk",
        "oci_url",
        "firmware_url",
        "firmware_sha256",
        "wim_index",
        "partition_layout",
        "user_data",
        "unattend_xml",
        "ks_cfg",
        "metadata",
        "recipe_version",
        "$schema",
        "surprise",
    ]);
    proptest::collection::btree_map(member.prop_map(str::to_owned), value, 0..8).prop_map(
        |mut map| {
            map.entry("task_target".to_owned()).or_insert_with(|| json!("wipe.target"));
            map.into_iter().collect()
        },
    )
}

fn valid_recipe() -> impl Strategy<Value = Value> {
    let disk = prop_oneof![
        "/dev/(sd[a-z]|vd[a-z]{2}|nvme[0-9]n[1-9]|md[0-9]{1,3}|mapper/[a-z][a-z0-9]{0,9})"
            .prop_map(Value::from),
        ("[A-Z0-9]{1,20}", any::<bool>())
            .prop_map(|(serial, rotational)| json!({"serial": serial, "rotational": rotational})),
    ];
    let partition = ("[1-9][0-9]{0,2}[KMG]", "(ef00|8300|8304|0700)", "[A-Za-z0-9]{1,11}").prop_map(
        |(size, type_guid, label)| {
            json!({"size": size, "type_guid": type_guid, "format": "ext4", "label": label})
        },
    );
    let texts = ("[a-z]{1,9}/[a-z0-9]{1,9}:[A-Za-z0-9]{1,9}", "[ -~\n\tä€😀]{1,200}");
    (disk, proptest::collection::vec(partition, 1..64), texts, 1_u32..65536).prop_map(
        |(disk, partitions, (repository, user_data), wim_index)| {
            json!({
                "task_target": "install-linux.target",
                "target_disk": disk,
                "oci_url": format!("oci://registry.example/{repository}"),
                "partition_layout": partitions,
                "user_data": user_data,
                "wim_index": wim_index,
                "metadata": {"note": user_data},
            })
        },
    )
}

fn problems(recipe: &Value) -> String {
    let problems = Recipe::from_value(recipe.clone()).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
