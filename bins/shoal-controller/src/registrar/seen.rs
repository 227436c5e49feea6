//! The registry's own records in the words of the API.

use std::time::Duration;

use shoal_api::{
    BlobDamaged, BlobHealed, Checked, Collected, CollectionSeen, ContentSeen, ManifestSeen,
    Removed, RemovedItem, RepositorySeen, RepositoryUsage, RetentionRule, TagFate, TagSeen,
    TagVerdict, TaggedIn, UploadSeen, UsageSeen, UsedBy,
};
use shoal_core::Time;
use shoal_oci::{
    catalogue::{RepositoryState, TagState},
    gc::{Counts, Item, Kept, Report},
    registry::{self, ContentState, Damage, Fault, ManifestTree, UploadInspected, Usage},
    retention::{Fate, Keep, Rule, Verdict},
};

pub(super) fn repository(state: &RepositoryState) -> RepositorySeen {
    RepositorySeen {
        repository: state.repository.to_string(),
        tags: state.tags,
        manifests: state.manifests,
        bytes: state.bytes,
        pushed_at: state.pushed_at.map(at),
        pulled_at: state.pulled_at.map(at),
    }
}

pub(super) fn tag(state: TagState) -> TagSeen {
    TagSeen {
        tag: state.tag.to_string(),
        digest: state.digest.to_string(),
        media_type: state.media_type,
        artifact_type: state.artifact_type,
        bytes: state.bytes,
        tagged_at: at(state.tagged_at),
    }
}

pub(super) fn manifest(tree: ManifestTree) -> ManifestSeen {
    ManifestSeen {
        digest: tree.digest.to_string(),
        media_type: tree.media_type,
        artifact_type: tree.artifact_type,
        platform: tree.platform,
        bytes: tree.bytes,
        pushed_at: tree.pushed_at.map(at),
        tags: tree.tags.iter().map(ToString::to_string).collect(),
        subject: tree.subject.map(|subject| subject.to_string()),
        contents: tree.contents.into_iter().map(content).collect(),
        manifests: tree.manifests.into_iter().map(manifest).collect(),
        referrers: tree.referrers.into_iter().map(manifest).collect(),
        incomplete: tree.incomplete,
    }
}

fn content(state: ContentState) -> ContentSeen {
    ContentSeen {
        role: state.role.to_owned(),
        digest: state.digest.to_string(),
        media_type: state.media_type,
        bytes: state.bytes,
        title: state.title,
        present: state.present,
    }
}

pub(super) fn usage(usage: Usage, grace: Duration, unconfirmed: bool) -> UsageSeen {
    let top = usage.top.into_iter().map(|of| RepositoryUsage {
        holds: repository(&of.state),
        own_bytes: of.own_bytes,
        shared_bytes: of.shared_bytes,
        reclaimable_bytes: of.reclaimable_bytes,
        quota_bytes: of.quota_bytes,
    });
    UsageSeen {
        blobs: usage.blobs,
        bytes: usage.bytes,
        repositories: usage.repositories,
        upload_bytes: usage.upload_bytes,
        quarantine_bytes: usage.quarantine_bytes,
        reclaimable_bytes: usage.reclaimable_bytes,
        leased_bytes: usage.leased_bytes,
        free_bytes: usage.free_bytes,
        disk_bytes: usage.disk_bytes,
        headroom_bytes: usage.headroom_bytes,
        collection: CollectionSeen { grace_seconds: grace.as_secs(), unconfirmed },
        top: top.collect(),
    }
}

pub(super) fn upload(upload: UploadInspected) -> UploadSeen {
    UploadSeen {
        id: upload.id,
        repository: upload.repository.to_string(),
        bytes: upload.received,
        owner: upload.owner,
        started_at: upload.started_at.map(at),
        idle_seconds: upload.idle_seconds,
        expires_in_seconds: upload.expires_after_seconds.saturating_sub(upload.idle_seconds),
    }
}

pub(super) fn rule(rule: &Rule) -> RetentionRule {
    let keep_last = match rule.keep {
        Keep::All => None,
        Keep::Last(most) => Some(most),
    };
    RetentionRule { repositories: rule.repositories.to_string(), keep_last }
}

pub(super) fn verdict(verdict: &Verdict) -> TagVerdict {
    TagVerdict {
        repository: verdict.repository.to_string(),
        tag: verdict.tag.to_string(),
        digest: verdict.digest.to_string(),
        fate: match verdict.fate {
            Fate::Kept => TagFate::Kept,
            Fate::KeptWithSubject => TagFate::KeptWithSubject,
            Fate::Leased => TagFate::Leased,
            Fate::Goes => TagFate::Goes,
        },
        rule: verdict.rule.as_ref().map(rule),
        place: verdict.place,
    }
}

/// What a collection met so far, without the things themselves: it is asked for again and again.
pub(super) fn progress(report: &Report) -> Collected {
    let Counts { tags, manifests, links, blobs, files } = report.removed;
    Collected {
        removed: Removed { tags, manifests, links, blobs, files },
        bytes: report.bytes,
        leased: report.leased,
        needed: report.needed,
        items: Vec::new(),
        unnamed: report.unnamed,
        confirmation: None,
    }
}

/// What a collection came to.
pub(super) fn collected(report: &Report) -> Collected {
    Collected {
        items: report.items.iter().map(item).collect(),
        confirmation: report.confirmation.clone(),
        ..progress(report)
    }
}

fn item(item: &Item) -> RemovedItem {
    let kept = item.kept.map(|kept| match kept {
        Kept::Leased => "leased".to_owned(),
        Kept::Needed => "needed".to_owned(),
    });
    RemovedItem {
        what: item.what.as_str().to_owned(),
        digest: item.digest.to_string(),
        repository: item.repository.as_ref().map(ToString::to_string),
        tag: item.tag.as_ref().map(ToString::to_string),
        bytes: item.bytes,
        kept,
    }
}

pub(super) fn checked(checked: &registry::Checked) -> Checked {
    let healed = |it: &registry::Healed| BlobHealed {
        digest: it.digest.to_string(),
        fault: fault(it.fault).to_owned(),
    };
    Checked {
        blobs: checked.blobs,
        bytes: checked.bytes,
        damaged: checked.damaged.iter().map(damage).collect(),
        healed: checked.healed.iter().map(healed).collect(),
        skipped: checked.skipped,
    }
}

fn damage(damage: &Damage) -> BlobDamaged {
    BlobDamaged {
        digest: damage.digest.to_string(),
        fault: fault(damage.fault).to_owned(),
        needed_by: damage
            .needed_by
            .iter()
            .map(|by| UsedBy {
                repository: by.repository.to_string(),
                manifest: by.manifest.to_string(),
            })
            .collect(),
        tags: damage
            .tags
            .iter()
            .map(|it| TaggedIn { repository: it.repository.to_string(), tag: it.tag.to_string() })
            .collect(),
    }
}

fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "missing",
        Fault::Size => "size",
        Fault::Content => "content",
        Fault::Unreadable => "unreadable",
    }
}

/// Unix seconds of the registry.
fn at(seconds: i64) -> Time {
    Time::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}
