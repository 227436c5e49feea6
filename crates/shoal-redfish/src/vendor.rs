//! Metrics need a closed set of vendor labels. This is the only place where a vendor's name is read;
//! behaviour comes from profiles, never from here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Vendor label of metrics and reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Vendor {
    /// Dell.
    Dell,
    /// Hewlett Packard Enterprise.
    Hpe,
    /// Lenovo.
    Lenovo,
    /// Supermicro.
    Supermicro,
    /// AMI `MegaRAC` and boards that ship it.
    Ami,
    /// `OpenBMC`, where no vendor is named.
    Openbmc,
    /// NVIDIA.
    Nvidia,
    /// A BMC that names somebody else.
    Generic,
    /// Not known yet, or nothing was named.
    #[default]
    Unknown,
}

impl Vendor {
    /// Judges by the names a BMC gives itself, most telling first.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        const WORDS: [(&str, Vendor); 14] = [
            ("dell", Vendor::Dell),
            ("idrac", Vendor::Dell),
            ("hpe", Vendor::Hpe),
            ("hewlett", Vendor::Hpe),
            ("ilo ", Vendor::Hpe),
            ("lenovo", Vendor::Lenovo),
            ("supermicro", Vendor::Supermicro),
            ("super micro", Vendor::Supermicro),
            ("nvidia", Vendor::Nvidia),
            ("american megatrends", Vendor::Ami),
            ("megarac", Vendor::Ami),
            ("ami", Vendor::Ami),
            ("openbmc", Vendor::Openbmc),
            ("open bmc", Vendor::Openbmc),
        ];
        let mut named = false;
        for name in names {
            named = true;
            let name = name.to_ascii_lowercase();
            // "ami" alone is part of many words, so it must be the whole name.
            let fits = |word: &str| if word == "ami" { name == word } else { name.contains(word) };
            if let Some((_, vendor)) = WORDS.iter().find(|(word, _)| fits(word)) {
                return *vendor;
            }
        }
        if named { Self::Generic } else { Self::Unknown }
    }

    /// The label value.
    pub fn label(self) -> &'static str {
        match self {
            Self::Dell => "dell",
            Self::Hpe => "hpe",
            Self::Lenovo => "lenovo",
            Self::Supermicro => "supermicro",
            Self::Ami => "ami",
            Self::Openbmc => "openbmc",
            Self::Nvidia => "nvidia",
            Self::Generic => "generic",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_name_decides() {
        assert_eq!(Vendor::of(["Contoso", "Dell Inc."].into_iter()), Vendor::Dell);
        assert_eq!(Vendor::of(["Contoso"].into_iter()), Vendor::Generic);
        assert_eq!(Vendor::of(["Ami"].into_iter()), Vendor::Ami);
        assert_eq!(Vendor::of(["Miami Systems"].into_iter()), Vendor::Generic);
        assert_eq!(Vendor::of(std::iter::empty()), Vendor::Unknown);
    }
}
