//! The managers of a system: who speaks for the BMC, where its virtual media live, and what its
//! firmware is. Systems name their managers wrongly or not at all, so the service's own list counts
//! where they do.

use std::{cell::RefCell, sync::Arc};

use serde_json::Value;

use crate::{
    bmc::Bmc,
    boot_import::BootImport,
    error::Error,
    node::{Node, same_path},
    service::{MEMBERS, natural},
    transcript::Op,
    view::SystemView,
};

/// A manager as it was found.
pub(crate) struct Manager {
    pub(crate) path: String,
    pub(crate) model: Option<String>,
    pub(crate) firmware: Option<String>,
    pub(crate) virtual_media: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) boot_import: Option<BootImport>,
    /// All that it showed.
    pub(crate) body: Arc<Value>,
}

impl Bmc {
    /// The managers of a system, the one that speaks for the BMC first.
    pub(crate) async fn managers(
        &self,
        system: &SystemView,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Manager>, Error> {
        let mut managers = Vec::new();
        for path in system.managed_by.iter().take(MEMBERS) {
            managers.extend(self.manager(path, notes).await?);
        }
        let has_media = |managers: &[Manager]| {
            managers.iter().any(|manager: &Manager| manager.virtual_media.is_some())
        };
        if managers.is_empty() || (system.virtual_media.is_none() && !has_media(&managers)) {
            // The system names no manager, or another one than the one that has its media.
            for path in self.manager_paths().await? {
                if managers.iter().all(|known: &Manager| !same_path(&known.path, &path)) {
                    managers.extend(self.manager(&path, notes).await?);
                }
            }
        }
        // The manager that has virtual media speaks for the BMC.
        managers.sort_by_key(|manager| manager.virtual_media.is_none());
        Ok(managers)
    }

    /// The managers the service lists.
    async fn manager_paths(&self) -> Result<Vec<String>, Error> {
        let collection = self.rooted("Managers");
        let Some(seen) = self.observe_if_there(Op::Discover, &collection).await? else {
            return Ok(Vec::new());
        };
        let inner = RefCell::default();
        let mut paths = Node::new(&seen.body, &collection, &inner).links("Members");
        paths.sort_by_key(|path| natural(path));
        paths.truncate(MEMBERS);
        Ok(paths)
    }

    async fn manager(&self, path: &str, notes: &mut Vec<String>) -> Result<Option<Manager>, Error> {
        let Some(seen) = self.observe_if_there(Op::Discover, path).await? else { return Ok(None) };
        let inner = RefCell::default();
        let node = Node::new(&seen.body, path, &inner);
        let manager = Manager {
            model: node.owned("Model"),
            firmware: node.owned("FirmwareVersion"),
            virtual_media: node.link("VirtualMedia"),
            time: node.owned("DateTime"),
            boot_import: BootImport::of(&seen.body, path),
            path: path.to_owned(),
            body: Arc::clone(&seen.body),
        };
        notes.append(&mut inner.into_inner());
        Ok(Some(manager))
    }

    /// A collection as the service root links it; some forget to until the BMC was reset.
    pub(crate) fn rooted(&self, name: &str) -> String {
        let known = self.known();
        let inner = RefCell::default();
        let linked = Node::new(&known.root, "/redfish/v1", &inner).link(name);
        linked.unwrap_or_else(|| format!("/redfish/v1/{name}"))
    }
}
