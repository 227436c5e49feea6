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
        if words.first() == Some(&"shoal-controller") {
            let verb: Vec<&str> = (words.iter().copied()).take_while(|word| plain(word)).collect();
            let verb = verb.join(" ");
            // Said whole, or by its verb alone where the program is clear.
            let alone = verb.strip_prefix("shoal-controller ").map(|verb| format!("`{verb}`"));
            let known = self.operate.contains(&verb)
                || alone.is_some_and(|alone| self.operate.contains(&alone));
            return (!known).then(|| format!("`{verb}` is not in {}", super::OPERATE));
        }
        let rest = words.get(1..).unwrap_or_default();
        let depth = (1..=rest.len()).rev().find(|depth| {
            let path = rest.iter().take(*depth).copied().collect::<Vec<_>>().join(" ");
            self.help.contains_key(&format!("shoal {path}"))
        });
        let Some(depth) = depth else { return Some(format!("there is no command `{typed}`")) };
        let path = rest.iter().take(depth).copied().collect::<Vec<_>>().join(" ");
        let name = format!("shoal {path}");
        let next = rest.get(depth).filter(|word| !word.starts_with('-'));
        let has_verbs = self.help.keys().any(|other| other.starts_with(&format!("{name} ")));
        if let (true, Some(verb)) = (has_verbs, next) {
            return Some(format!("`{name}` has no verb `{verb}`"));
        }
        let help = self.help.get(&name).map_or("", String::as_str);
        let root = self.help.get("shoal").map_or("", String::as_str);
        let flag = rest.iter().filter(|word| word.starts_with("--"));
        let mut flags = flag.map(|word| word.split('=').next().unwrap_or(word));
        let strange = flags.find(|flag| !help.contains(*flag) && !root.contains(*flag));
        strange.map(|flag| format!("`{name}` has no flag {flag}"))
    }
}

/// A word of a command, not a flag, a value or a placeholder.
fn plain(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with("--")
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
