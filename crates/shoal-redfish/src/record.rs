//! Recording a BMC as a fixture: the resources that provisioning reads, made anonymous, so that
//! somebody without this BMC can see what the client makes of it. Reads only.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    bmc::Bmc, error::Error, kind::Kind, node::same_path, rewrite::Rewriter, service::MEMBERS,
    transcript::Op,
};

/// Resources read for one recording; machines need about twenty.
const MOST: usize = 128;
/// Properties whose links lead to what provisioning reads.
const FOLLOWED: [&str; 9] = [
    "Systems",
    "Managers",
    "SessionService",
    "Members",
    "ManagedBy",
    "Chassis",
    "VirtualMedia",
    "SettingsObject",
    "@Redfish.ActionInfo",
];
const ROOT: &str = "/redfish/v1";

/// What provisioning reads of one BMC, without what names the machine, its network or its owner.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    resources: BTreeMap<String, Resource>,
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Resource {
    body: Value,
    allow: Option<String>,
}

impl Bmc {
    /// Reads, without changing anything, the resources that provisioning depends on (at most 128),
    /// and makes them anonymous: serials, UUIDs, MAC and IP addresses, host names and image addresses
    /// are replaced by the same substitutes everywhere; passwords, tokens, user names, locations,
    /// contacts and the values in makers' own parts are dropped. What cannot be read is left out and noted.
    ///
    /// # Errors
    /// Transport and login failures.
    pub async fn record(&self) -> Result<Recording, Error> {
        // What discovery finds beyond the links is recorded too; that it fails is often the reason
        // for a recording.
        let unlinked = match self.discover().await {
            Ok(discovery) => discovery.boot.map(|(resource, _)| resource),
            Err(error) if *error.kind() == Kind::Auth => return Err(error),
            Err(_) => None,
        };
        let mut raw: BTreeMap<String, Resource> = BTreeMap::new();
        let mut notes = Vec::new();
        let mut due: VecDeque<String> = [ROOT.to_owned()].into_iter().chain(unlinked).collect();
        let mut asked: Vec<String> = Vec::new();
        while let Some(path) = due.pop_front() {
            if asked.iter().any(|known| same_path(known, &path)) {
                continue;
            }
            if asked.len() == MOST {
                notes.push(format!("stopped after {MOST} resources"));
                break;
            }
            asked.push(path.clone());
            match self.observe(Op::Discover, &path).await {
                Ok(seen) => {
                    due.extend(links(&path, &seen.body));
                    let body = Value::clone(&seen.body);
                    raw.insert(path, Resource { body, allow: seen.allow });
                }
                Err(error) if error.status().is_some_and(|status| status != 401) => {
                    notes.push(format!("a resource could not be read: {}", error.kind()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.anonymous(raw, notes))
    }

    fn anonymous(&self, raw: BTreeMap<String, Resource>, notes: Vec<String>) -> Recording {
        let mut rewriter = Rewriter::default();
        rewriter.name(self.inner.wire.host());
        for resource in raw.values() {
            rewriter.learn(&resource.body);
        }
        let resources = raw.into_iter().map(|(path, resource)| {
            let body = rewriter.body(&resource.body);
            (rewriter.text("@odata.id", &path), Resource { body, allow: resource.allow })
        });
        Recording { resources: resources.collect(), notes }
    }
}

impl Recording {
    /// The files of the fixture below its directory, with their contents: `index.json` for each
    /// resource as mock-up servers read them, and beside it `headers.json` where the BMC said what a
    /// resource allows.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        for (path, resource) in &self.resources {
            let Some(directory) = relative(path) else { continue };
            files.push((directory.join("index.json"), pretty(&resource.body)));
            if let Some(allow) = &resource.allow {
                let headers = json!({"GET": {"Allow": allow}});
                files.push((directory.join("headers.json"), pretty(&headers)));
            }
        }
        files
    }

    /// Writes the files below a directory, which is made if need be.
    ///
    /// # Errors
    /// The first file that cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        for (path, text) in self.files() {
            let file = directory.join(path);
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(file, text)?;
        }
        Ok(())
    }

    /// What was left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// The links of a resource that provisioning follows.
fn links(path: &str, body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    // The service's list of chassis is long and only those of systems matter.
    let skipped = if same_path(path, ROOT) { "Chassis" } else { "" };
    collect(body, skipped, &mut found);
    found
}

fn collect(value: &Value, skipped: &str, found: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    for (key, value) in map {
        if key != skipped && FOLLOWED.contains(&key.as_str()) {
            let targets = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            let targets = targets.iter().take(MEMBERS);
            let targets = targets.filter_map(|target| {
                target.get("@odata.id").unwrap_or(target).as_str().and_then(local)
            });
            found.extend(targets);
        }
        collect(value, skipped, found);
    }
}

/// A link's path, whatever host it names.
fn local(link: &str) -> Option<String> {
    let link = link.split('#').next().unwrap_or_default().trim_end_matches('/');
    let path = if link.contains("://") { crate::media_url::path_of(link) } else { link };
    path.starts_with(ROOT).then(|| path.to_owned())
}

/// Where a resource lies below the directory; none for paths that would lead out of it.
fn relative(path: &str) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@()~".contains(c);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let safe = segments.iter().all(|segment| {
        segment.chars().all(plain) && !segment.starts_with('.') && segment.len() <= 128
    });
    safe.then(|| segments.iter().collect())
}

fn pretty(value: &Value) -> String {
    // A value always has a text: its keys are texts.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_never_lies_outside_of_its_directory() {
        assert_eq!(relative("/redfish/v1/Systems/1/"), Some("redfish/v1/Systems/1".into()));
        for path in ["/redfish/v1/../../etc/passwd", "/redfish/v1/a b", "/redfish/v1/.ssh"] {
            assert_eq!(relative(path), None, "{path}");
        }
    }

    #[test]
    fn only_links_that_provisioning_follows_are_followed() {
        let link = |path: &str| json!({"@odata.id": path});
        let system = json!({
            "VirtualMedia": link("/redfish/v1/Systems/1/VirtualMedia/"), "Memory": link("/redfish/v1/Systems/1/Memory"),
            "Links": {"ManagedBy": [link("https://bmc/redfish/v1/Managers/1"), null], "Chassis": [link("/redfish/v1/Chassis/1")]},
            "Actions": {"#ComputerSystem.Reset": {"@Redfish.ActionInfo": "/redfish/v1/Systems/1/ResetActionInfo"}},
        });
        let mut found = links("/redfish/v1/Systems/1", &system);
        found.sort();
        let expected =
            ["Chassis/1", "Managers/1", "Systems/1/ResetActionInfo", "Systems/1/VirtualMedia"];
        assert_eq!(found, expected.map(|path| format!("/redfish/v1/{path}")));
        let root =
            json!({"Chassis": link("/redfish/v1/Chassis"), "Systems": link("/redfish/v1/Systems")});
        assert_eq!(links("/redfish/v1/", &root), ["/redfish/v1/Systems"]);
    }
}
