//! Who may use a BMC: its accounts, and what the predefined roles allow.

use std::collections::BTreeMap;

use crate::config::Secret;

/// The predefined roles and their privileges.
pub(crate) const ROLES: [(&str, &[&str]); 3] = [
    (
        "Administrator",
        &["Login", "ConfigureManager", "ConfigureUsers", "ConfigureComponents", "ConfigureSelf"],
    ),
    ("Operator", &["Login", "ConfigureComponents", "ConfigureSelf"]),
    ("ReadOnly", &["Login", "ConfigureSelf"]),
];

/// Number of the account that a machine is made with; it cannot be removed.
pub(crate) const FIRST: u64 = 1;

/// As many accounts as there can be.
const MOST: usize = 16;

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// Position among the roles.
    pub(crate) role: usize,
    /// Whether it can be used.
    pub(crate) enabled: bool,
}

/// The accounts of a BMC by number.
#[derive(Debug)]
pub(crate) struct Accounts {
    known: BTreeMap<u64, Account>,
    last: u64,
    /// Wrong credentials since the last right ones.
    refused: u32,
}

impl Accounts {
    /// One administrator.
    pub(crate) fn new(user: String, password: Secret) -> Self {
        let first = Account { user, password, role: 0, enabled: true };
        Self { known: BTreeMap::from([(FIRST, first)]), last: FIRST, refused: 0 }
    }

    /// The account these credentials belong to. After so many wrong ones in a row none are taken any
    /// more, unless the number is 0.
    pub(crate) fn admit(&mut self, user: &str, password: &str, locks_after: u32) -> Option<u64> {
        let locked = locks_after > 0 && self.refused >= locks_after;
        let mut usable = self.known.iter().filter(|(_, account)| account.enabled && !locked);
        let found = usable.find(|(_, it)| it.user == user && it.password.is(password));
        let id = found.map(|(id, _)| *id);
        self.refused = if id.is_some() { 0 } else { self.refused.saturating_add(1) };
        id
    }

    /// Whether the account is there, can be used, and has a role with this privilege.
    pub(crate) fn may(&self, id: u64, privilege: &str) -> bool {
        let usable = self.known.get(&id).filter(|account| account.enabled);
        let role = usable.and_then(|account| ROLES.get(account.role));
        role.is_some_and(|(_, privileges)| privileges.contains(&privilege))
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Account> {
        self.known.get(&id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> {
        self.known.keys().copied()
    }

    /// Whether an account other than this one has the name.
    pub(crate) fn is_taken(&self, user: &str, id: Option<u64>) -> bool {
        self.known.iter().any(|(other, account)| account.user == user && Some(*other) != id)
    }

    /// Adds an account; `None` when as many as possible are there.
    pub(crate) fn add(&mut self, account: Account) -> Option<u64> {
        if self.known.len() >= MOST {
            return None;
        }
        self.last += 1;
        self.known.insert(self.last, account);
        Some(self.last)
    }

    /// Replaces an account that is there.
    pub(crate) fn replace(&mut self, id: u64, account: Account) {
        self.known.entry(id).and_modify(|known| *known = account);
    }

    /// Removes an account; false when there is none of that number, or when it is the first.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        id != FIRST && self.known.remove(&id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_decides_what_an_account_may_while_it_is_enabled() {
        let mut accounts = Accounts::new("root".to_owned(), Secret::new("a"));
        let guest = |enabled| Account {
            user: "guest".to_owned(),
            password: Secret::new("b"),
            role: 2,
            enabled,
        };
        let id = accounts.add(guest(true)).unwrap();
        assert_eq!(accounts.admit("guest", "b", 0), Some(id));
        assert_eq!(accounts.admit("guest", "a", 0), None);
        assert!(accounts.may(id, "Login") && !accounts.may(id, "ConfigureComponents"));
        accounts.replace(id, guest(false));
        assert!(accounts.admit("guest", "b", 0).is_none() && !accounts.may(id, "Login"));
    }

    #[test]
    fn the_first_account_stays_and_numbers_are_not_used_again() {
        let mut accounts = Accounts::new("root".to_owned(), Secret::new("a"));
        let account = accounts.get(FIRST).unwrap().clone();
        let second = accounts.add(account.clone()).unwrap();
        assert!(accounts.remove(second) && !accounts.remove(second));
        assert!(!accounts.remove(FIRST));
        assert!(accounts.add(account).unwrap() > second);
    }
}
