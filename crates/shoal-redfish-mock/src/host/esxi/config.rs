//! `BOOT.CFG` of an ESXi installer, read for what its loader does with it.

/// Where the installer looks for its kickstart file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KickstartAt {
    /// On a disc in an optical drive, at this path.
    Cdrom(String),
    /// On a USB stick, at this path.
    Usb(String),
    /// Nowhere that this host has.
    Nowhere,
}

/// What the loader takes from the file; paths are from the disc's root, without a leading slash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BootConfig {
    pub(super) kernel: String,
    pub(super) modules: Vec<String>,
    pub(super) kickstart: KickstartAt,
}

impl BootConfig {
    /// Reads the file; `None` when it names no kernel and is therefore something else.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let value = |key: &str| {
            let lines = text.lines().map(str::trim).filter_map(|line| line.split_once('='));
            let mut values = lines.filter(|(name, _)| name.trim() == key).map(|(_, value)| value);
            values.next_back().map(str::trim).filter(|value| !value.is_empty())
        };
        let prefix = value("prefix").unwrap_or_default();
        let path = |name: &str| match name.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => format!("{prefix}/{name}").trim_start_matches('/').to_owned(),
        };
        // A module may be followed by its own options.
        let first_word = |module: &str| module.split_whitespace().next().map(path);
        let modules = value("modules").unwrap_or_default();
        Some(Self {
            kernel: path(value("kernel")?),
            modules: modules.split(" --- ").filter_map(first_word).collect(),
            kickstart: kickstart(value("kernelopt").unwrap_or_default()),
        })
    }
}

/// The last `ks=` counts.
fn kickstart(options: &str) -> KickstartAt {
    const USUAL: &str = "KS.CFG";
    let given =
        options.split_whitespace().filter_map(|option| option.strip_prefix("ks=")).next_back();
    let relative = |path: &str| path.trim_start_matches('/').to_owned();
    match given.map(|given| given.split_once(':').unwrap_or((given, ""))) {
        Some(("cdrom", path)) if !path.is_empty() => KickstartAt::Cdrom(relative(path)),
        Some(("usb", "")) => KickstartAt::Usb(USUAL.to_owned()),
        Some(("usb", path)) => KickstartAt::Usb(relative(path)),
        _ => KickstartAt::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_modules_and_kickstart_are_taken_from_a_file_as_installers_have_it() {
        let text = b"bootstate=0\r\ntitle=Loading ESXi installer\r\ntimeout=5\r\nprefix=\r\n\
            kernel=/b.b00\r\nkernelopt=runweasel cdromBoot ks=cdrom:/KS.CFG\r\n\
            modules=/jumpstrt.gz --- /useropts.gz --- /k.b00 -x 1\r\nbuild=8.0.2\r\nupdated=0\r\n";
        let config = BootConfig::parse(text).unwrap();
        assert_eq!(config.kernel, "b.b00");
        assert_eq!(config.modules, ["jumpstrt.gz", "useropts.gz", "k.b00"]);
        assert_eq!(config.kickstart, KickstartAt::Cdrom("KS.CFG".to_owned()));
    }

    #[test]
    fn a_prefix_goes_before_relative_names() {
        let config =
            BootConfig::parse(b"prefix=/esx\nkernel=b.b00\nmodules=a.gz --- /b.gz").unwrap();
        assert_eq!(config.kernel, "esx/b.b00");
        assert_eq!(config.modules, ["esx/a.gz", "b.gz"]);
        assert_eq!(config.kickstart, KickstartAt::Nowhere);
    }

    #[test]
    fn a_kickstart_file_can_be_on_a_stick_or_nowhere() {
        assert_eq!(kickstart("runweasel ks=usb"), KickstartAt::Usb("KS.CFG".to_owned()));
        assert_eq!(kickstart("ks=usb:/A/B.CFG"), KickstartAt::Usb("A/B.CFG".to_owned()));
        assert_eq!(kickstart("ks=http://10.0.0.1/ks.cfg"), KickstartAt::Nowhere);
        assert_eq!(kickstart("ks=cdrom"), KickstartAt::Nowhere);
    }

    #[test]
    fn a_file_without_a_kernel_is_something_else() {
        assert_eq!(BootConfig::parse(b"default=0\n"), None);
        assert_eq!(BootConfig::parse(&[0xFF; 32]), None);
    }
}
