//! `KS.CFG` as an ESXi installer reads it: only the commands before the first script count.

/// What an installer does when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtEnd {
    Restart,
    PowerOff,
    /// It shows its last screen.
    Wait,
}

/// What the file tells the installer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kickstart {
    pub(super) at_end: AtEnd,
}

impl Kickstart {
    /// Reads the file, or says what the installer would complain about.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(text);
        let commands: Vec<&str> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with('%'))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let has = |names: &[&str]| commands.iter().any(|command| names.contains(command));
        if !has(&["vmaccepteula", "accepteula"]) {
            return Err("the kickstart file does not accept the licence".to_owned());
        }
        if !has(&["install", "installorupgrade", "upgrade"]) {
            return Err("the kickstart file has no install command".to_owned());
        }
        let at_end = if has(&["poweroff", "halt"]) {
            AtEnd::PowerOff
        } else if has(&["reboot"]) {
            AtEnd::Restart
        } else {
            AtEnd::Wait
        };
        Ok(Self { at_end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "vmaccepteula\r\ninstall --firstdisk --overwritevmfs\r\n";

    #[test]
    fn the_end_is_taken_from_the_commands() {
        for (last, at_end) in [
            ("reboot", AtEnd::Restart),
            ("  reboot --noeject", AtEnd::Restart),
            ("poweroff", AtEnd::PowerOff),
            ("halt", AtEnd::PowerOff),
            ("", AtEnd::Wait),
            ("# reboot", AtEnd::Wait),
            ("%firstboot --interpreter=busybox\nreboot", AtEnd::Wait),
        ] {
            let text = format!("{START}{last}\n");
            assert_eq!(Kickstart::parse(text.as_bytes()), Ok(Kickstart { at_end }), "{last}");
        }
    }

    #[test]
    fn what_an_installer_needs_must_be_there() {
        assert!(
            Kickstart::parse(b"install --firstdisk\nreboot\n").unwrap_err().contains("licence")
        );
        assert!(Kickstart::parse(b"vmaccepteula\nreboot\n").unwrap_err().contains("install"));
        assert!(Kickstart::parse(b"").is_err());
    }
}
