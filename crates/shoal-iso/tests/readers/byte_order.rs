//! Numbers recorded twice, in both byte orders: the readers above run on little-endian machines and
//! look at one half only, so the other half is compared here, by a walk of its own.

use shoal_iso::Image;

use crate::sample::{build, odd_files, task_files};

#[test]
fn descriptors_and_path_tables_agree_in_both_byte_orders() {
    let image = build(&task_files());
    for descriptor in [16, 17].map(|number| sector(&image, number)) {
        for offset in [80, 132] {
            both_u32(&descriptor[offset..]);
        }
        for offset in [120, 124, 128] {
            both_u16(&descriptor[offset..]);
        }
        let root = record_extent(&descriptor[156..190]);

        let little = sector(&image, u32::from_le_bytes(four(&descriptor[140..])));
        let big = sector(&image, u32::from_be_bytes(four(&descriptor[148..])));
        assert_eq!(u32::from_le_bytes(four(&little[2..])), root);
        assert_eq!(u32::from_be_bytes(four(&big[2..])), root);
        assert_eq!((&little[..2], &little[6..11]), (&[1, 0][..], &[1, 0, 0, 0, 0][..]));
        assert_eq!((&big[..2], &big[6..11]), (&[1, 0][..], &[0, 1, 0, 0, 0][..]));
    }
}

#[test]
fn directory_records_agree_in_both_byte_orders() {
    for files in [task_files(), odd_files()] {
        let image = build(&files);
        for descriptor in [16, 17].map(|number| sector(&image, number)) {
            let records = records(&image, &descriptor[156..190]);
            assert_eq!(records.len(), files.len() + 2);
            for record in records {
                record_extent(record);
                let identifier_end = (33 + usize::from(record[32])).next_multiple_of(2);
                posix_numbers(&record[identifier_end..]);
            }
        }
    }
}

/// Checks the number pairs of PX and CE entries in a system use field.
fn posix_numbers(mut field: &[u8]) {
    while let [a, b, len, _, ..] = *field {
        let (entry, rest) = field.split_at(usize::from(len));
        if matches!(&[a, b], b"PX" | b"CE") {
            entry[4..].chunks_exact(8).for_each(|pair| _ = both_u32(pair));
        }
        field = rest;
    }
    assert!(field.len() < 2, "{field:?} is no entry");
}

/// The records of the directory that `root` points to.
fn records<'a>(image: &'a Image, root: &[u8]) -> Vec<&'a [u8]> {
    let start = record_extent(root);
    let sectors = both_u32(&root[10..]) / 2048;
    let mut records = Vec::new();
    for number in start..start + sectors {
        let mut rest = sector(image, number);
        while let Some(&len @ 1..) = rest.first() {
            let (record, others) = rest.split_at(usize::from(len));
            records.push(record);
            rest = others;
        }
    }
    records
}

/// First sector of what a directory record points to.
fn record_extent(record: &[u8]) -> u32 {
    both_u32(&record[10..]);
    both_u16(&record[28..]);
    both_u32(&record[2..])
}

fn both_u32(field: &[u8]) -> u32 {
    let value = u32::from_le_bytes(four(field));
    assert_eq!(u32::from_be_bytes(four(&field[4..])), value, "{:?}", &field[..8]);
    value
}

fn both_u16(field: &[u8]) {
    assert_eq!([field[0], field[1]], [field[3], field[2]]);
}

fn four(field: &[u8]) -> [u8; 4] {
    field[..4].try_into().unwrap()
}

fn sector(image: &Image, number: u32) -> &[u8] {
    &image.bytes()[number as usize * 2048..][..2048]
}
