//! The dispatcher as the maintenance OS runs it: the real program, a scratch root, a task medium in a
//! directory, and a systemctl that is a shell script.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shoal_recipe::task_file;

#[cfg(test)]
mod scratch;
use scratch::Scratch;

#[test]
fn a_good_medium_starts_its_target_with_everything_in_place() {
    let scratch = Scratch::new("linux");

    let ended = scratch.run(&[]);

    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(scratch.started(), "start install-linux.target\n");
    assert_eq!(
        scratch.provisioned(),
        [
            ("build-info.txt", 0o644),
            ("ca.pem", 0o644),
            ("layout.json", 0o644),
            ("meta-data", 0o644),
            ("recipe.env", 0o644),
            ("registry-token", 0o600),
            ("report.json", 0o644),
            ("user-data", 0o600),
            ("webhook-token", 0o600),
        ]
        .map(|(name, mode)| (name.to_owned(), mode))
    );
    insta::assert_snapshot!("recipe_env", scratch.read("recipe.env"));
    insta::assert_snapshot!("report_json", scratch.read("report.json"));
    insta::assert_snapshot!("build_info", scratch.read("build-info.txt"));
    assert!(scratch.read("user-data").starts_with("#cloud-config\n"));
    assert_eq!(scratch.read("meta-data"), "instance-id: 0199a7b2-3c4d-7e5f-8a6b-1c2d3e4f5a6b\n");
    assert_eq!(scratch.read("webhook-token"), "wh-3q2-7wAAAAExample\n");
}

#[test]
fn the_windows_answer_file_is_handed_over_and_kept_from_others() {
    let scratch = Scratch::new("windows");

    assert_eq!(scratch.run(&[]).code, 0);

    assert!(scratch.read("unattend.xml").starts_with("<?xml"));
    assert!(scratch.provisioned().contains(&("unattend.xml".to_owned(), 0o600)));
    assert!(scratch.read("recipe.env").contains("WIM_INDEX=\"2\"\n"));
}

#[test]
fn no_secret_is_in_a_file_that_others_can_read_or_in_the_log() {
    let mut scratch = Scratch::new("linux");
    scratch.recipe["user_data"] = json!("#cloud-config\npassword: hunter2\n");
    scratch.write_medium();

    for systemctl in ["exit 0", "exit 1"] {
        scratch.systemctl(systemctl);
        let ended = scratch.run(&[]);

        for secret in ["hunter2", "wh-3q2-7wAAAAExample", "rp-9b1-4kAAAAExample"] {
            assert!(!ended.log.contains(secret));
            for (name, mode) in scratch.provisioned() {
                let holds = scratch.read(&name).contains(secret);
                assert!(!holds || mode == 0o600, "{name} with mode {mode:o} holds {secret}");
            }
        }
    }
}

#[test]
fn a_second_run_leaves_the_same_files() {
    let scratch = Scratch::new("linux");
    let content = || -> Vec<_> {
        let names = scratch.provisioned().into_iter();
        names.map(|(name, mode)| (scratch.read(&name), name, mode)).collect()
    };

    assert_eq!(scratch.run(&[]).code, 0);
    let first = content();
    assert_eq!(scratch.run(&[]).code, 0);

    assert_eq!(content(), first);
}

#[test]
fn a_run_after_a_failed_one_forgets_the_failure_and_what_no_longer_applies() {
    let mut scratch = Scratch::new("linux");
    scratch.systemctl("exit 1");
    assert_eq!(scratch.run(&[]).code, 16);
    assert!(scratch.path("run/provision/failure.json").exists());

    scratch.recipe = json!({"task_target": "wipe.target"});
    scratch.job.as_object_mut().unwrap().remove("registry_pull_token");
    scratch.write_medium();
    scratch.systemctl("exit 0");
    assert_eq!(scratch.run(&[]).code, 0);

    let names: Vec<_> = scratch.provisioned().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["build-info.txt", "ca.pem", "meta-data", "recipe.env", "report.json", "webhook-token"]
    );
}

#[test]
fn exit_10_without_a_medium() {
    let scratch = Scratch::new("linux");

    let ended = scratch.look_for_medium(&["--wait", "0"]);

    ended.expect(10, "no task medium appeared within 0 seconds");
    assert_eq!(scratch.started(), "");
}

#[test]
fn exit_10_with_two_different_media() {
    let scratch = Scratch::new("linux");
    scratch.label("TASK_0199A7B23C4D7E5F8A6B1C2D3E4");
    scratch.label("TASK_0199A7B23C4D7E5F8A6B1C2D3E5");
    scratch.label("DEBIAN");

    let ended = scratch.look_for_medium(&["--wait", "0"]);

    ended.expect(
        10,
        "different task media are present: TASK_0199A7B23C4D7E5F8A6B1C2D3E4, \
         TASK_0199A7B23C4D7E5F8A6B1C2D3E5",
    );
}

#[test]
fn exit_11_when_the_medium_cannot_be_mounted() {
    let scratch = Scratch::new("linux");
    scratch.label("TASK_0199A7B23C4D7E5F8A6B1C2D3E4");

    let ended = scratch.look_for_medium(&["--wait", "0"]);

    ended.expect(11, "failed to mount TASK_0199A7B23C4D7E5F8A6B1C2D3E4");
}

#[test]
fn exit_11_when_the_task_bytes_on_the_boot_medium_cannot_be_mounted() {
    let scratch = Scratch::new("linux");
    let mut image = vec![0; 16 * 2048];
    image.extend(format!("\u{1}CD001\u{1}\0{:32}{:32}", "LINUX", "TASK_0199A7B23C4D7E5F").bytes());
    fs::create_dir_all(scratch.path("run/shoal/boot")).unwrap();
    fs::write(scratch.path("run/shoal/boot/task.img"), image).unwrap();

    let ended = scratch.look_for_medium(&["--wait", "0"]);

    ended.expect(11, "failed to mount TASK_0199A7B23C4D7E5F from the boot medium");
}

#[test]
fn exit_12_when_the_schema_is_missing_or_of_another_version() {
    let scratch = Scratch::new("linux");
    let schema = scratch.path("medium/recipe.schema.json");

    for (content, told) in [
        (r#"{"$id": "urn:shoal:schema:recipe.v9"}"#, "update the maintenance image"),
        ("{}", "recipe.schema.json has no $id"),
        ("{", "recipe.schema.json is not JSON"),
    ] {
        fs::write(&schema, content).unwrap();
        scratch.run(&[]).expect(12, told);
    }
    fs::remove_file(&schema).unwrap();
    scratch.run(&[]).expect(12, "failed to read recipe.schema.json");
}

#[test]
fn exit_13_when_recipe_or_job_cannot_be_read() {
    for name in [task_file::RECIPE, task_file::JOB] {
        let scratch = Scratch::new("linux");
        let path = scratch.path("medium").join(name);

        fs::write(&path, "{").unwrap();
        scratch.run(&[]).expect(13, "ends too early at line 1");
        fs::write(&path, "[".repeat(10_000)).unwrap();
        scratch.run(&[]).expect(13, "nested deeper than 64 levels");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        scratch.run(&[]).expect(13, "not a regular file");
        fs::remove_file(&path).unwrap();
        scratch.run(&[]).expect(13, &format!("failed to read {name}"));
        assert_eq!(scratch.started(), "");
    }
}

#[test]
fn exit_14_when_the_recipe_is_not_valid() {
    let mut scratch = Scratch::new("linux");
    scratch.recipe["target_disk"] = json!("/dev/sda/../sdb");
    scratch.recipe["user_data"] = json!("hunter2\u{0}");
    scratch.write_medium();

    let ended = scratch.run(&[]);

    ended.expect(14, "/target_disk: ");
    ended.expect(14, "/user_data: contains a control character");
    assert!(!ended.log.contains("hunter2"));
    let failure: Value = serde_json::from_str(&scratch.read("failure.json")).unwrap();
    assert_eq!(failure["failed_step"], "workflow.dispatcher");
    assert_eq!(failure["exit_code"], 14);
    assert_eq!(failure.get("unit"), None);
    assert!(scratch.path("run/provision/report.json").exists(), "the failure can be reported");
    assert!(scratch.path("run/provision/webhook-token").exists());
}

#[test]
fn exit_14_when_the_image_has_no_such_target() {
    let scratch = Scratch::new("linux");
    let unit = scratch.path("usr/lib/systemd/system/install-linux.target");

    std::os::unix::fs::symlink("/dev/null", scratch.unit("install-linux.target")).unwrap();
    scratch.run(&[]).expect(14, "this maintenance image has it masked");
    fs::remove_file(scratch.unit("install-linux.target")).unwrap();
    fs::remove_file(unit).unwrap();
    scratch.run(&[]).expect(14, "this maintenance image does not have it");
    assert_eq!(scratch.started(), "");
}

#[test]
fn exit_15_when_the_files_cannot_be_written() {
    let scratch = Scratch::new("linux");
    fs::create_dir_all(scratch.path("run")).unwrap();
    fs::write(scratch.path("run/provision"), "in the way").unwrap();

    scratch.run(&[]).expect(15, "failed to write");
    assert_eq!(scratch.started(), "");
}

#[test]
fn exit_16_names_the_unit_that_is_missing() {
    let scratch = Scratch::new("linux");
    scratch.systemctl(
        "echo 'Failed to start install-linux.target: Unit image-linux.service not found.' >&2; exit 5",
    );

    scratch.run(&[]).expect(16, "Unit image-linux.service not found.");

    let failure: Value = serde_json::from_str(&scratch.read("failure.json")).unwrap();
    assert_eq!(failure["failed_step"], "workflow.image-linux");
    assert_eq!(failure["unit"], "image-linux.service");
    assert_eq!(failure["exit_code"], 16);
}

#[test]
fn exit_16_names_the_step_that_failed() {
    let scratch = Scratch::new("linux");
    scratch.systemctl(
        "case $1 in\n\
         start) echo 'A dependency job for install-linux.target failed.' >&2; exit 1;;\n\
         list-units) echo 'smartd.service loaded failed failed S'; \
         echo 'partition.service loaded failed failed P';;\n\
         esac",
    );

    scratch.run(&[]).expect(16, "A dependency job for install-linux.target failed.");

    let failure: Value = serde_json::from_str(&scratch.read("failure.json")).unwrap();
    assert_eq!(failure["failed_step"], "workflow.partition");
}

#[test]
fn exit_16_when_systemctl_cannot_be_run() {
    let scratch = Scratch::new("linux");
    fs::remove_file(scratch.path("systemctl")).unwrap();

    scratch.run(&[]).expect(16, "failed to run");
}

#[test]
fn exit_17_without_the_privileges_to_mount() {
    let scratch = Scratch::new("linux");
    scratch.label("TASK_0199A7B23C4D7E5F8A6B1C2D3E4");
    fs::set_permissions(scratch.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(scratch.path("run/provision")).unwrap();
    fs::set_permissions(scratch.path("run/provision"), fs::Permissions::from_mode(0o777)).unwrap();

    let ended = scratch.look_for_medium_as_nobody(&["--wait", "0"]);

    ended.expect(17, "mounting the task medium needs root");
}

#[test]
fn exit_18_on_the_wrong_machine_before_anything_is_handed_over() {
    let scratch = Scratch::new("linux");
    scratch.dmi("product_serial", "ANOTHER1");
    scratch.dmi("product_uuid", "99999999-0035-3410-8050-c6c04f504733");

    scratch.run(&[]).expect(18, "not the one the task medium was made for");

    assert!(!scratch.path("run/provision/recipe.env").exists());
    assert!(!scratch.path("run/provision/user-data").exists());
    assert!(scratch.path("run/provision/report.json").exists());
}

#[test]
fn an_unidentified_machine_is_warned_about_and_refused_when_strict() {
    let scratch = Scratch::new("linux");
    scratch.dmi("product_serial", "To Be Filled By O.E.M.\n");
    scratch.dmi("product_uuid", "00000000-0000-0000-0000-000000000000\n");

    let lenient = scratch.run(&[]);
    assert_eq!(lenient.code, 0);
    assert!(lenient.log.contains("\"level\":\"warn\""), "{}", lenient.log);
    assert!(scratch.read("recipe.env").contains("SERIAL_NUMBER=\"unknown\"\n"));

    scratch.run(&["--strict-serial"]).expect(18, "the serial number of this machine is not known");
    scratch
        .run(&["--strict-serial", "--serial-override", "SN7"])
        .expect(18, "this machine could not be identified");
}

#[test]
fn the_serial_number_comes_from_the_override_then_dmi_then_dmidecode() {
    let scratch = Scratch::new("linux");
    let dmidecode = scratch.script("dmidecode", "echo '# odd tables'; echo ' FROMTABLE '");
    let serial = |arguments: &[&str]| {
        assert_eq!(scratch.run(arguments).code, 0);
        let environment = scratch.read("recipe.env");
        let line = environment.lines().find(|line| line.starts_with("SERIAL_NUMBER=")).unwrap();
        line.to_owned()
    };

    assert_eq!(
        serial(&["--serial-override", "MINE", "--dmidecode", &dmidecode]),
        "SERIAL_NUMBER=\"MINE\""
    );
    assert_eq!(serial(&["--dmidecode", &dmidecode]), "SERIAL_NUMBER=\"F54P1G3\"");
    scratch.dmi("product_serial", "Not Specified");
    assert_eq!(serial(&["--dmidecode", &dmidecode]), "SERIAL_NUMBER=\"FROMTABLE\"");
    assert_eq!(serial(&["--dmidecode", "/nonexistent"]), "SERIAL_NUMBER=\"unknown\"");
}

#[test]
fn the_meta_data_of_the_medium_is_handed_over_or_made() {
    let scratch = Scratch::new("linux");
    fs::write(scratch.path("medium/meta-data"), "instance-id: x\nlocal-hostname: web-17\n")
        .unwrap();

    assert_eq!(scratch.run(&[]).code, 0);

    assert_eq!(scratch.read("meta-data"), "instance-id: x\nlocal-hostname: web-17\n");

    fs::remove_file(scratch.path("medium/meta-data")).unwrap();
    assert_eq!(scratch.run(&[]).code, 0);
    assert_eq!(scratch.read("meta-data"), "instance-id: 0199a7b2-3c4d-7e5f-8a6b-1c2d3e4f5a6b\n");
}

#[test]
fn every_log_line_is_one_json_object_with_the_same_members() {
    let scratch = Scratch::new("linux");

    let ended = scratch.run(&[]);

    let steps: Vec<String> = ended
        .log
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let members: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
            assert_eq!(members, ["level", "message", "step", "time"]);
            line["step"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(steps, ["medium", "job", "machine", "recipe", "write", "start"]);
}

#[test]
fn wrong_arguments_do_nothing_and_exit_64() {
    let scratch = Scratch::new("linux");

    let ended = scratch.run(&["--frobnicate"]);

    assert_eq!(ended.code, 64);
    assert!(ended.log.contains("usage: shoal-dispatcher run"));
    assert!(!scratch.path("run/provision").exists());
}

#[test]
fn exit_20_when_the_dispatcher_has_a_fault() {
    use shoal_dispatcher::{Exit, Options, guarded};
    let scratch = Scratch::new("linux");
    let arguments = ["run".into(), "--root".into(), scratch.path("").into_os_string()];
    let options = Options::parse(arguments).unwrap();
    let mut log = Vec::new();

    let exit = guarded(&options, &mut log, |_, _| panic!("of a test"));

    assert_eq!(exit as u8, 20);
    assert_eq!(exit, Exit::Panic);
    let failure: Value = serde_json::from_str(&scratch.read("failure.json")).unwrap();
    assert_eq!(
        (&failure["exit_code"], &failure["failed_step"]),
        (&json!(20), &json!("workflow.dispatcher"))
    );
    assert!(String::from_utf8(log).unwrap().contains("\"level\":\"error\""));
}
