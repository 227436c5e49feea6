//! Which resource or action a path means. All paths of the service are decided here and printed
//! by the same type, so that no two places can disagree about them.

use crate::{
    EffectKind, Persona,
    account::{FIRST, ROLES},
    persona::{ResetTypesIn, Under},
};

/// What a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Versions,
    Root,
    OData,
    Metadata,
    SessionService,
    Sessions,
    Session(u64),
    AccountService,
    Accounts,
    Account(u64),
    Roles,
    Role(usize),
    Systems,
    System,
    OtherSystem,
    Settings,
    ResetInfo,
    Managers,
    Manager,
    OtherManager,
    Import,
    EnableMedia,
    Attributes,
    ChassisAll,
    Chassis,
    Slots(Under),
    Slot(Under, usize),
    Reset,
    Insert(Under, usize),
    InsertInfo(Under, usize),
    Eject(Under, usize),
    TaskService,
    Tasks,
    Task(usize),
}

/// The action of a manager that switches remote media on.
pub(crate) const ENABLE_MEDIA: &str = "AMIVirtualMedia.EnableRMedia";

const READ: &str = "GET, HEAD";
const READ_PATCH: &str = "GET, HEAD, PATCH";

impl Target {
    /// The meaning of a path without query; a trailing slash does not matter.
    pub(crate) fn find(persona: &Persona, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match segments.as_slice() {
            ["redfish"] => Some(Self::Versions),
            ["redfish", "v1"] => Some(Self::Root),
            ["redfish", "v1", "odata"] => Some(Self::OData),
            ["redfish", "v1", "$metadata"] => Some(Self::Metadata),
            ["redfish", "v1", "SessionService", rest @ ..] if persona.sessions.supported => {
                Self::session(rest)
            }
            ["redfish", "v1", "AccountService", rest @ ..] => Self::account(rest),
            ["redfish", "v1", "TaskService", rest @ ..] if persona.has_tasks() => Self::task(rest),
            ["redfish", "v1", "Systems"] => Some(Self::Systems),
            ["redfish", "v1", "Systems", id, rest @ ..] if *id == persona.system.id => {
                Self::system(persona, rest)
            }
            ["redfish", "v1", "Systems", id]
                if is_named(persona.oddities.other_system.as_ref(), id) =>
            {
                Some(Self::OtherSystem)
            }
            ["redfish", "v1", "Managers", id]
                if is_named(persona.oddities.other_manager.as_ref(), id) =>
            {
                Some(Self::OtherManager)
            }
            ["redfish", "v1", "Managers"] => Some(Self::Managers),
            ["redfish", "v1", "Managers", id, rest @ ..] if *id == persona.manager.id => match rest
            {
                [] => Some(Self::Manager),
                ["Actions", "Oem", name] if *name == ENABLE_MEDIA => {
                    persona.media.delivered_off.as_ref().map(|_| Self::EnableMedia)
                }
                ["Actions", "Oem", name] => {
                    let import = persona.boot.import.as_ref();
                    import.filter(|import| import.action == *name).map(|_| Self::Import)
                }
                ["Attributes"] if persona.boot.import.is_some() => Some(Self::Attributes),
                ["VirtualMedia", rest @ ..] => Self::media(persona, Under::Manager, rest),
                _ => None,
            },
            ["redfish", "v1", "Chassis"] => Some(Self::ChassisAll),
            ["redfish", "v1", "Chassis", id] if *id == persona.chassis.id => Some(Self::Chassis),
            _ => None,
        }
    }

    fn session(rest: &[&str]) -> Option<Self> {
        match rest {
            [] => Some(Self::SessionService),
            // A collection may also be posted to by its member list.
            ["Sessions"] | ["Sessions", "Members"] => Some(Self::Sessions),
            ["Sessions", id] => id.parse().ok().map(Self::Session),
            _ => None,
        }
    }

    fn task(rest: &[&str]) -> Option<Self> {
        match rest {
            [] => Some(Self::TaskService),
            ["Tasks"] => Some(Self::Tasks),
            ["Tasks", id] => id.parse().ok().map(Self::Task),
            _ => None,
        }
    }

    fn account(rest: &[&str]) -> Option<Self> {
        match rest {
            [] => Some(Self::AccountService),
            ["Accounts"] => Some(Self::Accounts),
            ["Accounts", id] => id.parse().ok().map(Self::Account),
            ["Roles"] => Some(Self::Roles),
            ["Roles", id] => ROLES.iter().position(|(name, _)| name == id).map(Self::Role),
            _ => None,
        }
    }

    fn system(persona: &Persona, rest: &[&str]) -> Option<Self> {
        match rest {
            [] => Some(Self::System),
            ["Actions", "ComputerSystem.Reset"] => Some(Self::Reset),
            ["ResetActionInfo"] if persona.power.reset_types_in != ResetTypesIn::Inline => {
                Some(Self::ResetInfo)
            }
            [id] if persona.boot.settings.as_ref().is_some_and(|settings| settings.id == *id) => {
                Some(Self::Settings)
            }
            ["VirtualMedia", rest @ ..] => Self::media(persona, Under::System, rest),
            _ => None,
        }
    }

    fn media(persona: &Persona, under: Under, rest: &[&str]) -> Option<Self> {
        if !persona.slots.iter().any(|slot| slot.under.contains(&under)) {
            return None;
        }
        let index = |id: &str| {
            let listed = |index: &usize| {
                persona.slots.get(*index).is_some_and(|slot| slot.under.contains(&under))
            };
            persona.slot(id).filter(listed)
        };
        match rest {
            [] => Some(Self::Slots(under)),
            [id] => index(id).map(|index| Self::Slot(under, index)),
            [id, rest @ ..] => {
                let index = index(id)?;
                let actions = persona.slot_has_actions(index);
                match rest {
                    ["Actions", "VirtualMedia.InsertMedia"] if actions => {
                        Some(Self::Insert(under, index))
                    }
                    ["InsertMediaActionInfo"] if actions && persona.media.action_info => {
                        Some(Self::InsertInfo(under, index))
                    }
                    ["Actions", "VirtualMedia.EjectMedia"] if actions => {
                        Some(Self::Eject(under, index))
                    }
                    _ => None,
                }
            }
        }
    }

    /// The path that leads here.
    pub(crate) fn path(self, persona: &Persona) -> String {
        let system = || format!("/redfish/v1/Systems/{}", persona.system.id);
        let slots = |under| match under {
            Under::System => format!("{}/VirtualMedia", system()),
            Under::Manager => format!("/redfish/v1/Managers/{}/VirtualMedia", persona.manager.id),
        };
        let slot = |under, index: usize| {
            let id = persona.slots.get(index).map(|slot| slot.id.as_str()).unwrap_or_default();
            format!("{}/{id}", slots(under))
        };
        match self {
            Self::Versions => "/redfish".to_owned(),
            Self::Root => "/redfish/v1".to_owned(),
            Self::OData => "/redfish/v1/odata".to_owned(),
            Self::Metadata => "/redfish/v1/$metadata".to_owned(),
            Self::SessionService => "/redfish/v1/SessionService".to_owned(),
            Self::Sessions => "/redfish/v1/SessionService/Sessions".to_owned(),
            Self::Session(id) => format!("/redfish/v1/SessionService/Sessions/{id}"),
            Self::AccountService => "/redfish/v1/AccountService".to_owned(),
            Self::Accounts => "/redfish/v1/AccountService/Accounts".to_owned(),
            Self::Account(id) => format!("/redfish/v1/AccountService/Accounts/{id}"),
            Self::Roles => "/redfish/v1/AccountService/Roles".to_owned(),
            Self::Role(index) => {
                let name = ROLES.get(index).map(|(name, _)| *name).unwrap_or_default();
                format!("/redfish/v1/AccountService/Roles/{name}")
            }
            Self::Systems => "/redfish/v1/Systems".to_owned(),
            Self::System => system(),
            Self::OtherSystem => other("Systems", persona.oddities.other_system.as_ref()),
            Self::OtherManager => other("Managers", persona.oddities.other_manager.as_ref()),
            Self::Attributes => format!("/redfish/v1/Managers/{}/Attributes", persona.manager.id),
            Self::Import => {
                let import = persona.boot.import.as_ref();
                let action = import.map(|import| import.action.as_str()).unwrap_or_default();
                format!("/redfish/v1/Managers/{}/Actions/Oem/{action}", persona.manager.id)
            }
            Self::EnableMedia => {
                format!("/redfish/v1/Managers/{}/Actions/Oem/{ENABLE_MEDIA}", persona.manager.id)
            }
            Self::Settings => {
                let settings = persona.boot.settings.as_ref();
                let id = settings.map(|settings| settings.id.as_str()).unwrap_or_default();
                format!("{}/{id}", system())
            }
            Self::ResetInfo => format!("{}/ResetActionInfo", system()),
            Self::Managers => "/redfish/v1/Managers".to_owned(),
            Self::Manager => format!("/redfish/v1/Managers/{}", persona.manager.id),
            Self::ChassisAll => "/redfish/v1/Chassis".to_owned(),
            Self::Chassis => format!("/redfish/v1/Chassis/{}", persona.chassis.id),
            Self::Slots(under) => slots(under),
            Self::Slot(under, index) => slot(under, index),
            Self::Reset => format!("{}/Actions/ComputerSystem.Reset", system()),
            Self::Insert(under, index) => {
                format!("{}/Actions/VirtualMedia.InsertMedia", slot(under, index))
            }
            Self::InsertInfo(under, index) => {
                format!("{}/InsertMediaActionInfo", slot(under, index))
            }
            Self::Eject(under, index) => {
                format!("{}/Actions/VirtualMedia.EjectMedia", slot(under, index))
            }
            Self::TaskService => "/redfish/v1/TaskService".to_owned(),
            Self::Tasks => "/redfish/v1/TaskService/Tasks".to_owned(),
            Self::Task(id) => format!("/redfish/v1/TaskService/Tasks/{id}"),
        }
    }

    /// The methods it takes, as in an `Allow` header.
    pub(crate) fn allow(self, persona: &Persona) -> &'static str {
        match self {
            Self::Sessions | Self::Accounts => "GET, HEAD, POST",
            Self::Session(_) => "GET, HEAD, DELETE",
            Self::System | Self::Settings | Self::Account(FIRST) => READ_PATCH,
            Self::Account(_) => "GET, HEAD, PATCH, DELETE",
            Self::Slot(..) if persona.media.patch => READ_PATCH,
            Self::Reset | Self::Insert(..) | Self::Eject(..) | Self::Import | Self::EnableMedia => {
                "POST"
            }
            Self::Versions
            | Self::Root
            | Self::OData
            | Self::Metadata
            | Self::SessionService
            | Self::AccountService
            | Self::Roles
            | Self::Role(_)
            | Self::Systems
            | Self::OtherSystem
            | Self::ResetInfo
            | Self::Managers
            | Self::Manager
            | Self::OtherManager
            | Self::Attributes
            | Self::ChassisAll
            | Self::Chassis
            | Self::Slots(_)
            | Self::Slot(..)
            | Self::InsertInfo(..)
            | Self::TaskService
            | Self::Tasks
            | Self::Task(_) => READ,
        }
    }

    /// Whether it is served to anyone.
    pub(crate) fn is_public(self, method: &str) -> bool {
        match self {
            Self::Versions | Self::Root | Self::OData | Self::Metadata => true,
            Self::Sessions => method == "POST",
            _ => false,
        }
    }

    /// The change that a request asks for, judged by its words alone.
    pub(crate) fn intent(
        self,
        method: &str,
        body: Option<&serde_json::Value>,
    ) -> Option<EffectKind> {
        let field = |name: &str| body.and_then(|body| body.get(name));
        match (self, method) {
            (Self::Sessions, "POST") => Some(EffectKind::Login),
            (Self::Session(_), "DELETE") => Some(EffectKind::Logout),
            (Self::Accounts, "POST") | (Self::Account(_), "PATCH" | "DELETE") => {
                Some(EffectKind::AccountChanged)
            }
            (Self::Insert(..), "POST") => Some(EffectKind::Insert),
            (Self::Eject(..), "POST") => Some(EffectKind::Eject),
            (Self::Slot(..), "PATCH") => match field("Image")? {
                serde_json::Value::String(_) => Some(EffectKind::Insert),
                _ => Some(EffectKind::Eject),
            },
            (Self::EnableMedia, "POST") => Some(EffectKind::MediaEnabled),
            (Self::Reset, "POST") => match field("ResetType")?.as_str()? {
                "On" | "ForceOn" => Some(EffectKind::PowerOn),
                "ForceOff" => Some(EffectKind::PowerOff),
                "ForceRestart" | "PowerCycle" => Some(EffectKind::Restart),
                _ => Some(EffectKind::AskedGracefully),
            },
            (Self::Import, "POST") => {
                let buffer = field("ImportBuffer")?.as_str()?;
                let boots =
                    crate::bmc::imported(buffer, "ServerBoot.1#BootOnce") == Some("Enabled");
                Some(if boots { EffectKind::BootOnce } else { EffectKind::BootCleared })
            }
            (Self::System | Self::Settings, "PATCH") => {
                let boot = field("Boot")?;
                let says = |name: &str| boot.get(name).and_then(|value| value.as_str());
                match (says("BootSourceOverrideEnabled"), says("BootSourceOverrideTarget")) {
                    (Some("Disabled"), _) | (_, Some("None")) => Some(EffectKind::BootCleared),
                    (Some("Continuous"), _) => Some(EffectKind::BootAlways),
                    _ => Some(EffectKind::BootOnce),
                }
            }
            _ => None,
        }
    }
}

fn is_named(name: Option<&String>, id: &str) -> bool {
    name.is_some_and(|name| name == id)
}

fn other(collection: &str, id: Option<&String>) -> String {
    format!("/redfish/v1/{collection}/{}", id.map(String::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests;
