//! A task medium in the wrong machine would erase that machine. Media are inserted through a BMC
//! whose cabling or address may be wrong, so the dispatcher compares what the machine says about
//! itself with what the controller recorded.

use crate::job_file::Identity;

/// What firmware writes into fields that the maker of the board never filled.
const PLACEHOLDERS: [&str; 14] = [
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "default string",
    "system serial number",
    "chassis serial number",
    "not specified",
    "not available",
    "not applicable",
    "none",
    "n/a",
    "unknown",
    "invalid",
    "o.e.m.",
    "0123456789",
];

/// What the machine says about itself through DMI, with placeholders already taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dmi {
    serial: Option<String>,
    uuid: Option<String>,
}

/// Whether a task medium belongs to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The serial number or the UUID is the one recorded.
    Right,
    /// Too little is known on either side to say anything.
    Unverified,
    /// Serial number and UUID are both known and neither was recorded.
    Wrong,
}

impl Dmi {
    /// Takes the raw system serial number and UUID, and forgets the ones that only fill the field:
    /// blanks, well-known placeholders, and values made of one repeated character.
    pub fn new(serial: Option<&str>, uuid: Option<&str>) -> Self {
        Self { serial: serial.and_then(real_serial), uuid: uuid.and_then(real_uuid) }
    }

    /// The system serial number, if the machine has one.
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// The system UUID as 32 lower case hexadecimal digits, if the machine has one.
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }
}

/// Compares the machine with the identities that the controller recorded.
///
/// The serial number is compared with the recorded serial numbers and SKUs, because some vendors
/// publish over Redfish as SKU what DMI calls the serial number. UUIDs are also compared with their
/// first three fields in the other byte order, as SMBIOS changed it in version 2.6 and firmware
/// disagrees to this day. Either match suffices; refusing needs both to be known and both to differ.
pub fn match_machine(identities: &[Identity], dmi: &Dmi) -> Verdict {
    let recorded_serials: Vec<String> = identities
        .iter()
        .flat_map(|identity| [&identity.serial, &identity.sku])
        .filter_map(|text| real_serial(text.as_deref()?))
        .collect();
    let recorded_uuids: Vec<String> =
        identities.iter().filter_map(|identity| real_uuid(identity.uuid.as_deref()?)).collect();

    let serial_fits = dmi.serial.as_ref().is_some_and(|seen| {
        recorded_serials.iter().any(|recorded| recorded.eq_ignore_ascii_case(seen))
    });
    let uuid_fits = dmi.uuid.as_ref().is_some_and(|seen| {
        recorded_uuids.iter().any(|recorded| recorded == seen || swapped(recorded) == *seen)
    });
    let nothing_recorded = recorded_serials.is_empty() && recorded_uuids.is_empty();
    if serial_fits || uuid_fits {
        Verdict::Right
    } else if nothing_recorded || dmi.serial.is_none() || dmi.uuid.is_none() {
        Verdict::Unverified
    } else {
        Verdict::Wrong
    }
}

fn real_serial(text: &str) -> Option<String> {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let is_filler = is_one_character(trimmed)
        || PLACEHOLDERS.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(trimmed));
    (!is_filler).then(|| trimmed.to_owned())
}

fn real_uuid(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_uuid && !is_one_character(&digits)).then(|| digits.to_ascii_lowercase())
}

/// Also true of no character at all.
fn is_one_character(text: &str) -> bool {
    text.chars().all(|c| text.starts_with(c))
}

/// A UUID of 32 digits with the bytes of its first three fields reversed.
fn swapped(uuid: &str) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    ORDER.iter().filter_map(|byte| uuid.get(byte * 2..byte * 2 + 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "4c4c4544-0035-3410-8050-c6c04f504733";
    const SWAPPED: &str = "44454c4c-3500-1034-8050-c6c04f504733";
    const OTHER: &str = "11111111-2222-3333-4444-555555555555";

    fn verdict(recorded: [Option<&str>; 3], seen: [Option<&str>; 2]) -> Verdict {
        let [serial, uuid, sku] = recorded.map(|text| text.map(str::to_owned));
        match_machine(&[Identity { serial, uuid, sku }], &Dmi::new(seen[0], seen[1]))
    }

    #[test]
    fn serial_or_uuid_suffices() {
        let recorded = [Some("CN123"), Some(UUID), Some("F54P1G3")];

        assert_eq!(verdict(recorded, [Some("cn123"), Some(OTHER)]), Verdict::Right);
        assert_eq!(verdict(recorded, [Some(" F54P1G3 "), Some(OTHER)]), Verdict::Right);
        assert_eq!(verdict(recorded, [Some("X"), Some(&UUID.to_uppercase())]), Verdict::Right);
        assert_eq!(verdict(recorded, [None, Some(SWAPPED)]), Verdict::Right);
    }

    #[test]
    fn both_known_and_both_different_is_the_wrong_machine() {
        assert_eq!(
            verdict([Some("CN123"), Some(UUID), None], [Some("CN124"), Some(OTHER)]),
            Verdict::Wrong
        );
        assert_eq!(
            verdict([Some("CN123"), None, None], [Some("CN124"), Some(UUID)]),
            Verdict::Wrong
        );
    }

    #[test]
    fn one_known_value_is_not_enough_to_refuse() {
        let recorded = [Some("CN123"), Some(UUID), None];

        assert_eq!(verdict(recorded, [Some("CN124"), None]), Verdict::Unverified);
        assert_eq!(verdict(recorded, [None, Some(OTHER)]), Verdict::Unverified);
        assert_eq!(verdict([None; 3], [Some("CN124"), Some(OTHER)]), Verdict::Unverified);
        assert_eq!(match_machine(&[], &Dmi::new(Some("CN124"), Some(OTHER))), Verdict::Unverified);
    }

    #[test]
    fn placeholders_neither_match_nor_refuse() {
        for filler in ["", "  ", "To Be Filled By O.E.M.", "0000000", "None", "........"] {
            assert_eq!(Dmi::new(Some(filler), None), Dmi::default(), "{filler}");
            assert_eq!(
                verdict([Some(filler), None, None], [Some(filler), Some(OTHER)]),
                Verdict::Unverified
            );
        }
        for filler in [
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "Not Settable",
        ] {
            assert_eq!(Dmi::new(None, Some(filler)), Dmi::default(), "{filler}");
        }
    }

    #[test]
    fn several_identities_are_all_looked_at() {
        let identity =
            |serial: &str| Identity { serial: Some(serial.into()), ..Identity::default() };

        let verdict = match_machine(&[identity("A1"), identity("B2")], &Dmi::new(Some("B2"), None));

        assert_eq!(verdict, Verdict::Right);
    }
}
