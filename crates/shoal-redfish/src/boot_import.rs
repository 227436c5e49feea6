//! Where `Cd` means a physical drive, the virtual one is chosen by a vendor's own configuration: older
//! iDRACs import it as a job (before 4.40.10, and on AMD before 6.00; facts gathered from ironic's
//! Redfish driver notes and dell/iDRAC-Redfish-Scripting issue 90). The override is set before it all
//! the same, because versions differ in which drive it means; what is imported last, counts. A job is
//! asked for again only after a look, and what it set is read back wherever the BMC shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    bmc::Bmc,
    call::Change,
    error::Error,
    kind::Kind,
    patience::Patience,
    power::{pause_of, worth_waiting},
    transcript::Op,
    wire::Method,
};

/// How long what a finished job has set may take to show.
const SETTLE: Duration = Duration::from_secs(15);
/// The component that the attributes below belong to is the manager, by its id.
const ONCE: &str = "ServerBoot.1#BootOnce";
const FIRST: &str = "ServerBoot.1#FirstBootDevice";

/// Where a configuration is imported and where its effect is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootImport {
    action: String,
    component: String,
    attributes: String,
}

/// What the host boots from first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstDevice {
    /// The virtual CD, for one boot.
    VirtualCdOnce,
    /// What the host's own order says.
    Normal,
}

impl FirstDevice {
    fn once(self) -> &'static str {
        match self {
            Self::VirtualCdOnce => "Enabled",
            Self::Normal => "Disabled",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::VirtualCdOnce => "VCD-DVD",
            Self::Normal => "Normal",
        }
    }

    /// A device that is not used once does not matter when it is the normal one.
    fn is_shown(self, attributes: &Value) -> Option<bool> {
        // Redfish has dots where the imported document has a hash.
        let text = |name: &str| attributes.get(name.replace('#', ".")).and_then(Value::as_str);
        let first = text(FIRST)?;
        let once = self == Self::Normal || text(ONCE) == Some(self.once());
        Some(first == self.name() && once)
    }
}

impl BootImport {
    /// What a manager offers, if it does.
    pub(crate) fn of(manager: &Value, path: &str) -> Option<Self> {
        let actions = manager.pointer("/Actions/Oem")?.as_object()?;
        let mut imports = actions
            .iter()
            .filter(|(name, _)| name.ends_with("OemManager.ImportSystemConfiguration"));
        let action = imports.find_map(|(_, action)| action.get("target")?.as_str())?;
        let component = path.rsplit('/').next().filter(|id| is_plain(id))?;
        let listed = manager.pointer("/Links/Oem/Dell/DellAttributes").and_then(Value::as_array);
        let mut links =
            listed.into_iter().flatten().filter_map(|link| link.get("@odata.id")?.as_str());
        let attributes = links.find(|link| link.rsplit('/').next() == Some(component));
        Some(Self {
            action: action.starts_with('/').then(|| action.to_owned())?,
            component: component.to_owned(),
            attributes: attributes.map_or_else(|| format!("{path}/Attributes"), str::to_owned),
        })
    }

    fn body(&self, wanted: FirstDevice) -> Value {
        let attribute =
            |name: &str, value: &str| format!("<Attribute Name=\"{name}\">{value}</Attribute>");
        // A job fails over white space between the elements.
        let document = [
            "<SystemConfiguration>".to_owned(),
            format!("<Component FQDD=\"{}\">", self.component),
            attribute(ONCE, wanted.once()),
            attribute(FIRST, wanted.name()),
            "</Component></SystemConfiguration>".to_owned(),
        ];
        json!({"ShareParameters": {"Target": "ALL"}, "ImportBuffer": document.concat()})
    }
}

/// Without anything that means something in XML.
fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

impl Bmc {
    /// Chooses the first boot device unless it is shown already, and reads it back. Idempotent.
    pub(crate) async fn import_first_device(
        &self,
        import: &BootImport,
        wanted: FirstDevice,
    ) -> Result<(), Error> {
        let options = &self.inner.options;
        let mut patience =
            Patience::new(options.busy_timeout, options.poll_first, options.poll_most);
        let body = import.body(wanted);
        let change = Change {
            op: Op::BootOverride,
            method: Method::Post,
            path: &import.action,
            body: Some(&body),
            timeout: options.request_timeout,
        };
        let mut failed: Option<Error> = None;
        loop {
            if self.shows_first_device(import, wanted).await? == Some(true) {
                return Ok(());
            }
            if let Some(error) = failed.take() {
                self.sent_again(change.op, &error);
            }
            match self.change(&change, None).await {
                Ok(_) => return self.await_first_device(import, wanted).await,
                // Another job may be running, and two of these do no more than one.
                Err(error) if worth_waiting(&error) => {
                    if !patience.pause(pause_of(&error)).await {
                        return Err(error);
                    }
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn await_first_device(
        &self,
        import: &BootImport,
        wanted: FirstDevice,
    ) -> Result<(), Error> {
        let options = &self.inner.options;
        let limit = SETTLE.min(options.power_timeout);
        let mut patience = Patience::new(limit, options.poll_first, options.poll_most);
        // Where nothing is shown, the job that ended well is all there is.
        while self.shows_first_device(import, wanted).await? == Some(false) {
            if !patience.pause(None).await {
                let kind = Kind::VerifyFailed {
                    expected: format!("first boot device {}", wanted.name()),
                    seen: "another one".to_owned(),
                };
                return Err(Error::new(kind).at("GET", &import.attributes));
            }
        }
        Ok(())
    }

    async fn shows_first_device(
        &self,
        import: &BootImport,
        wanted: FirstDevice,
    ) -> Result<Option<bool>, Error> {
        let seen = self.observe_if_there(Op::BootOverride, &import.attributes).await?;
        Ok(seen.and_then(|seen| wanted.is_shown(seen.body.get("Attributes")?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager() -> Value {
        json!({"Actions": {"Oem": {
            "#OemManager.v1_0_0.OemManager#OemManager.ExportSystemConfiguration": {"target": "/m/export"},
            "#OemManager.v1_0_0.OemManager#OemManager.ImportSystemConfiguration": {"target": "/m/import"},
        }}})
    }

    #[test]
    fn the_import_is_found_by_its_action_whatever_its_version() {
        let import = BootImport::of(&manager(), "/redfish/v1/Managers/iDRAC.Embedded.1").unwrap();
        assert_eq!(
            (import.action.as_str(), import.component.as_str(), import.attributes.as_str()),
            ("/m/import", "iDRAC.Embedded.1", "/redfish/v1/Managers/iDRAC.Embedded.1/Attributes")
        );
        assert_eq!(BootImport::of(&json!({"Actions": {"Oem": []}}), "/m/1"), None);
        assert_eq!(BootImport::of(&manager(), "/m/<x>"), None);
    }

    #[test]
    fn the_document_has_no_white_space_between_its_elements() {
        let import = BootImport::of(&manager(), "/m/BMC").unwrap();
        assert_eq!(
            import.body(FirstDevice::VirtualCdOnce)["ImportBuffer"],
            "<SystemConfiguration><Component FQDD=\"BMC\">\
             <Attribute Name=\"ServerBoot.1#BootOnce\">Enabled</Attribute>\
             <Attribute Name=\"ServerBoot.1#FirstBootDevice\">VCD-DVD</Attribute>\
             </Component></SystemConfiguration>"
        );
    }

    #[test]
    fn what_is_shown_counts_only_when_it_is_told() {
        let shown =
            json!({"ServerBoot.1.BootOnce": "Disabled", "ServerBoot.1.FirstBootDevice": "VCD-DVD"});
        assert_eq!(FirstDevice::VirtualCdOnce.is_shown(&shown), Some(false));
        assert_eq!(FirstDevice::Normal.is_shown(&shown), Some(false));
        assert_eq!(FirstDevice::Normal.is_shown(&json!({})), None);
    }
}
