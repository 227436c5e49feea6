//! What was said to a job's BMC before its steps failed, for whoever has to find out why.

use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::screen::Screen;
use crate::table::{Cell, visible};

/// What was said before a step failed.
#[derive(Debug, Deserialize)]
struct Transcript {
    attempt: u32,
    step: String,
    at: jiff::Timestamp,
    fault: String,
    #[serde(default)]
    exchanges: Vec<Exchange>,
}

/// One request and its answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Exchange {
    number: u64,
    op: String,
    method: String,
    path: String,
    sent: Option<String>,
    status: Option<u16>,
    received: Option<String>,
    duration_ms: u64,
}

pub(super) async fn transcript(
    id: &str,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let value = client.get(&["jobs", id, "transcripts"], &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let call = "GET /api/v1/jobs/{id}/transcripts";
    let transcripts: Vec<Transcript> =
        view(call, value.get("transcripts").unwrap_or(&Value::Null))?;
    if transcripts.is_empty() {
        screen.note("no step of this job failed at its BMC")?;
    }
    for transcript in &transcripts {
        let Transcript { attempt, step, at, fault, exchanges } = transcript;
        screen.heading(&format!("{step} OF ATTEMPT {attempt}, {at:.0}"))?;
        screen.line(&visible(fault))?;
        let row = |exchange: &Exchange| {
            vec![
                Cell::new(exchange.number.to_string()),
                Cell::new(&exchange.op),
                Cell::new(format!("{} {}", exchange.method, exchange.path)),
                Cell::new(exchange.sent.as_deref().unwrap_or("-")),
                Cell::new(exchange.status.map_or("-".to_owned(), |status| status.to_string())),
                Cell::new(exchange.received.as_deref().unwrap_or("-")),
                Cell::new(exchange.duration_ms.to_string()),
            ]
        };
        let rows: Vec<_> = exchanges.iter().map(row).collect();
        screen.table(&["N", "OP", "REQUEST", "SENT", "STATUS", "ANSWER", "MS"], &rows)?;
    }
    Ok(Exit::Done)
}
