//! Some BMCs answer a change with 202 and finish it later: with a task monitor, with a task, with a
//! bare location or with nothing at all. Waiting for the end is here; what the change achieved is
//! still read back by the step, because finished tasks are no better evidence than status codes.

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    answer::Answer,
    bmc::Bmc,
    call::{Change, refused},
    error::Error,
    kind::Kind,
    message,
    patience::Patience,
    transcript::Op,
    wire::{Method, Sent},
};

/// Looks at a task that is not there, until it counts as one that has ended.
const LATE: u32 = 3;

impl Bmc {
    /// Follows an accepted change to its end (202 with a task, with a bare location, or with nothing).
    pub(crate) async fn settled(
        &self,
        change: &Change<'_>,
        answer: Answer,
    ) -> Result<Answer, Error> {
        if answer.status != 202 {
            return Ok(answer);
        }
        let Some(monitor) = self.monitor(&answer) else { return Ok(answer) };
        let deadline = Instant::now() + change.timeout.max(self.inner.options.media_timeout);
        let options = &self.inner.options;
        let mut patience =
            Patience::new(deadline - Instant::now(), options.poll_first, options.poll_most);
        let mut hint = answer.retry_after;
        let (mut known, mut missing) = (false, 0);
        while patience.pause(hint).await {
            let seen = self.get_task(change.op, &monitor).await;
            // The change was accepted, and a task that cannot be looked at may do it all the same.
            let Some(seen) = seen.map_err(|error| error.unsure(true))? else {
                // Monitors may vanish once the task is done, and appear late where one was just made;
                // the step reads the effect anyway.
                missing += 1;
                if known || missing >= LATE {
                    return Ok(answer);
                }
                hint = None;
                continue;
            };
            known = true;
            hint = seen.retry_after;
            match task_state(&seen) {
                Task::Running => {}
                Task::Done => return Ok(answer),
                Task::Failed => return Err(task_failure(&seen, change)),
            }
        }
        Err(Error::new(Kind::Timeout { phase: "the BMC's task" })
            .at(change.method.name(), change.path)
            .unsure(true))
    }

    fn monitor(&self, answer: &Answer) -> Option<String> {
        let field = |key: &str| answer.body.get(key).and_then(Value::as_str);
        let is_task = field("@odata.type").is_some_and(|kind| kind.contains("Task."));
        let link = answer.location.as_deref().or_else(|| field("TaskMonitor"));
        let link = link.or_else(|| field("@odata.id").filter(|_| is_task))?;
        self.inner.wire.path_of_own(link)
    }

    async fn get_task(&self, op: Op, path: &str) -> Result<Option<Answer>, Error> {
        let _permit = self.inner.readers.acquire().await;
        let sent = Sent::default();
        let request = self.request(op, Method::Get, path, &sent);
        let mut tries = self.tries();
        loop {
            let error = match self.authorised(&request).await {
                Ok(answer) if answer.status == 404 => return Ok(None),
                // A failed task may be told by status and body alike, so any body with a state counts.
                Ok(answer) if answer.status < 300 || answer.body.get("TaskState").is_some() => {
                    return Ok(Some(answer));
                }
                Ok(answer) => refused(&answer, &request),
                Err(error) => error,
            };
            let again = matches!(
                error.kind(),
                Kind::Unreachable | Kind::Timeout { .. } | Kind::NotReady { .. } | Kind::Server
            );
            if !again || !self.wait_to_retry(&mut tries, op, &error).await {
                return Err(error);
            }
        }
    }
}

enum Task {
    Running,
    Done,
    Failed,
}

fn task_state(answer: &Answer) -> Task {
    match answer.body.get("TaskState").and_then(Value::as_str) {
        Some("Completed") => match answer.body.get("TaskStatus").and_then(Value::as_str) {
            Some("Critical") => Task::Failed,
            _ => Task::Done,
        },
        Some("Exception" | "Killed" | "Cancelled" | "Interrupted") => Task::Failed,
        Some(_) => Task::Running,
        None if answer.status == 202 => Task::Running,
        None => Task::Done,
    }
}

fn task_failure(answer: &Answer, change: &Change<'_>) -> Error {
    let messages = message::read(&answer.body);
    let kind = match message::classify(0, &messages) {
        Kind::Rejected => Kind::TaskFailed,
        explained => explained,
    };
    let ids = messages.into_iter().map(|message| message.id).collect();
    Error::new(kind).at(change.method.name(), change.path).with_messages(ids, answer.shown.clone())
}
