//! Everything an attempt's bytes and addresses depend on, decided once.

use ring::digest;
use shoal_core::{JobId, Time};
use shoal_media::{Form, Grant, Keyring, Kind, ObjectId};
use shoal_recipe::Identity;
use shoal_redfish::{Plan, Scheme, SlotKind};
use shoal_store::{Frozen, KeyPurpose, MediaKind, Record, RegistryLogin, ServerRecord};

use super::{BuildError, Mediums};
use crate::boot_medium::BootMedia;

/// The registry that a recipe names, and what opens it.
#[derive(Default)]
struct Named {
    url: Option<String>,
    /// The key of the token for ours.
    key: Option<u8>,
    /// The login at one of others.
    login: Option<RegistryLogin>,
}

impl Mediums {
    /// Decides everything the attempt's bytes and addresses depend on.
    pub(super) async fn inputs(&self, record: &Record, plan: &Plan) -> Result<Frozen, BuildError> {
        let (job, attempt) = (record.job.id(), record.job.attempt());
        let serial = record.job.serial();
        let server = self
            .store
            .server(serial)
            .await?
            .ok_or_else(|| BuildError::Address("the server was removed".to_owned()))?;
        let now = self.clock.now();
        let budgets = &record.job.plan().budgets;
        let expires_at = now + budgets.provisioning;
        // One ring for the whole attempt, whatever is rotated meanwhile.
        let keyring = self.keys.ring();
        let key = keyring.current().id();
        let mut objects = vec![(MediaKind::Boot, object(job, attempt, "boot"))];
        let boot_url = match &record.boot_url {
            Some(outside) => outside.clone(),
            None => {
                let grant = grant(&objects, Form::Iso, expires_at);
                self.media_url(&server, plan.boot_scheme, &keyring, &grant).await?
            }
        };
        let mut task_url = None;
        if let Some(slot) = &plan.media.task_slot {
            objects.push((MediaKind::Task, object(job, attempt, "task")));
            let form = if slot.kind == SlotKind::Usb { Form::Img } else { Form::Iso };
            let scheme = plan.task_scheme.unwrap_or(plan.boot_scheme);
            let grant = grant(&objects, form, expires_at);
            task_url = Some(self.media_url(&server, scheme, &keyring, &grant).await?);
        }
        let tokens = self.store.keys(KeyPurpose::WebhookToken).await?;
        let registry = self.registry(job, &server).await?;
        Ok(Frozen {
            boot_url,
            task_url,
            webhook_url: self.addresses.webhook(serial, &server.server.bmc_address).await?,
            registry_url: registry.url,
            ca_pem: self.tls.trust().pem.clone(),
            traceparent: record.traceparent.clone(),
            media_key: u8::try_from(key.value()).unwrap_or(u8::MAX),
            token_key: tokens.current.id,
            registry_key: registry.key,
            registry_login: registry.login,
            expires_at,
            report_until: now + budgets.boot + budgets.boot + budgets.poll + budgets.report,
            objects,
            identities: identities(&server),
            boot_medium: boot_medium(record, &self.boot),
        })
    }

    /// The registry of the recipe, if its machine gets something to open it with: our own by a token,
    /// one of others by a login of the operator's.
    async fn registry(&self, job: JobId, server: &ServerRecord) -> Result<Named, BuildError> {
        let Some(named) = self.recipe(job).await?.oci_url else { return Ok(Named::default()) };
        let settings = self.in_force.now();
        if settings.registry.enabled {
            let bmc = &server.server.bmc_address;
            if let Some(url) = self.addresses.registry(named.registry(), bmc).await? {
                let keys = self.store.keys(KeyPurpose::RegistryToken).await?;
                return Ok(Named { url: Some(url), key: Some(keys.current.id), login: None });
            }
        }
        let login = settings.registry.elsewhere.of(named.registry()).cloned();
        let url = login.as_ref().map(|_| format!("https://{}", named.registry()));
        Ok(Named { url, key: None, login })
    }

    async fn media_url(
        &self,
        server: &ServerRecord,
        scheme: Scheme,
        keyring: &Keyring,
        grant: &Grant,
    ) -> Result<String, BuildError> {
        let base = self.addresses.media(scheme == Scheme::Https, server).await?;
        let path = keyring.sign(grant);
        Ok(format!("{}{}", base.as_str().trim_end_matches('/'), path.as_str()))
    }
}

/// The medium of our own that the attempt boots.
fn boot_medium(record: &Record, boot: &BootMedia) -> Option<String> {
    let workflow = record.job.plan().workflow;
    record.boot_url.is_none().then(|| boot.digest(workflow)).flatten()
}

fn identities(server: &ServerRecord) -> Vec<Identity> {
    let known = |hardware: &shoal_store::Hardware| Identity {
        serial: hardware.serial.clone(),
        uuid: hardware.uuid.clone(),
        sku: hardware.sku.clone(),
    };
    server.hardware.iter().map(known).collect()
}

/// The grant for the object that was added last.
fn grant(objects: &[(MediaKind, [u8; 16])], form: Form, expires_at: Time) -> Grant {
    let (kind, id) = objects.last().copied().unwrap_or((MediaKind::Boot, [0; 16]));
    let kind = match kind {
        MediaKind::Boot => Kind::Boot,
        MediaKind::Task => Kind::Task,
    };
    let expires_at = u32::try_from(expires_at.as_secs()).unwrap_or(u32::MAX);
    Grant { object: ObjectId(id), kind, form, expires_at }
}

/// Names the boot medium of one attempt, whether or not it is ours.
pub(crate) fn boot_object(job: JobId, attempt: u32) -> ObjectId {
    ObjectId(object(job, attempt, "boot"))
}

/// Names a medium of one attempt; another attempt of the same job has other names.
fn object(job: JobId, attempt: u32, slot: &str) -> [u8; 16] {
    let text = format!("{job}/{attempt}/{slot}");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    id
}
