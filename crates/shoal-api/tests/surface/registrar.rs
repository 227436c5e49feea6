//! A registrar without a registry: one repository, one upload, and runs that end when they are
//! stopped.

use std::sync::Mutex;

use shoal_api::{
    Answering, Checked, Collected, CollectionSeen, ContentSeen, Declined, Listed, ManifestSeen,
    Order, Registrar, Removed, RemovedItem, RepositorySeen, RepositoryUsage, Retention,
    RetentionRule, Run, RunState, RunTask, Slice, TagFate, TagSeen, TagVerdict, UploadSeen,
    UsageSeen,
};
use shoal_core::Time;

const REPOSITORY: &str = "tools/partition";
const UPLOAD: &str = "0123456789abcdef0123456789abcdef";
/// What a collection must be confirmed with.
pub(crate) const CONFIRMATION: &str = "5a5a";

#[derive(Default)]
pub(crate) struct TestRegistrar {
    runs: Mutex<Vec<Run>>,
    removed: Mutex<bool>,
}

fn answer<'a, T: Send + 'a>(answer: Result<T, Declined>) -> Answering<'a, T> {
    Box::pin(async { answer })
}

fn at(seconds: u64) -> Time {
    Time::from_millis(1_767_225_600_000 + seconds * 1000)
}

fn digest() -> String {
    format!("sha256:{}", "5a".repeat(32))
}

fn repository() -> RepositorySeen {
    RepositorySeen {
        repository: REPOSITORY.to_owned(),
        tags: 2,
        manifests: 3,
        bytes: 4096,
        pushed_at: Some(at(0)),
        pulled_at: None,
    }
}

fn known(name: &str) -> Result<(), Declined> {
    if name == REPOSITORY { Ok(()) } else { Err(Declined::NoRepository) }
}

fn manifest(tag: &str) -> ManifestSeen {
    let content = ContentSeen {
        role: "layer".to_owned(),
        digest: digest(),
        media_type: "application/vnd.shoal.layer".to_owned(),
        bytes: 4000,
        title: Some("tool.squashfs".to_owned()),
        present: true,
    };
    ManifestSeen {
        digest: digest(),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        artifact_type: None,
        platform: None,
        bytes: 96,
        pushed_at: Some(at(0)),
        tags: vec![tag.to_owned()],
        subject: None,
        contents: vec![content],
        manifests: Vec::new(),
        referrers: Vec::new(),
        incomplete: false,
    }
}

impl Registrar for TestRegistrar {
    fn repositories(&self, prefix: String, slice: Slice) -> Answering<'_, Listed<RepositorySeen>> {
        let shown = REPOSITORY.starts_with(&prefix) && slice.after.is_none();
        let entries = shown.then(repository).into_iter().take(slice.most).collect();
        answer(Ok(Listed { entries, next: None }))
    }

    fn repository(&self, name: String) -> Answering<'_, RepositorySeen> {
        answer(known(&name).map(|()| repository()))
    }

    fn tags(&self, name: String, slice: Slice) -> Answering<'_, Listed<TagSeen>> {
        let tag = |tag: &str| TagSeen {
            tag: tag.to_owned(),
            digest: digest(),
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            artifact_type: None,
            bytes: 4096,
            tagged_at: at(0),
        };
        let after = slice.after.unwrap_or_default();
        let all = ["v1", "v2"].into_iter().filter(|tag| **tag > *after).map(tag);
        let mut entries: Vec<_> = all.collect();
        let next = entries.get(slice.most).and(entries.get(slice.most.saturating_sub(1)));
        let next = next.map(|tag| tag.tag.clone());
        entries.truncate(slice.most);
        answer(known(&name).map(|()| Listed { entries, next }))
    }

    fn manifest(&self, name: String, reference: String) -> Answering<'_, ManifestSeen> {
        let found = known(&name).and_then(|()| match reference.as_str() {
            "v1" => Ok(manifest("v1")),
            _ => Err(Declined::NoManifest),
        });
        answer(found)
    }

    fn usage(&self, top: u32) -> Answering<'_, UsageSeen> {
        let of = RepositoryUsage {
            holds: repository(),
            own_bytes: 4000,
            shared_bytes: 96,
            reclaimable_bytes: 10,
            quota_bytes: None,
        };
        answer(Ok(UsageSeen {
            blobs: 3,
            bytes: 4096,
            repositories: 1,
            upload_bytes: 5,
            quarantine_bytes: 0,
            reclaimable_bytes: 10,
            leased_bytes: 20,
            free_bytes: 1_000_000,
            disk_bytes: 2_000_000,
            headroom_bytes: 1000,
            collection: CollectionSeen { grace_seconds: 3600, unconfirmed: false },
            top: vec![of; usize::try_from(top.min(1)).unwrap()],
        }))
    }

    fn uploads(&self) -> Answering<'_, Vec<UploadSeen>> {
        answer(Ok(vec![UploadSeen {
            id: UPLOAD.to_owned(),
            repository: REPOSITORY.to_owned(),
            bytes: 5,
            owner: "ci".to_owned(),
            started_at: Some(at(0)),
            idle_seconds: 60,
            expires_in_seconds: 86_340,
        }]))
    }

    fn remove_upload(&self, id: String) -> Answering<'_, String> {
        let mut removed = self.removed.lock().unwrap();
        if id != UPLOAD || *removed {
            return answer(Err(Declined::NoUpload));
        }
        *removed = true;
        answer(Ok(REPOSITORY.to_owned()))
    }

    fn retention(&self, name: Option<String>, slice: Slice) -> Answering<'_, Retention> {
        if slice.after.is_some_and(|after| !after.contains(':')) {
            return answer(Err(Declined::BadCursor));
        }
        let rule = RetentionRule { repositories: "tools/*".to_owned(), keep_last: Some(1) };
        let verdict = TagVerdict {
            repository: REPOSITORY.to_owned(),
            tag: "v1".to_owned(),
            digest: digest(),
            fate: TagFate::Goes,
            rule: Some(rule.clone()),
            place: Some(2),
        };
        let known = name.map_or(Ok(()), |name| known(&name));
        answer(known.map(|()| Retention { rules: vec![rule], tags: vec![verdict], next: None }))
    }

    fn begin(&self, order: Order) -> Answering<'_, Run> {
        let mut runs = self.runs.lock().unwrap();
        if let Some(busy) = runs.iter().find(|run| run.state == RunState::Running) {
            return answer(Err(Declined::Busy { id: busy.id.clone() }));
        }
        if order.confirmation.is_some_and(|text| text != CONFIRMATION) {
            return answer(Err(Declined::Unconfirmed));
        }
        let item = RemovedItem {
            what: "tag".to_owned(),
            digest: digest(),
            repository: Some(REPOSITORY.to_owned()),
            tag: Some("v1".to_owned()),
            bytes: 0,
            kept: None,
        };
        let removed = Removed { tags: 1, ..Removed::default() };
        let collected = Collected { removed, items: vec![item], ..Collected::default() };
        let is_check = order.task == RunTask::Check;
        let run = Run {
            // The run of the document's examples.
            id: format!("19a9c1de000-{}", runs.len() + 1),
            task: order.task,
            dry_run: order.dry_run,
            state: RunState::Running,
            started_at: at(0),
            ended_at: None,
            bytes_to_read: is_check.then_some(4096),
            collected: (!is_check).then_some(collected),
            checked: is_check.then(Checked::default),
            error: None,
        };
        runs.push(run.clone());
        answer(Ok(run))
    }

    fn runs(&self) -> Answering<'_, Vec<Run>> {
        answer(Ok(self.runs.lock().unwrap().iter().rev().cloned().collect()))
    }

    fn run(&self, id: String) -> Answering<'_, Run> {
        let runs = self.runs.lock().unwrap();
        answer(runs.iter().find(|run| run.id == id).cloned().ok_or(Declined::NoRun))
    }

    fn stop(&self, id: String) -> Answering<'_, Run> {
        let mut runs = self.runs.lock().unwrap();
        let Some(run) = runs.iter_mut().find(|run| run.id == id) else {
            return answer(Err(Declined::NoRun));
        };
        (run.state, run.ended_at) = (RunState::Stopped, Some(at(1)));
        answer(Ok(run.clone()))
    }
}
