//! The same life as the most used flow drives it: a connection for each request, the system read again
//! before each use, and every slot of every list looked at before one is filled or emptied. Written from
//! a list of its requests, not from its code, and in doubt with fewer of them: it was seen to need 49
//! and 73 on captures of the two kinds of machine. Like ours it leaves the host off at the end.

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, header::CONNECTION};
use serde_json::{Value, json};

/// Looks at a power state that was asked for; each takes the time of a connection.
const LOOKS: usize = 1000;

pub(crate) struct PerRequest {
    client: Client,
    base: String,
    token: String,
    system: String,
    collections: Vec<String>,
    slots: Vec<String>,
    pub(crate) requests: u64,
}

/// What a slot is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cd,
    Usb,
    Floppy,
}

impl Kind {
    fn fits(self, slot: &Value) -> bool {
        let word = match self {
            Self::Cd => "CD",
            Self::Usb => "USBStick",
            Self::Floppy => "Floppy",
        };
        let types = slot.get("MediaTypes").and_then(Value::as_array);
        types.is_some_and(|types| types.iter().any(|one| one == word))
    }
}

impl PerRequest {
    pub(crate) async fn connect(base: String) -> Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .tls_danger_accept_invalid_certs(true)
            .build()?;
        let mut flow = Self {
            client,
            base,
            token: String::new(),
            system: String::new(),
            collections: Vec::new(),
            slots: Vec::new(),
            requests: 0,
        };
        let root = flow.get("/redfish/v1/").await?;
        let login = json!({"UserName": "admin", "Password": "password"});
        flow.send(Method::POST, "/redfish/v1/SessionService/Sessions", Some(login)).await?;
        flow.get("/redfish/v1/SessionService").await?;
        let systems = flow.get(link(&root, "Systems")?).await?;
        flow.system = first_member(&systems)?;
        let system = flow.seen_system().await?;
        flow.collections.extend(link(&system, "VirtualMedia").ok().map(str::to_owned));
        let managed = system.pointer("/Links/ManagedBy").and_then(Value::as_array);
        for manager in managed.into_iter().flatten() {
            let path = manager.get("@odata.id").and_then(Value::as_str).context("no manager")?;
            let manager = flow.get(path).await?;
            flow.collections.extend(link(&manager, "VirtualMedia").ok().map(str::to_owned));
        }
        Ok(flow)
    }

    /// The life; the media are those of the machine with slots of two kinds, or of two CDs.
    pub(crate) async fn life(&mut self, boot: &str, task: &str) -> Result<()> {
        self.switch("ForceOff", "Off").await?;
        self.find_slots().await?;
        self.empty(Kind::Usb).await?;
        self.fill(Kind::Usb, task).await?;
        // Which protocol the slots take.
        self.seen_system().await?;
        self.slots().await?;
        self.empty(Kind::Cd).await?;
        self.fill(Kind::Cd, boot).await?;

        self.seen_system().await?;
        self.boot_from("Cd", "Once").await?;
        self.switch("On", "On").await?;

        self.switch("ForceOff", "Off").await?;
        for kind in [Kind::Cd, Kind::Usb, Kind::Floppy] {
            self.empty(kind).await?;
        }
        self.boot_from("Hdd", "Disabled").await?;
        self.send(Method::DELETE, &self.session_path(), None).await.map(drop)
    }

    fn session_path(&self) -> String {
        self.token.split_once(' ').map_or_else(String::new, |(_, path)| path.to_owned())
    }

    async fn seen_system(&mut self) -> Result<Value> {
        let path = self.system.clone();
        self.get(&path).await
    }

    async fn switch(&mut self, kind: &str, wanted: &str) -> Result<()> {
        let system = self.seen_system().await?;
        if system.get("PowerState").is_some_and(|state| state == wanted) {
            return Ok(());
        }
        let target = system.pointer("/Actions/#ComputerSystem.Reset/target");
        let target = target.and_then(Value::as_str).context("no reset")?.to_owned();
        self.send(Method::POST, &target, Some(json!({"ResetType": kind}))).await?;
        for _ in 0..LOOKS {
            if self.seen_system().await?.get("PowerState").is_some_and(|state| state == wanted) {
                return Ok(());
            }
        }
        bail!("the machine never went {wanted}")
    }

    async fn boot_from(&mut self, target: &str, enabled: &str) -> Result<()> {
        self.seen_system().await?;
        self.seen_system().await?;
        let boot =
            json!({"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": enabled});
        let path = self.system.clone();
        self.send(Method::PATCH, &path, Some(json!({"Boot": boot}))).await.map(drop)
    }

    async fn find_slots(&mut self) -> Result<()> {
        for collection in self.collections.clone() {
            let list = self.get(&collection).await?;
            let members = list.get("Members").and_then(Value::as_array);
            for member in members.into_iter().flatten() {
                let path = member.get("@odata.id").and_then(Value::as_str).context("no slot")?;
                self.get(path).await?;
                self.slots.push(path.to_owned());
            }
        }
        Ok(())
    }

    /// Every slot of the system and of its managers, each read on its own.
    async fn slots(&mut self) -> Result<Vec<Value>> {
        let mut seen = Vec::new();
        for path in self.slots.clone() {
            seen.push(self.get(&path).await?);
        }
        Ok(seen)
    }

    async fn empty(&mut self, kind: Kind) -> Result<()> {
        for slot in self.slots().await? {
            let full = slot.get("Inserted") == Some(&Value::Bool(true));
            if full && kind.fits(&slot) {
                self.act(&slot, "EjectMedia", json!({})).await?;
            }
        }
        Ok(())
    }

    /// Fills the first slot of the kind, whatever was put there for another: where slots take both
    /// kinds, this flow ends with one medium.
    async fn fill(&mut self, kind: Kind, url: &str) -> Result<()> {
        for path in self.slots.clone() {
            let slot = self.get(&path).await?;
            if kind.fits(&slot) {
                return self.act(&slot, "InsertMedia", json!({"Image": url})).await;
            }
        }
        bail!("no slot of the kind")
    }

    async fn act(&mut self, slot: &Value, action: &str, body: Value) -> Result<()> {
        let target = slot.pointer(&format!("/Actions/#VirtualMedia.{action}/target"));
        let target = target.and_then(Value::as_str).context("no action")?.to_owned();
        self.send(Method::POST, &target, Some(body)).await.map(drop)
    }

    async fn get(&mut self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await
    }

    async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        self.requests += 1;
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        request = request.header(CONNECTION, "close");
        if let Some((token, _)) = self.token.split_once(' ') {
            request = request.header("X-Auth-Token", token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        if !answer.status().is_success() {
            bail!("{method} {path}: {}: {}", answer.status(), answer.text().await?);
        }
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if let (Some(token), Some(path)) = (header("x-auth-token"), header("location")) {
            self.token = format!("{token} {path}");
        }
        let text = answer.text().await?;
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }
}

fn link<'a>(body: &'a Value, name: &str) -> Result<&'a str> {
    let link = body.get(name).and_then(|link| link.get("@odata.id"));
    link.and_then(Value::as_str).with_context(|| format!("no link {name}"))
}

fn first_member(list: &Value) -> Result<String> {
    let member = list.pointer("/Members/0/@odata.id").and_then(Value::as_str);
    Ok(member.context("no system")?.to_owned())
}
