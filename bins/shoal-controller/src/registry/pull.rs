//! Pull tokens: a machine under installation reads the artifact its recipe names, and nothing else, for
//! as long as its job has no outcome. Nothing is stored for it: the token says which attempt it is for,
//! the job says whether that is still under way, the recipe says what it may read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use data_encoding::BASE64;
use http::HeaderValue;
use shoal_core::JobId;
use shoal_engine::Clock;
use shoal_oci::auth::{Artifact, Principal, Refused, Rights};
use shoal_recipe::{OciRef, Recipe};
use shoal_store::{KeyPurpose, Store, token};
use zeroize::Zeroizing;

use crate::effects::chain;

/// Jobs whose artifacts are remembered; a recipe never changes.
const REMEMBERED_MAX: usize = 1024;

/// Who pulls for which job.
pub(crate) struct Pulls {
    store: Store,
    clock: Clock,
    remembered: Mutex<HashMap<JobId, Arc<[Artifact]>>>,
}

impl Pulls {
    /// Tokens of the jobs in `store`.
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, remembered: Mutex::default() }
    }

    /// The job whose token this header shows; none if it shows no token that is good now.
    pub(super) async fn recognise(
        &self,
        header: &HeaderValue,
    ) -> Result<Option<Principal>, Refused> {
        let Some(text) = shown(header) else { return Ok(None) };
        let keys =
            self.store.keys(KeyPurpose::RegistryToken).await.map_err(|error| lost(&error))?;
        let keys = keys.at(self.clock.now());
        let Some((job, attempt)) = token::verify(&keys, KeyPurpose::RegistryToken, &text) else {
            return Ok(None);
        };
        let record = self.store.job(job).await.map_err(|error| lost(&error))?;
        let pulls = record.is_some_and(|record| {
            record.job.attempt() == attempt && record.job.outcome().is_none()
        });
        if !pulls {
            return Ok(None);
        }
        let artifacts = self.artifacts(job).await?;
        Ok(Some(Principal::new(format!("job {job}"), Rights::Artifacts(artifacts))))
    }

    async fn artifacts(&self, job: JobId) -> Result<Arc<[Artifact]>, Refused> {
        let known = || self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(artifacts) = known().get(&job) {
            return Ok(Arc::clone(artifacts));
        }
        let bytes = self.store.recipe(job).await.map_err(|error| lost(&error))?;
        let parsed = bytes.and_then(|bytes| Recipe::parse(&bytes).ok());
        let named = parsed.and_then(|parsed| artifact(parsed.recipe.oci_url.as_ref()?));
        let artifacts: Arc<[Artifact]> = named.into_iter().collect();
        let mut remembered = known();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(job, Arc::clone(&artifacts));
        Ok(artifacts)
    }
}

/// What a recipe names, in the registry's words.
fn artifact(named: &OciRef) -> Option<Artifact> {
    let repository = named.repository().parse().ok()?;
    Some(Artifact { repository, reference: named.reference().parse().ok()? })
}

/// What could be a token: the password of whatever name, or what follows `Bearer`.
fn shown(header: &HeaderValue) -> Option<Zeroizing<String>> {
    let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    let text = if scheme.eq_ignore_ascii_case("bearer") {
        Zeroizing::new(rest.to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = Zeroizing::new(BASE64.decode(rest.as_bytes()).ok()?);
        let (_, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
        Zeroizing::new(password.to_owned())
    } else {
        return None;
    };
    (text.len() == token::TOKEN_LEN).then_some(text)
}

fn lost(error: &shoal_store::Error) -> Refused {
    tracing::error!(error = chain(error), "failed to look at a pull token");
    Refused::Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn a_token_is_shown_as_a_password_or_by_itself() {
        let token = "a".repeat(token::TOKEN_LEN);
        let basic = BASE64.encode(format!("anything:{token}").as_bytes());
        for text in [format!("Bearer {token}"), format!("basic {basic}")] {
            assert_eq!(shown(&header(&text)).unwrap().as_str(), token);
        }
        for odd in ["", "Bearer", "Bearer short", "Basic !", "Digest x", &token] {
            assert!(shown(&header(odd)).is_none(), "{odd}");
        }
    }
}
