//! The commands pages may tell people to type: those of `shoal` with their flags, from its
//! generated help texts, and those of `shoal-controller` that the operator's page shows.

use std::collections::BTreeMap;

/// Every command with the text of its help.
#[derive(Debug, Default)]
pub(super) struct Commands {
    help: BTreeMap<String, String>,
    operate: String,
}

impl Commands {
    /// Reads the sections `### shoal …` of the command line's page.
    pub(super) fn read(command_line: &str, operate: &str) -> Self {
        let sections = command_line.split("\n### ").skip(1);
        let sections = sections.filter_map(|section| section.split_once('\n'));
        let help = sections.map(|(name, text)| (name.trim().to_owned(), text.to_owned()));
        Self { help: help.collect(), operate: operate.to_owned() }
    }

    /// What is wrong with a command as somebody would type it, if anything.
    pub(super) fn wrong(&self, typed: &str) -> Option<String> {
        let words: Vec<&str> = typed.split_whitespace().collect();
        match words.split_first() {
            Some((&"shoal-controller", rest)) => self.wrong_of_controller(rest),
            Some((_, rest)) => self.wrong_of_client(rest),
            None => None,
        }
    }

    /// The page says the whole command, or its verb alone where the program is clear.
    fn wrong_of_controller(&self, words: &[&str]) -> Option<String> {
        let part = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase());
        let verb = words.iter().take_while(part).copied().collect::<Vec<_>>().join(" ");
        let said = [format!("shoal-controller {verb}"), format!("`{verb}`")];
        let known = said.iter().any(|said| self.operate.contains(said));
        (!known).then(|| format!("`shoal-controller {verb}` is not in {}", super::OPERATE))
    }

    fn wrong_of_client(&self, words: &[&str]) -> Option<String> {
        let name = |depth: usize| {
            let verbs = words.iter().take(depth).copied();
            std::iter::once("shoal").chain(verbs).collect::<Vec<_>>().join(" ")
        };
        let depths = (1..=words.len()).rev();
        let found = depths.map(|depth| (depth, name(depth)));
        let Some((depth, name)) = found.into_iter().find(|it| self.help.contains_key(&it.1)) else {
            return Some(format!("there is no command `shoal {}`", words.join(" ")));
        };
        let has_verbs = self.help.keys().any(|other| other.starts_with(&format!("{name} ")));
        let next = words.get(depth).filter(|word| !word.starts_with('-'));
        if let (true, Some(verb)) = (has_verbs, next) {
            return Some(format!("`{name}` has no verb `{verb}`"));
        }
        let flags = words.iter().filter(|word| word.starts_with("--"));
        let mut flags = flags.map(|word| word.split('=').next().unwrap_or(word));
        let strange =
            flags.find(|flag| !self.has_flag(&name, flag) && !self.has_flag("shoal", flag));
        strange.map(|flag| format!("`{name}` has no flag {flag}"))
    }

    fn has_flag(&self, command: &str, flag: &str) -> bool {
        let help = self.help.get(command).map_or("", String::as_str);
        help.split(|c: char| !c.is_ascii_lowercase() && c != '-').any(|word| word == flag)
    }
}

/// The calls of our programs in a block of shell commands or a piece of inline code.
pub(super) fn typed(script: &str) -> Vec<&str> {
    let pieces = script.split(['\n', '|', ';', '(', ')', '`', '&']);
    pieces
        .map(|piece| piece.trim().trim_start_matches("$ ").trim_start_matches("sudo "))
        .map(|piece| piece.split(" #").next().unwrap_or(piece).trim())
        .filter(|piece| {
            let program = piece.split(' ').next();
            matches!(program, Some("shoal" | "shoal-controller")) && piece.contains(' ')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# cli\n\n### shoal\n\n--output <FORM>\n\n### shoal jobs\n\nverbs\n\n\
        ### shoal jobs list\n\n--stuck\n\n### shoal audit\n\n--since <WHEN>\n";

    #[test]
    fn commands_that_do_not_exist_are_found() {
        let commands = Commands::read(PAGE, "shoal-controller db check");
        for wrong in [
            "shoal job list",
            "shoal jobs lits",
            "shoal jobs list --stuk",
            "shoal jobs list --stu",
            "shoal audit --until now",
            "shoal-controller db mend",
        ] {
            assert!(commands.wrong(wrong).is_some(), "{wrong}");
        }
        for right in [
            "shoal jobs list --stuck",
            "shoal audit --since=24h --output json",
            "shoal audit --since 24h",
            "shoal-controller db check --config /etc/shoal/shoal.toml",
        ] {
            assert_eq!(commands.wrong(right), None, "{right}");
        }
    }

    #[test]
    fn calls_are_found_among_pipes_and_substitutions() {
        let script =
            "X=$(shoal jobs list | awk '{}')\nsystemctl status shoal.service\nshoal audit # who\n";
        assert_eq!(typed(script), ["shoal jobs list", "shoal audit"]);
    }
}
