use proptest::prelude::*;

use super::*;

#[test]
fn sizes_are_binary_and_one_hundred_percent_is_the_rest() {
    for (text, size) in [
        ("512M", SizeSpec::Bytes(512 << 20)),
        ("1G", SizeSpec::Bytes(1 << 30)),
        ("4K", SizeSpec::Bytes(4096)),
        ("2T", SizeSpec::Bytes(2 << 40)),
        ("30%", SizeSpec::Percent(30)),
        ("100%", SizeSpec::Rest),
    ] {
        assert_eq!(text.parse(), Ok(size));
        assert_eq!(size.to_string(), text);
    }
}

#[test]
fn sizes_without_a_unit_or_beyond_a_disk_are_refused() {
    for text in ["", "M", "512", "512MB", "-1G", "1.5G", " 1G", "1 G", "0x1G", "１G"] {
        assert!(matches!(text.parse::<SizeSpec>(), Err(SizeError::Form(_))), "{text}");
    }
    for text in ["0M", "9999999T", "99999999999999999999G"] {
        assert!(matches!(text.parse::<SizeSpec>(), Err(SizeError::Bounds(_))), "{text}");
    }
    for text in ["0%", "101%", "%", "+5%", "1000%"] {
        assert!(matches!(text.parse::<SizeSpec>(), Err(SizeError::Percent(_))), "{text}");
    }
}

proptest! {
    #[test]
    fn sizes_read_back_from_what_they_print(kibibytes in 1_u64..(1 << 50)) {
        let size = SizeSpec::Bytes(kibibytes * 1024);
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }

    #[test]
    fn any_text_is_a_size_or_an_error(text in ".{0,24}") {
        if let Ok(size) = text.parse::<SizeSpec>() {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
