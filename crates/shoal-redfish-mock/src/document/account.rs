//! The documents of accounts and roles.

use serde_json::{Value, json};

use super::identified;
use crate::{
    Persona,
    account::{Account, ROLES},
    target::Target,
};

/// The document of an account, which a change is checked against and answered with.
pub(crate) fn account(persona: &Persona, id: u64, account: &Account) -> Value {
    let role = ROLES.get(account.role).map(|(name, _)| *name);
    let document = json!({
        "@odata.type": "#ManagerAccount.v1_6_0.ManagerAccount",
        "Id": id.to_string(), "Name": "User Account", "UserName": account.user, "Password": null,
        "Enabled": account.enabled, "Locked": false, "RoleId": role,
        "AccountTypes": ["Redfish"],
        "Links": {"Role": {"@odata.id": Target::Role(account.role).path(persona)}},
    });
    identified(persona, Target::Account(id), document)
}

pub(super) fn role(index: usize) -> Option<Value> {
    let (name, privileges) = ROLES.get(index)?;
    Some(json!({
        "@odata.type": "#Role.v1_3_0.Role",
        "Id": name, "Name": name, "RoleId": name, "IsPredefined": true,
        "AssignedPrivileges": privileges,
    }))
}
