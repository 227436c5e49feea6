//! Reads of one path, as many as a few lean clients get answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use shoal_tests::Ready;
use tokio::task::JoinSet;

use crate::lean::Client;

/// Answers per second.
pub(crate) async fn rate(ready: &Ready, path: &str, clients: u32, span: Duration) -> Result<f64> {
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Client::connect(ready).await?);
    }
    let (begun, mut reading) = (Instant::now(), JoinSet::new());
    for mut client in connected {
        let request = client.get(path);
        reading.spawn(async move {
            let mut answers = 0;
            while begun.elapsed() < span {
                client.exchange(&request, 200).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        });
    }
    let answers = reading.join_all().await.into_iter().sum::<Result<u32>>()?;
    Ok(f64::from(answers) / begun.elapsed().as_secs_f64())
}
