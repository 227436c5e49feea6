use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn partitions_lie_one_after_the_other_and_the_rest_takes_what_is_left() {
    let layout = layout(&[("512M", "vfat", "EFI"), ("100%", "ext4", "root"), ("10%", "swap", "s")]);

    let placed = layout.place(10 * 1024 * MIB).unwrap();

    let extent = |number, start: u64, length: u64| Extent {
        number,
        start: start * MIB,
        length: length * MIB,
    };
    assert_eq!(placed, [extent(1, 1, 512), extent(2, 513, 8703), extent(3, 9216, 1023)]);
}

#[test]
fn a_disk_that_is_too_small_is_refused_with_both_numbers() {
    let layout = layout(&[("512M", "vfat", "EFI"), ("100%", "ext4", "root")]);

    let error = layout.place(514 * MIB).unwrap_err();

    assert_eq!(error, PlaceError::DiskTooSmall { needed: 513 * MIB, usable: 512 * MIB });
    assert!(layout.place(515 * MIB).is_ok());
}

#[test]
fn windows_without_a_layout_gets_the_usual_one() {
    let recipe = br#"{"task_target": "install-windows.target", "target_disk": "/dev/sda",
                      "oci_url": "r.example/win:1"}"#;
    let layout = Layout::of(&Recipe::parse(recipe).unwrap().recipe).unwrap();

    insta::assert_snapshot!(String::from_utf8(layout.to_json()).unwrap(), @r#"{"version":1,"target_disk":"/dev/sda","partitions":[{"number":1,"size":{"bytes":272629760},"type_guid":"C12A7328-F81F-11D2-BA4B-00A0C93EC93B","format":"vfat","label":"SYSTEM"},{"number":2,"size":{"bytes":16777216},"type_guid":"E3C9E316-0B5C-4DB8-817D-F92DF00215AE","format":"raw","label":null},{"number":3,"size":"rest","type_guid":"EBD0A0A2-B9E5-4433-87C0-68B6B72699C7","format":"ntfs","label":"Windows"}]}"#);
    assert_eq!(serde_json::from_slice::<Layout>(&layout.to_json()).unwrap(), layout);
}

#[test]
fn the_root_is_found_by_type_then_label_then_size() {
    let root =
        |partitions: &[(&str, &str, &str)]| layout(partitions).linux_root().map(|p| p.number);

    assert_eq!(
        root(&[("1G", "ext4", "boot"), ("50%", "xfs", "ROOT"), ("100%", "ext4", "d")]),
        Some(2)
    );
    assert_eq!(root(&[("1G", "ext4", "boot"), ("100%", "xfs", "x")]), Some(2));
    assert_eq!(root(&[("1G", "vfat", "EFI"), ("9G", "btrfs", "x")]), Some(2));
    assert_eq!(root(&[("1G", "ext4", "a"), ("9G", "ext4", "b")]), None);
    assert_eq!(root(&[("100%", "ntfs", "root")]), None);

    let mut typed = layout(&[("9G", "ext4", "root"), ("9G", "ext4", "b")]);
    typed.partitions[1].type_guid = "8304".parse().unwrap();
    assert_eq!(typed.linux_root().map(|p| p.number), Some(2));
}

proptest! {
    #[test]
    fn placed_partitions_never_overlap_or_leave_the_disk(
        disk_mib in 0_u64..4_000_000,
        sizes in proptest::collection::vec(size(), 1..8),
        rest_at in proptest::option::of(0_usize..8),
    ) {
        let mut sizes = sizes;
        if let Some(at) = rest_at {
            sizes.insert(at.min(sizes.len()), LayoutSize::Rest);
        }
        let mut layout = layout(&vec![("1G", "raw", "x"); sizes.len()]);
        for (partition, size) in layout.partitions.iter_mut().zip(sizes) {
            partition.size = size;
        }

        if let Ok(extents) = layout.place(disk_mib * MIB + 4096) {
            let mut end = MIB;
            for extent in &extents {
                prop_assert_eq!(extent.start, end);
                prop_assert!(extent.length >= MIB && extent.length % MIB == 0);
                end += extent.length;
            }
            prop_assert!(end <= (disk_mib - 1) * MIB);
            prop_assert!(rest_at.is_none() || end == (disk_mib - 1) * MIB);
        }
    }
}

fn size() -> impl Strategy<Value = LayoutSize> {
    prop_oneof![
        (1_u64..1 << 40).prop_map(LayoutSize::Bytes),
        (1_u8..30).prop_map(LayoutSize::Percent),
    ]
}

fn layout(partitions: &[(&str, &str, &str)]) -> Layout {
    let partitions = (1..).zip(partitions).map(|(number, (size, format, label))| {
        let partition = Partition {
            size: size.parse().unwrap(),
            type_guid: "8300".parse().unwrap(),
            format: Some(format.parse().unwrap()),
            label: Some((*label).to_owned()),
        };
        resolve(number, &partition)
    });
    Layout {
        version: LAYOUT_VERSION,
        target_disk: "/dev/sda".parse().unwrap(),
        partitions: partitions.collect(),
    }
}
