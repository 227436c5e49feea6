//! Users with a password, and a memory of the logins that were right: every request of a session
//! carries the password again, and checking it is slow on purpose.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use ring::{hmac, rand::SystemRandom};
use shoal_store::{Caller, Role};

use super::{Login, password::PasswordHash};

/// Logins remembered as right.
const VERIFIED_MAX: usize = 1024;

/// One user of the configuration.
#[derive(Clone, Debug)]
pub struct User {
    /// The login name.
    pub name: String,
    /// How the password is recognised.
    pub password: PasswordHash,
    /// What the user may do.
    pub role: Role,
}

/// All users of one reading of the configuration. Replaced as a whole, memory included, so that a
/// withdrawn password is never right any more.
pub(super) struct Accounts {
    users: BTreeMap<String, User>,
    /// Keyed digests of right logins. The key lives as long as this value and nowhere else.
    verified: Mutex<BTreeMap<[u8; 32], Caller>>,
    key: Option<hmac::Key>,
}

impl Accounts {
    pub(super) fn new(users: Vec<User>) -> Self {
        let users = users.into_iter().map(|user| (user.name.clone(), user)).collect();
        // Without randomness nothing is remembered, and every login is checked in full.
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { users, verified: Mutex::new(BTreeMap::new()), key }
    }

    /// The caller, if this login was found right before.
    pub(super) fn verified(&self, login: &Login) -> Option<Caller> {
        let digest = self.digest(login)?;
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }

    /// The caller, if the login is right. Takes as long for an unknown name as for a wrong password.
    pub(super) fn verify(&self, login: &Login) -> Option<Caller> {
        let user = self.users.get(&login.name);
        let checked = user.or_else(|| self.users.values().next())?;
        if !checked.password.matches(&login.password) {
            return None;
        }
        let user = user?;
        let caller = Caller { name: user.name.clone(), role: user.role };
        if let Some(digest) = self.digest(login) {
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.insert(digest, caller.clone());
            if verified.len() > VERIFIED_MAX {
                // Digests are in no order a stranger could know, so this drops any one of them.
                verified.pop_first();
            }
        }
        Some(caller)
    }

    fn digest(&self, login: &Login) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        context.update(&(login.name.len() as u64).to_be_bytes());
        context.update(login.name.as_bytes());
        context.update(&login.password);
        context.sign().as_ref().try_into().ok()
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn login(name: &str, password: &str) -> Login {
        Login { name: name.to_owned(), password: Zeroizing::new(password.as_bytes().to_vec()) }
    }

    fn accounts() -> Accounts {
        let password = PasswordHash::of_test("right");
        Accounts::new(vec![User { name: "op".to_owned(), password, role: Role::Operator }])
    }

    #[test]
    fn a_right_login_is_remembered_and_a_wrong_one_is_not() {
        let accounts = accounts();
        assert!(accounts.verified(&login("op", "right")).is_none());
        assert_eq!(accounts.verify(&login("op", "right")).unwrap().name, "op");
        assert_eq!(accounts.verified(&login("op", "right")).unwrap().role, Role::Operator);
        assert!(accounts.verify(&login("op", "wrong")).is_none());
        assert!(accounts.verified(&login("op", "wrong")).is_none());
    }

    #[test]
    fn another_users_password_opens_no_unknown_name() {
        let accounts = accounts();
        assert!(accounts.verify(&login("nobody", "right")).is_none());
        assert!(accounts.verified(&login("nobody", "right")).is_none());
        // Name and password must not be able to trade characters.
        accounts.verify(&login("op", "right"));
        assert!(accounts.verified(&login("opr", "ight")).is_none());
    }
}
