//! Who sends a request, whether he may, and changes of accounts.

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};

use super::{Ask, Bmc};
use crate::{
    Secret,
    account::{Account, ROLES},
    document,
    journal::Effect,
    reply::Reply,
    session::Offer,
    target::Target,
};

impl Bmc {
    /// The account a request comes from.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<u64, Reply> {
        let id = match Offer::of(headers) {
            Offer::Token(token) => {
                self.sessions().admit(&token, &self.persona.sessions, self.clock.now())
            }
            Offer::Basic { user, password } => self.account_of(&user, password.expose()),
            Offer::Nothing => None,
        };
        id.filter(|id| self.accounts().may(*id, "Login")).ok_or_else(Reply::unauthorized)
    }

    /// The account of these credentials.
    pub(super) fn account_of(&self, user: &str, password: &str) -> Option<u64> {
        self.accounts().admit(user, password, self.persona.sessions.locks_after)
    }

    /// Refuses what the caller's role does not allow.
    pub(super) fn check_privilege(
        &self,
        caller: u64,
        target: Target,
        method: &Method,
    ) -> Result<(), Reply> {
        let own = |id| self.sessions().account(id) == Some(caller);
        let privilege = match target {
            _ if *method == Method::GET || *method == Method::HEAD => "Login",
            Target::Session(id) if own(id) => "ConfigureSelf",
            Target::Session(_) => "ConfigureManager",
            Target::Account(id) if id == caller && *method == Method::PATCH => "ConfigureSelf",
            Target::Accounts | Target::Account(_) => "ConfigureUsers",
            _ => "ConfigureComponents",
        };
        if self.accounts().may(caller, privilege) { Ok(()) } else { Err(Reply::forbidden()) }
    }

    pub(super) fn create_account(&self, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        let body = ask.object()?;
        if let Some(missing) =
            ["UserName", "Password", "RoleId"].iter().find(|name| !body.contains_key(**name))
        {
            return Err(Reply::missing(missing));
        }
        let blank = Account {
            user: String::new(),
            password: Secret::new(""),
            role: ROLES.len(),
            enabled: true,
        };
        let account = changed(blank, body)?;
        let mut accounts = self.accounts();
        if accounts.is_taken(&account.user, None) {
            return Err(Reply::exists("UserName"));
        }
        let id = accounts.add(account.clone()).ok_or_else(Reply::full)?;
        self.journal.changed(seq, Effect::AccountChanged { id });
        let target = Target::Account(id);
        let document = document::account(&self.persona, id, &account);
        Ok(Reply::json(StatusCode::CREATED, &document)
            .with(header::LOCATION, target.path(&self.persona)))
    }

    pub(super) fn patch_account(
        &self,
        id: u64,
        caller: Option<u64>,
        ask: &Ask,
        seq: u64,
    ) -> Result<Reply, Reply> {
        let body = ask.object()?;
        // Held from the look at the tag to the change: of two writers with one tag, one loses.
        let mut accounts = self.accounts();
        let account = accounts.get(id).ok_or_else(Reply::not_found)?.clone();
        let now = document::account(&self.persona, id, &account);
        self.check_tag(Target::Account(id), ask, || Some(now))?;
        let own = body.keys().all(|name| name == "Password" || name.starts_with('@'));
        if !own && !caller.is_some_and(|caller| accounts.may(caller, "ConfigureUsers")) {
            return Err(Reply::forbidden());
        }
        if body.keys().all(|name| name.starts_with('@')) {
            return Err(Reply::no_operation());
        }
        let account = changed(account, body)?;
        if accounts.is_taken(&account.user, Some(id)) {
            return Err(Reply::exists("UserName"));
        }
        accounts.replace(id, account.clone());
        self.journal.changed(seq, Effect::AccountChanged { id });
        Ok(Reply::json(StatusCode::OK, &document::account(&self.persona, id, &account)))
    }

    pub(super) fn delete_account(&self, id: u64, seq: u64) -> Result<Reply, Reply> {
        if !self.accounts().remove(id) {
            return Err(Reply::not_found());
        }
        self.sessions().close_of(id);
        self.journal.changed(seq, Effect::AccountChanged { id });
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }
}

/// An account after a change; annotations are passed over, anything that is not known is refused.
fn changed(mut account: Account, body: &Map<String, Value>) -> Result<Account, Reply> {
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        let text = || value.as_str().filter(|text| !text.is_empty());
        let bad = || Reply::bad_value(name);
        match name.as_str() {
            "UserName" => text().ok_or_else(bad)?.clone_into(&mut account.user),
            "Password" => account.password = Secret::new(text().ok_or_else(bad)?),
            "RoleId" => {
                let known = |role: &str| ROLES.iter().position(|(known, _)| *known == role);
                account.role = text().and_then(known).ok_or_else(bad)?;
            }
            "Enabled" => account.enabled = value.as_bool().ok_or_else(bad)?,
            _ => return Err(Reply::unknown_property(name)),
        }
    }
    Ok(account)
}
