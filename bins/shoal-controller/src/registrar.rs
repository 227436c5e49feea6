//! The registry of this process for operators: what the API asks, answered by the registry itself,
//! and runs that go on without whoever began them.

mod runs;
mod seen;

use shoal_api::{
    Answering, Declined, Listed, ManifestSeen, Order, Registrar, RepositorySeen, Retention, Run,
    RunTask, Slice, TagSeen, UploadSeen, UsageSeen,
};
use shoal_engine::Clock;
use shoal_oci::{
    Error, Registry, Repository, Tag,
    registry::{Asked, Verdicts},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::runs::Runs;

/// Answers for one registry. Clones share it.
#[derive(Clone)]
pub(crate) struct Keeper {
    registry: Registry,
    runs: Runs,
}

impl Keeper {
    /// For this registry; its runs are among `tasks`, and stop when `stop` says so.
    pub(crate) fn new(
        registry: Registry,
        clock: Clock,
        (stop, tasks): (CancellationToken, TaskTracker),
    ) -> Self {
        Self { registry, runs: Runs::new(clock, stop, tasks) }
    }

    /// Whether a collection may remove anything.
    async fn admit(&self, order: &Order) -> Result<(), Declined> {
        if order.dry_run || order.task == RunTask::Check {
            return Ok(());
        }
        if self.registry.is_read_only() {
            return Err(Declined::ReadOnly);
        }
        if let Some(word) = order.confirmation.clone() {
            return self.registry.confirm_collection(word).await.map_err(declined);
        }
        let unconfirmed = self.registry.is_unconfirmed().await.map_err(declined)?;
        if unconfirmed { Err(Declined::Unconfirmed) } else { Ok(()) }
    }
}

impl Registrar for Keeper {
    fn repositories(&self, prefix: String, slice: Slice) -> Answering<'_, Listed<RepositorySeen>> {
        Box::pin(async move {
            let after = slice.after.unwrap_or_default();
            let page = self.registry.survey(prefix, after, slice.most).await.map_err(declined)?;
            let next = page.items.last().filter(|_| page.more).map(|it| it.repository.to_string());
            Ok(Listed { entries: page.items.iter().map(seen::repository).collect(), next })
        })
    }

    fn repository(&self, repository: String) -> Answering<'_, RepositorySeen> {
        Box::pin(async move {
            let state = self.registry.repository(&named(&repository)?).await.map_err(declined)?;
            Ok(seen::repository(&state))
        })
    }

    fn tags(&self, repository: String, slice: Slice) -> Answering<'_, Listed<TagSeen>> {
        Box::pin(async move {
            let (repository, after) = (named(&repository)?, slice.after.unwrap_or_default());
            let page = self.registry.tag_states(&repository, after, slice.most).await;
            let page = page.map_err(declined)?;
            let next = page.items.last().filter(|_| page.more).map(|it| it.tag.to_string());
            Ok(Listed { entries: page.items.into_iter().map(seen::tag).collect(), next })
        })
    }

    fn manifest(&self, repository: String, reference: String) -> Answering<'_, ManifestSeen> {
        Box::pin(async move {
            let reference = reference.parse().map_err(|_| Declined::NoManifest)?;
            let tree = self.registry.tree(&named(&repository)?, &reference).await;
            Ok(seen::manifest(tree.map_err(declined)?))
        })
    }

    fn usage(&self, top: u32) -> Answering<'_, UsageSeen> {
        Box::pin(async move {
            let usage = self.registry.usage(top).await.map_err(declined)?;
            let unconfirmed = self.registry.is_unconfirmed().await.map_err(declined)?;
            Ok(seen::usage(usage, self.registry.leases().grace(), unconfirmed))
        })
    }

    fn uploads(&self) -> Answering<'_, Vec<UploadSeen>> {
        Box::pin(async move {
            let uploads = self.registry.inspect_uploads().await.map_err(declined)?;
            Ok(uploads.into_iter().map(seen::upload).collect())
        })
    }

    fn remove_upload(&self, id: String) -> Answering<'_, String> {
        Box::pin(async move {
            let id = id.parse().map_err(|_| Declined::NoUpload)?;
            let repository = self.registry.remove_upload(id).await.map_err(declined)?;
            Ok(repository.to_string())
        })
    }

    fn retention(&self, repository: Option<String>, slice: Slice) -> Answering<'_, Retention> {
        Box::pin(async move {
            let repository = repository.as_deref().map(named).transpose()?;
            let after = slice.after.as_deref().map(cursor).transpose()?;
            let asked = Asked { repository, after, most: slice.most };
            let told = self.registry.verdicts(asked).await.map_err(declined)?;
            let Verdicts { tags, more } = told;
            let next = tags.last().filter(|_| more);
            let next = next.map(|it| format!("{}:{}", it.repository, it.tag));
            let rules = self.registry.retention_rules();
            Ok(Retention {
                rules: rules.iter().map(seen::rule).collect(),
                tags: tags.iter().map(seen::verdict).collect(),
                next,
            })
        })
    }

    fn begin(&self, order: Order) -> Answering<'_, Run> {
        let keeper = self.clone();
        // A task of its own, since who asks may be gone at any time: a confirmation is taken once,
        // and the run that it is for has to begin.
        let begun = self.runs.spawn(async move {
            let place = keeper.runs.reserve(&order, &keeper.registry)?;
            keeper.admit(&order).await?;
            Ok(place.begin(&order, keeper.registry))
        });
        Box::pin(async move { begun.await.unwrap_or(Err(Declined::Failed)) })
    }

    fn runs(&self) -> Answering<'_, Vec<Run>> {
        Box::pin(async { Ok(self.runs.all()) })
    }

    fn run(&self, id: String) -> Answering<'_, Run> {
        Box::pin(async move { self.runs.one(&id) })
    }

    fn stop(&self, id: String) -> Answering<'_, Run> {
        Box::pin(async move { self.runs.stop(&id) })
    }
}

fn named(repository: &str) -> Result<Repository, Declined> {
    repository.parse().map_err(|_| Declined::NoRepository)
}

/// After which tag a page begins.
fn cursor(text: &str) -> Result<(Repository, Tag), Declined> {
    let parsed = text
        .rsplit_once(':')
        .and_then(|(repository, tag)| Some((repository.parse().ok()?, tag.parse().ok()?)));
    parsed.ok_or(Declined::BadCursor)
}

fn declined(error: Error) -> Declined {
    match error {
        Error::RepositoryUnknown { .. } => Declined::NoRepository,
        Error::ManifestUnknown { .. } => Declined::NoManifest,
        Error::UploadUnknown { .. } => Declined::NoUpload,
        Error::UploadBusy { .. } => Declined::UploadBusy,
        Error::ReadOnly => Declined::ReadOnly,
        Error::CollectionUnconfirmed => Declined::Unconfirmed,
        error => {
            tracing::error!(error = %chain(&error), "an operator's call on the registry failed");
            Declined::Failed
        }
    }
}

/// An error and its sources on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests;
