//! Requests by the thousand: ranges against a model that knows nothing of the parser, paths of which
//! one byte is wrong, conditions in any bytes, and images and manifests that nobody wrote.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail a test by panicking, like the tests themselves"
)]

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use serde_json::json;
use shoal_media::{
    Catalog, Content, Digest, Form, Grant, Key, KeyId, Keyring, Kind, LedgerDown, MAX_RANGES,
    Manifest, MediaServer, Medium, Milestone, Milestones, ObjectId, OpenError, Opened, ReadSpan,
    Selection, SystemClock, find_fat_file, find_file, select,
};

const SECTOR: usize = 2048;

/// One spec of a range set, as the RFC has it.
#[derive(Clone, Debug)]
enum Spec {
    Between(u64, u64),
    From(u64),
    Last(u64),
    Nothing,
    Garbage(&'static str),
}

impl Spec {
    fn text(&self) -> String {
        match self {
            Self::Between(first, last) => format!("{first}-{last}"),
            Self::From(first) => format!("{first}-"),
            Self::Last(count) => format!("-{count}"),
            Self::Nothing => " ".to_owned(),
            Self::Garbage(text) => (*text).to_owned(),
        }
    }

    /// The bytes it names, found by asking each of them.
    fn bytes(&self, len: u64) -> BTreeSet<u64> {
        let named = |at: &u64| match self {
            Self::Between(first, last) => first <= at && at <= last,
            Self::From(first) => first <= at,
            Self::Last(count) => at + count >= len,
            Self::Nothing | Self::Garbage(_) => false,
        };
        (0..len).filter(named).collect()
    }

    fn is_garbage(&self) -> bool {
        match self {
            Self::Between(first, last) => last < first,
            Self::Garbage(_) => true,
            Self::From(_) | Self::Last(_) | Self::Nothing => false,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_range_names_the_bytes_that_the_model_names(
        specs in proptest::collection::vec(spec(), 0..20),
        len in 0..48_u64,
    ) {
        let header = format!("bytes={}", specs.iter().map(Spec::text).collect::<Vec<_>>().join(","));
        let real: Vec<&Spec> = specs.iter().filter(|spec| !matches!(spec, Spec::Nothing)).collect();
        let wanted: BTreeSet<u64> = real.iter().flat_map(|spec| spec.bytes(len)).collect();
        // The specs are read in their order: whichever comes first decides.
        let bad = real.iter().position(|spec| spec.is_garbage()).filter(|at| *at < MAX_RANGES);
        match select(&header, len) {
            Selection::Whole => prop_assert!(real.is_empty() || bad.is_some(), "{}", header),
            Selection::Unsatisfiable => {
                prop_assert!(bad.is_none() && !real.is_empty(), "{}", header);
                prop_assert!(real.len() > MAX_RANGES || wanted.is_empty(), "{}", header);
            }
            Selection::Parts(parts) => {
                prop_assert!(bad.is_none() && real.len() <= MAX_RANGES, "{}", header);
                let given: Vec<u64> =
                    parts.iter().flat_map(|part| part.offset()..part.end()).collect();
                prop_assert_eq!(given.len(), wanted.len(), "a byte comes twice for {}", &header);
                prop_assert_eq!(given.into_iter().collect::<BTreeSet<_>>(), wanted, "{}", header);
            }
        }
    }

    #[test]
    fn a_path_with_any_byte_changed_opens_nothing(
        object: [u8; 16],
        expires_at: u32,
        at in 0..79_usize,
        byte in 0x20..0x7f_u8,
    ) {
        let grant = Grant { object: ObjectId(object), kind: Kind::Task, form: Form::Iso, expires_at };
        let signed = keyring().sign(&grant);
        let mut path = signed.as_str().as_bytes().to_vec();
        path[at] = byte;
        let path = String::from_utf8(path).unwrap();
        prop_assert_eq!(keyring().verify(&path, 0).is_ok(), path == signed.as_str(), "{}", path);
    }

    #[test]
    fn any_conditions_have_an_answer_as_long_as_it_says(
        headers in proptest::collection::vec((condition(), header_value()), 0..4),
    ) {
        let mut request = Request::get(PATH.with(Clone::clone));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (status, announced, length) = answer(request.body(()).unwrap());
        prop_assert!([200, 206, 304, 412, 416].contains(&status), "{}", status);
        if status == 200 || status == 206 {
            prop_assert_eq!(announced, Some(length));
        }
        prop_assert!(status != 200 || length == MEDIUM.len());
    }

    #[test]
    fn any_image_is_searched_to_an_end(mut image in image(), damage in damage()) {
        for (at, byte) in damage {
            let at = 16 * SECTOR + at % (image.len() - 16 * SECTOR);
            image[at] = byte;
        }
        let length = image.len() as u64;
        let content = Content::memory(Bytes::from(image));
        for name in ["shoal.json", "KS.CFG", "EFI/BOOT/BOOT.CFG"] {
            if let Ok(Some(extent)) = find_file(&content, name) {
                prop_assert!(extent.end() <= length && extent.len() > 0);
            }
        }
    }

    #[test]
    fn any_bytes_are_no_loop_for_the_image_reader(tail in proptest::collection::vec(any::<u8>(), 0..8192)) {
        let mut image = vec![0; 16 * SECTOR];
        image.extend(tail);
        let length = image.len() as u64;
        if let Ok(Some(extent)) = find_file(&Content::memory(Bytes::from(image)), "shoal.json") {
            prop_assert!(extent.end() <= length);
        }
    }

    #[test]
    fn any_volume_is_searched_to_an_end(damage in proptest::collection::vec((0..1600_usize, any::<u8>()), 0..12)) {
        let mut volume = include_bytes!("../../../tests/fuzz/corpus/iso/fat").to_vec();
        let whole = damage.is_empty();
        for (at, byte) in damage {
            volume[at] = byte;
        }
        let length = volume.len() as u64;
        let content = Content::memory(Bytes::from(volume));
        let found = find_fat_file(&content, "KS.CFG");
        prop_assert!(!whole || found.is_some(), "the volume as it was made has the file");
        for extent in [found, find_fat_file(&content, "EFI/BOOT/X")].into_iter().flatten() {
            prop_assert!(extent.end() <= length);
        }
    }

    #[test]
    fn a_manifest_lies_within_its_medium_and_reads_back(
        reserved in proptest::option::of(place()),
        wires in proptest::collection::vec((milestone(), place()), 0..5),
        length in prop_oneof![Just(1_u64 << 30), any::<u64>()],
    ) {
        let extent = |(offset, length): &(u64, u64)| json!({"offset": offset, "length": length});
        let wires: Vec<_> = wires.iter().map(|(milestone, (offset, length))| {
            json!({"milestone": milestone, "offset": offset, "length": length})
        }).collect();
        let text = json!({"version": "1", "reserved": reserved.as_ref().map(extent), "milestones": wires});
        let Ok(manifest) = Manifest::parse(text.to_string().as_bytes(), length) else { return Ok(()) };
        for wire in &manifest.tripwires {
            prop_assert!(wire.extent.end() <= length && wire.extent.len() > 0);
            prop_assert!(manifest.reserved.is_none_or(|reserved| !reserved.touches(&wire.extent)));
        }
        prop_assert!(manifest.reserved.is_none_or(|reserved| reserved.end() <= length));
        let written = manifest.to_json().unwrap();
        prop_assert_eq!(Manifest::parse(&written, length).unwrap(), manifest);
    }
}

fn spec() -> impl Strategy<Value = Spec> {
    let number = || prop_oneof![6 => 0..60_u64, 1 => Just(u64::MAX)];
    prop_oneof![
        6 => (number(), number()).prop_map(|(first, last)| Spec::Between(first, last)),
        2 => number().prop_map(Spec::From),
        2 => (0..60_u64).prop_map(Spec::Last),
        1 => Just(Spec::Nothing),
        1 => proptest::sample::select(vec!["x", "-", "1", "1-2-3", "+1-2", "1 - 2", "0x1-2", "--1"])
            .prop_map(Spec::Garbage),
    ]
}

const MEDIUM: &[u8] = b"the bytes of a medium, more than one range of them";

struct OneMedium(Medium);

impl Catalog for OneMedium {
    async fn open(&self, object: ObjectId, _: Kind) -> Result<Opened, OpenError> {
        Ok(Opened { medium: self.0.clone(), already: Milestones::default(), together: object })
    }

    async fn commit_milestone(&self, _: ObjectId, _: Milestone) -> Result<(), LedgerDown> {
        Ok(())
    }

    fn observe(&self, _: ObjectId, _: ReadSpan) {}
}

thread_local! {
    static PATH: String = {
        let object = ObjectId([1; 16]);
        let grant = Grant { object, kind: Kind::Task, form: Form::Iso, expires_at: u32::MAX };
        keyring().sign(&grant).as_str().to_owned()
    };
}

/// Status, announced length and length of the body.
fn answer(request: Request<()>) -> (u16, Option<usize>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let content = Content::memory(Bytes::from_static(MEDIUM));
        let medium = Medium::new(content, Digest::of(MEDIUM), vec![]).unwrap();
        let clock = SystemClock::default();
        let server = MediaServer::new(Arc::new(OneMedium(medium)), keyring(), clock);
        let response = server.respond(&request.into_parts().0).await;
        let status = response.status().as_u16();
        let announced = response.headers().get("content-length");
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, announced, body.len())
    })
}

fn condition() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "range",
        "if-range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
    ])
}

fn header_value() -> impl Strategy<Value = HeaderValue> {
    let tag = format!("\"{}\"", "0".repeat(64));
    let bytes = prop_oneof![
        "(bytes=)?([0-9]{0,3}-[0-9]{0,3},? ?){0,18}".prop_map(String::into_bytes),
        "(W/)?\"[0-9a-f]{0,64}\"(, *(W/)?\"[a-z]{0,3}\"?){0,3}".prop_map(String::into_bytes),
        "(Sat|Sun), 0[1-9] Jan (2000|1970|9999) 00:00:00 GMT".prop_map(String::into_bytes),
        Just(tag.into_bytes()),
        Just(b"*".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    bytes.prop_filter_map("a value that HTTP can carry", |bytes| {
        HeaderValue::from_bytes(&bytes).ok()
    })
}

fn keyring() -> Keyring {
    Keyring::new(Key::new(KeyId::new(7).unwrap(), vec![1; 32]).unwrap(), vec![]).unwrap()
}

fn milestone() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "boot_image_read",
        "os_loading",
        "payload",
        "task_read",
        "opened",
        "boot_again",
    ])
}

fn place() -> impl Strategy<Value = (u64, u64)> {
    let number =
        || prop_oneof![4 => (0..4096_u64).prop_map(|n| n * 2048), 1 => 0..9_u64, 1 => any::<u64>()];
    (number(), number())
}

/// A small image of one directory, in either naming.
fn image() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![Just("shoal.json"), Just("KS.CFG"), Just("other")];
    (proptest::collection::vec(name, 0..6), any::<bool>()).prop_map(|(names, joliet)| {
        let mut image = vec![0; 20 * SECTOR];
        let kind = if joliet { 2 } else { 1 };
        for (sector, kind) in [(16, kind), (17, 255)] {
            let at = sector * SECTOR;
            image[at] = kind;
            image[at + 1..at + 6].copy_from_slice(b"CD001");
        }
        image[16 * SECTOR + 88..16 * SECTOR + 91].copy_from_slice(b"%/E");
        let root = record(18, 2048, 2, b"\0");
        image[16 * SECTOR + 156..16 * SECTOR + 190].copy_from_slice(&root);
        let mut at = 18 * SECTOR;
        for name in names {
            let identifier: Vec<u8> = if joliet {
                name.encode_utf16().flat_map(u16::to_be_bytes).collect()
            } else {
                name.bytes().collect()
            };
            let record = record(19, 5, 0, &identifier);
            image[at..at + record.len()].copy_from_slice(&record);
            at += record.len();
        }
        image
    })
}

fn record(block: u32, length: u32, flags: u8, identifier: &[u8]) -> Vec<u8> {
    let size = (33 + identifier.len()).next_multiple_of(2);
    let mut record = vec![0; size];
    record[0] = u8::try_from(size).unwrap();
    record[2..6].copy_from_slice(&block.to_le_bytes());
    record[10..14].copy_from_slice(&length.to_le_bytes());
    record[25] = flags;
    record[32] = u8::try_from(identifier.len()).unwrap();
    record[33..33 + identifier.len()].copy_from_slice(identifier);
    record
}

fn damage() -> impl Strategy<Value = Vec<(usize, u8)>> {
    // Most of the structure is at the beginning of its sector.
    let at = (0..4_usize, prop_oneof![Just(0), 0..260_usize, 0..SECTOR])
        .prop_map(|(sector, offset)| sector * SECTOR + offset);
    proptest::collection::vec((at, any::<u8>()), 0..12)
}
