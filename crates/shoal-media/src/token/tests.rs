use proptest::prelude::*;

use super::*;

const NOW: u32 = 1_800_000_000;

fn key(id: u16, fill: u8) -> Key {
    Key::new(KeyId::new(id).unwrap(), vec![fill; 32]).unwrap()
}

fn keyring() -> Keyring {
    Keyring::new(key(7, 1), vec![]).unwrap()
}

fn grant(kind: Kind, form: Form) -> Grant {
    Grant { object: ObjectId([0xab; 16]), kind, form, expires_at: NOW }
}

#[test]
fn every_path_is_short_plain_and_the_same_each_time() {
    for kind in [Kind::Task, Kind::Boot] {
        for form in [Form::Iso, Form::Img] {
            let path = keyring().sign(&grant(kind, form));
            assert_eq!(path.as_str().len(), 79);
            assert!(path.as_str().chars().all(|c| "/.".contains(c) || c.is_ascii_alphanumeric()));
            assert!(!path.as_str().chars().any(|c| c.is_ascii_uppercase()));
            assert_eq!(path, keyring().sign(&grant(kind, form)));
            let verified = keyring().verify(path.as_str(), 0).unwrap();
            assert_eq!(verified.grant, grant(kind, form));
            assert_eq!(verified.key.value(), 7);
        }
    }
}

/// The expected text was computed from the format's description with Python's hmac and base64.
#[test]
fn the_wire_format_does_not_change() {
    let path = keyring().sign(&grant(Kind::Task, Form::Iso));
    assert_eq!(
        path.as_str(),
        "/media/t/cadwwsosacv2xk5lvov2xk5lvov2xk5lvov2d4q7oiidk66ex7pnp45figfma/task.iso"
    );
}

#[test]
fn expiry_allows_sixty_seconds_of_skew_and_no_more() {
    let path = keyring().sign(&grant(Kind::Boot, Form::Iso));
    let expired = |now| keyring().verify(path.as_str(), now).unwrap().expired;
    assert!(!expired(u64::from(NOW) + 60));
    assert!(expired(u64::from(NOW) + 61));
}

#[test]
fn a_path_opens_neither_the_other_kind_nor_the_other_form() {
    let path = keyring().sign(&grant(Kind::Task, Form::Iso));
    for (from, to, reason) in [
        ("task.iso", "task.img", Rejection::Signature),
        ("task.iso", "boot.iso", Rejection::Malformed),
        ("/t/", "/b/", Rejection::Malformed),
        ("task.iso", "task.iso/", Rejection::Malformed),
        ("task.iso", "TASK.ISO", Rejection::Malformed),
    ] {
        let other = path.as_str().replace(from, to);
        assert_eq!(keyring().verify(&other, 0), Err(reason), "{from} -> {to}");
    }
    let other = path.as_str().replace("/t/", "/b/").replace("task", "boot");
    assert_eq!(keyring().verify(&other, 0), Err(Rejection::Signature));
}

#[test]
fn every_changed_character_is_refused() {
    let path = keyring().sign(&grant(Kind::Task, Form::Iso));
    let good = path.as_str().as_bytes();
    for at in 9..9 + SEGMENT_LEN {
        for bit in [1, 2, 4, 8, 16, 32] {
            let mut bytes = good.to_vec();
            bytes[at] ^= bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(keyring().verify(&text, 0).is_err(), "accepted {text}");
        }
    }
}

#[test]
fn a_rotated_key_is_accepted_until_it_is_dropped() {
    let old = keyring().sign(&grant(Kind::Task, Form::Iso));
    let rotated = Keyring::new(key(8, 2), vec![key(7, 1)]).unwrap();
    assert!(rotated.verify(old.as_str(), 0).is_ok());
    let frozen = rotated.sign_with(KeyId::new(7).unwrap(), &grant(Kind::Task, Form::Iso));
    assert_eq!(frozen.unwrap(), old);
    let dropped = Keyring::new(key(8, 2), vec![]).unwrap();
    assert_eq!(dropped.verify(old.as_str(), 0), Err(Rejection::UnknownKey));
    assert!(dropped.sign_with(KeyId::new(7).unwrap(), &grant(Kind::Task, Form::Iso)).is_none());
    let reused = Keyring::new(key(7, 2), vec![]).unwrap();
    assert_eq!(reused.verify(old.as_str(), 0), Err(Rejection::Signature));
}

#[test]
fn debug_output_holds_no_segment() {
    let path = keyring().sign(&grant(Kind::Task, Form::Iso));
    assert_eq!(format!("{path:?}"), "MediaPath(***)");
}

proptest! {
    #[test]
    fn no_request_path_makes_verification_panic(path in "(/media/[tb]/)?[a-z2-7/.]{0,90}|.{0,90}") {
        prop_assert!(keyring().verify(&path, 0).is_err());
    }

    #[test]
    fn what_was_signed_is_what_is_verified(object: [u8; 16], expires_at: u32, id in 0..=4095u16) {
        let keyring = Keyring::new(key(id, 3), vec![]).unwrap();
        let grant = Grant { object: ObjectId(object), kind: Kind::Boot, form: Form::Img, expires_at };
        let verified = keyring.verify(keyring.sign(&grant).as_str(), 0).unwrap();
        prop_assert_eq!(verified.grant, grant);
        prop_assert!(!verified.expired);
    }
}
