//! The file of accounts: `name:hash[:role]`, one a line, as `htpasswd -B` writes it with a role behind.
//! One bad line refuses the whole file, because an account that is silently left out is found out
//! when somebody needs it.

use std::{fs, io, path::Path};

use shoal_api::{PasswordHash, User};
use shoal_store::Role;
use zeroize::Zeroizing;

/// Longer files are no list of accounts.
const MAX_BYTES: u64 = 1024 * 1024;

/// Longest name of an account, in bytes.
const MAX_NAME: usize = 128;

/// Why a file of accounts is refused. Never repeats what a line says but for a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUsers {
    /// It cannot be read.
    #[error("read it")]
    Read(#[from] io::Error),
    /// It is far too long.
    #[error("hold it in {MAX_BYTES} bytes")]
    TooLong,
    /// A line is no account.
    #[error("understand line {line}: {problem}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// Every account of the file.
pub(super) fn read(path: &Path) -> Result<Vec<User>, InvalidUsers> {
    let mut text = Zeroizing::new(String::new());
    let file = fs::File::open(path)?;
    io::Read::read_to_string(&mut io::Read::take(file, MAX_BYTES + 1), &mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(InvalidUsers::TooLong);
    }
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<User>, InvalidUsers> {
    let mut users: Vec<User> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let user = account(line)
            .map_err(|problem| InvalidUsers::Line { line: number, problem: problem.to_owned() })?;
        if users.iter().any(|known| known.name == user.name) {
            let problem = format!("{:?} is on an earlier line too", user.name);
            return Err(InvalidUsers::Line { line: number, problem });
        }
        users.push(user);
    }
    Ok(users)
}

fn account(line: &str) -> Result<User, &'static str> {
    let mut parts = line.split(':');
    let name = parts.next().unwrap_or_default();
    let hash = parts.next().ok_or("expected name:hash or name:hash:role")?;
    let role = parts.next();
    if parts.next().is_some() {
        return Err("expected name:hash or name:hash:role, found more colons");
    }
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err("expected a name of 1 to 128 bytes without control characters");
    }
    let password: PasswordHash =
        hash.parse().map_err(|_| "expected an argon2id or bcrypt hash behind the name")?;
    let role = match role {
        None => Role::Reader,
        Some(word) => Role::ALL
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or("expected reader, operator or admin behind the hash")?,
    };
    Ok(User { name: name.to_owned(), password, role })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
    const ARGON2ID: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn accounts_of_both_kinds_and_every_role_are_read() {
        let text = format!(
            "# who may call\n\nrita:{BCRYPT}\nolga:{ARGON2ID}:operator\r\nanna:{BCRYPT}:admin\n"
        );

        let users = parse(&text).unwrap();

        let told: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.role)).collect();
        let expected = [("rita", Role::Reader), ("olga", Role::Operator), ("anna", Role::Admin)];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_bad_line_is_named_and_not_repeated() {
        for (line, problem) in [
            ("rita", "expected name:hash"),
            ("rita:hunter2", "expected an argon2id or bcrypt hash"),
            (&format!(":{BCRYPT}"), "expected a name"),
            (&format!("rita:{BCRYPT}:root"), "expected reader"),
            (&format!("rita:{BCRYPT}:"), "expected reader"),
            (&format!("rita:{BCRYPT}:admin:x"), "more colons"),
            (&format!("olga:{BCRYPT}"), "earlier line"),
            (&format!("{}:{BCRYPT}", "r".repeat(129)), "expected a name"),
        ] {
            let told = parse(&format!("olga:{ARGON2ID}\n{line}\n")).unwrap_err().to_string();
            assert!(told.contains("line 2") && told.contains(problem), "{line}: {told}");
            assert!(!told.contains("hunter2") && !told.contains("$2y$"), "{told}");
        }
    }
}
