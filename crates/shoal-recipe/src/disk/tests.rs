use super::*;

#[test]
fn whole_disks_are_accepted() {
    for path in [
        "/dev/sda",
        "/dev/sdaa",
        "/dev/vdb",
        "/dev/hdc",
        "/dev/nvme0n1",
        "/dev/nvme12n3",
        "/dev/md127",
        "/dev/mapper/mpatha",
        "/dev/mapper/3600508b400105e21",
    ] {
        assert!(path.parse::<DiskPath>().is_ok(), "{path}");
    }
}

#[test]
fn partitions_path_tricks_and_other_nodes_are_refused() {
    for path in [
        "/dev/sda1",
        "/dev/nvme0n1p1",
        "/dev/nvme0",
        "/dev/../etc/passwd",
        "/dev/sda/../sdb",
        "/dev/mapper/../sda",
        "/dev/mapper/a..b",
        "/dev/mapper/.hidden",
        "/dev/mapper/control",
        "/dev/mapper/",
        "/dev/mapper/a/b",
        "/dev/disk/by-id/x",
        "/dev/loop0",
        "/dev/sd",
        "sda",
        "/dev//sda",
        "/dev/sda ",
        "/dev/sda\n",
        "/dev/nvme0n1\0",
        "/dev/zero",
        "",
        "/dev/sdA",
    ] {
        assert!(path.parse::<DiskPath>().is_err(), "{path:?}");
    }
}

#[test]
fn every_given_member_must_match() {
    let disk = nvme();
    let serial = || DiskSelector { serial: Some("s5gxnf0r".into()), ..DiskSelector::default() };

    assert!(serial().matches(&disk));
    assert!(DiskSelector { rotational: Some(false), ..serial() }.matches(&disk));
    assert!(!DiskSelector { rotational: Some(true), ..serial() }.matches(&disk));
    assert!(!DiskSelector { size: Some(SizeMatch::AtMost(1)), ..serial() }.matches(&disk));
    assert!(
        !DiskSelector { serial: Some("other".into()), ..DiskSelector::default() }.matches(&disk)
    );
}

#[test]
fn names_are_compared_without_case_blanks_and_prefixes() {
    let selector = DiskSelector {
        wwn: Some("0X0025385891B02C3D".into()),
        model: Some("SAMSUNG  mz1l2960hcjr".into()),
        ..DiskSelector::default()
    };

    assert!(selector.matches(&nvme()));
}

#[test]
fn a_disk_without_a_serial_never_matches_a_serial() {
    let selector = DiskSelector { serial: Some("x".into()), ..DiskSelector::default() };

    assert!(!selector.matches(&DiskFacts::default()));
}

#[test]
fn a_selector_that_says_nothing_chooses_nothing() {
    let empty: TargetDisk = "{}".parse().unwrap();

    assert_eq!(empty, TargetDisk::Selector(DiskSelector::default()));
    assert!(DiskSelector::default().select(&[nvme()]).is_err());
}

#[test]
fn none_or_several_matching_disks_are_refused_with_their_names() {
    let big = DiskSelector { size: Some(">=400G".parse().unwrap()), ..DiskSelector::default() };
    let disks = [nvme(), DiskFacts { path: "/dev/nvme1n1".into(), ..nvme() }];

    assert_eq!(big.select(&disks[..1]).unwrap().path, "/dev/nvme0n1");
    assert_eq!(
        big.select(&disks).unwrap_err().to_string(),
        r#"2 disks match the selector {"size":">=429496729600"}: /dev/nvme0n1, /dev/nvme1n1"#
    );
    assert_eq!(
        big.select(&[]).unwrap_err().to_string(),
        r#"no disk matches the selector {"size":">=429496729600"}, of 0 disks seen"#
    );
}

#[test]
fn the_text_form_reads_back() {
    for json in [r#""/dev/sda""#, r#"{"serial":"a\"b","size":"<=2T","rotational":true}"#] {
        let disk: TargetDisk = serde_json::from_str(json).unwrap();

        assert_eq!(disk.to_string().parse::<TargetDisk>().unwrap(), disk);
    }
}

fn nvme() -> DiskFacts {
    DiskFacts {
        path: "/dev/nvme0n1".into(),
        serial: Some("  S5GXNF0R ".into()),
        wwn: Some("eui.0025385891b02c3d".into()),
        model: Some("SAMSUNG MZ1L2960HCJR".into()),
        bytes: 960_197_124_096,
        rotational: false,
    }
}
