//! Following jobs to their end. Events wake, the job tells: after every piece of news the job itself
//! is asked, so a lost or unknown event can neither end a watch too early nor keep it from ending.

mod follow;
mod show;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::wire::Job;

use follow::Follower;
use show::Show;

/// News of one of the watched jobs.
#[derive(Debug)]
pub(crate) struct Update {
    /// Which of the watched jobs, counted from 0.
    pub(crate) index: usize,
    pub(crate) news: News,
}

#[derive(Debug)]
pub(crate) enum News {
    /// The job as it is now.
    State(Box<Job>),
    /// Something happened to it.
    Event(Value),
    /// Its stream was lost and is being opened again.
    Lost,
}

/// Follows jobs until nothing is left to do for any of them.
pub(crate) async fn watch(
    client: Client,
    ids: &[String],
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let client = Arc::new(client);
    let (sender, mut updates) = mpsc::channel(64);
    // Dropping the set ends the followers, also when output fails.
    let mut followers = JoinSet::new();
    let ids: BTreeSet<&String> = ids.iter().collect();
    for (index, id) in ids.iter().enumerate() {
        let id = (*id).clone();
        let follower = Follower::new(index, id, Arc::clone(&client), sender.clone());
        followers.spawn(follower.run());
    }
    drop(sender);
    let mut show = Show::new(ids.len(), screen);
    while let Some(update) = updates.recv().await {
        show.update(&update, screen)?;
    }
    let mut ended = Vec::new();
    while let Some(joined) = followers.join_next().await {
        match joined {
            Ok(followed) => ended.push(followed?),
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        }
    }
    ended.sort_by(|a, b| a.id.cmp(&b.id));
    show.summary(&ended, screen)?;
    let all_well = ended.iter().all(Job::succeeded);
    Ok(if all_well { Exit::Done } else { Exit::NotSucceeded })
}
