//! The words and names that arrive from outside as text: each is exactly what it prints, or nothing.

use std::{fmt::Debug, fmt::Display, str::FromStr};

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use shoal_core::{JobId, ServerSerial, StepKey};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_serial_is_safe_in_paths_lines_and_addresses(text in "[A-Za-z0-9._-]{0,70}|\\PC{0,70}|[a-z/.%\n\u{1b}\"]{0,12}") {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let fits = (1..=64).contains(&text.len()) && text.chars().all(plain);
        // A name of dots alone means a directory, and is refused as well.
        if let Ok(serial) = text.parse::<ServerSerial>() {
            prop_assert!(fits, "{}", text);
            prop_assert_eq!(serial.as_str(), &text);
        } else {
            prop_assert!(!fits || text.trim_matches('.').is_empty(), "{}", text);
        }
        same_in_json::<ServerSerial>(&text)?;
    }

    #[test]
    fn a_job_id_prints_what_it_was_read_from(
        text in "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f+-]{34,38}|\\PC{0,40}",
        value: u128,
    ) {
        if let Ok(id) = text.parse::<JobId>() {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
        same_in_json::<JobId>(&text)?;
        prop_assert_eq!(JobId::from_u128(value).to_string().parse(), Ok(JobId::from_u128(value)));
        let label = JobId::from_u128(value).task_label();
        prop_assert!(label.len() == 32 && !label.contains(|c: char| c.is_ascii_lowercase()));
    }

    #[test]
    fn a_step_is_a_word_of_the_taxonomy(text in "(workflow|redfish|cleanup|iso)\\.[a-z.-]{0,20}|\\PC{0,30}") {
        if let Ok(step) = text.parse::<StepKey>() {
            prop_assert_eq!(step.as_str(), text);
        }
    }
}

/// As text of its own and as a value in JSON, the same is taken.
fn same_in_json<T>(text: &str) -> Result<(), TestCaseError>
where
    T: FromStr<Err: Debug> + Display + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let quoted = serde_json::Value::from(text).to_string();
    prop_assert_eq!(serde_json::from_str::<T>(&quoted).ok(), text.parse::<T>().ok());
    Ok(())
}
