//! How a Redfish service is read: what its root says about logins and expanded reads, and
//! collections, whose members come in one request, one by one, as nulls or not at all.

use std::cell::RefCell;

use serde_json::Value;

use crate::{
    bmc::{Access, Bmc},
    error::Error,
    kind::Kind,
    node::{Node, same_path},
    recent::Seen,
    transcript::Op,
    vendor::Vendor,
};

/// Members of a collection that are looked at; real BMCs list a handful.
pub(crate) const MEMBERS: usize = 16;

/// How the service root says it wants to be talked to.
pub(crate) fn access(root: &Value) -> Access {
    let notes = RefCell::default();
    let node = Node::new(root, "/redfish/v1", &notes);
    let by_link = node.node("Links").and_then(|links| links.link("Sessions"));
    let by_service = || node.link("SessionService").map(|service| format!("{service}/Sessions"));
    let expand =
        node.node("ProtocolFeaturesSupported").and_then(|features| features.node("ExpandQuery"));
    let offers = |key: &str| expand.as_ref().and_then(|expand| expand.flag(key)) == Some(true);
    let query = match (offers("NoLinks"), offers("ExpandAll")) {
        (true, _) => Some("$expand=.".to_owned()),
        (false, true) => Some("$expand=*($levels=1)".to_owned()),
        (false, false) => None,
    };
    Access { sessions: by_link.or_else(by_service), expand: query }
}

/// The names a service root gives itself.
pub(crate) fn root_names(root: &Value) -> Vec<String> {
    let notes = RefCell::default();
    let node = Node::new(root, "/redfish/v1", &notes);
    let oem = node
        .node("Oem")
        .and_then(|oem| oem.value().as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()));
    let named = [node.owned("Vendor"), node.owned("Product")].into_iter().flatten();
    named.chain(oem.unwrap_or_default()).collect()
}

/// The version of Redfish a service root speaks.
pub(crate) fn root_version(root: &Value) -> Option<String> {
    let notes = RefCell::default();
    Node::new(root, "/redfish/v1", &notes).owned("RedfishVersion")
}

pub(crate) fn root_vendor(root: &Value) -> Vendor {
    Vendor::of(root_names(root).iter().map(String::as_str))
}

impl Bmc {
    /// The access as a plan records it: without expanded reads where they turned out not to work.
    pub(crate) fn access(&self) -> Access {
        let known = self.known();
        let expand = known.access.expand.clone().filter(|_| !known.learned.no_expand);
        Access { expand, sessions: known.access.sessions.clone() }
    }

    /// The members of a collection, read with one request where the BMC expands them completely.
    pub(crate) async fn members(
        &self,
        op: Op,
        collection: &str,
        complete: fn(&Value) -> bool,
    ) -> Result<Vec<(String, Seen)>, Error> {
        let list = self.collection(op, collection).await?;
        let mut members = Vec::new();
        for (path, body) in listed(&list, collection) {
            let seen = match Some(body).filter(complete) {
                Some(body) => {
                    let seen = Seen::now(body, None, None);
                    self.known().recent.put(&path, seen.clone());
                    Some(seen)
                }
                None => self.observe_if_there(op, &path).await?,
            };
            members.extend(seen.map(|seen| (path, seen)));
        }
        Ok(members)
    }

    async fn collection(&self, op: Op, collection: &str) -> Result<Value, Error> {
        let expand = self.access().expand;
        if let Some(query) = expand {
            match self.get(op, &format!("{collection}?{query}")).await {
                Ok(answer) if lists_all(&answer.body) => return Ok(answer.body),
                // It left members out; asked without the query it may know them.
                Ok(_) => self.known().learned.no_expand = true,
                Err(error) if error.kind().says_no_such_read() => {
                    self.learn(|learned| learned.no_expand = true);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.get(op, collection).await?.body)
    }

    /// A linked resource that does not exist is no reason to give up.
    pub(crate) async fn observe_if_there(&self, op: Op, path: &str) -> Result<Option<Seen>, Error> {
        match self.observe(op, path).await {
            Ok(seen) => Ok(Some(seen)),
            Err(error)
                if matches!(
                    error.kind(),
                    Kind::NotFound | Kind::Unsupported { .. } | Kind::Server
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a collection carries as many members as it counts; some drop them when they expand.
fn lists_all(list: &Value) -> bool {
    let Some(members) = list.get("Members").and_then(Value::as_array) else { return false };
    let counted = list.get("Members@odata.count").and_then(Value::as_u64);
    let more = list.get("Members@odata.nextLink").is_some();
    more || counted.is_none_or(|counted| members.len() as u64 >= counted)
}

/// The members a collection names, each once and in order, with as much of them as it carries.
fn listed(list: &Value, collection: &str) -> Vec<(String, Value)> {
    let notes = RefCell::default();
    let mut found: Vec<(String, Value)> = Vec::new();
    for member in Node::new(list, collection, &notes).nodes("Members").into_iter().take(MEMBERS) {
        let new = |path: &String| found.iter().all(|(known, _)| !same_path(known, path));
        if let Some(path) = member.id().filter(new) {
            found.push((path, member.value().clone()));
        }
    }
    found.sort_by_key(|(path, _)| natural(path));
    found
}

/// Sorts `CD2` before `CD10`: the last number of a path counts as a number.
pub(crate) fn natural(path: &str) -> (String, u64) {
    let digits = path.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (stem, number) = path.split_at(path.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_sort_by_number() {
        let mut paths = ["/vm/CD10", "/vm/CD2", "/vm/2", "/vm/1"];
        paths.sort_by_key(|path| natural(path));
        assert_eq!(paths, ["/vm/1", "/vm/2", "/vm/CD2", "/vm/CD10"]);
    }

    #[test]
    fn logins_go_where_the_root_says_and_nowhere_when_it_says_nothing() {
        let linked = json!({"Links": {"Sessions": {"@odata.id": "/redfish/v1/Sessions"}}});
        assert_eq!(access(&linked).sessions.as_deref(), Some("/redfish/v1/Sessions"));
        let service = json!({"SessionService": {"@odata.id": "/redfish/v1/SessionService/"}});
        assert_eq!(
            access(&service).sessions.as_deref(),
            Some("/redfish/v1/SessionService/Sessions")
        );
        assert_eq!(access(&json!({})), Access::default());
    }

    #[test]
    fn the_narrowest_expansion_on_offer_is_used() {
        let offer = |no_links, all| json!({"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": no_links, "ExpandAll": all}}});
        assert_eq!(access(&offer(true, true)).expand.as_deref(), Some("$expand=."));
        assert_eq!(access(&offer(false, true)).expand.as_deref(), Some("$expand=*($levels=1)"));
        assert_eq!(access(&offer(false, false)).expand, None);
    }
}
