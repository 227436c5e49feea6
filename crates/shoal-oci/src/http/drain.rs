//! The rest of a body whose request was refused. Most clients send everything before they read the
//! answer; closing on them would lose it. Bounded, or refusing would be a way to make us read.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;

const MOST_BYTES: u64 = 32 * 1024 * 1024;
const MOST_TIME: Duration = Duration::from_secs(5);

/// Reads and drops what is left, as far as it is worth.
pub(super) async fn rest<B: Body<Data = Bytes>>(body: &mut Pin<Box<B>>) {
    let read = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > MOST_BYTES {
                break;
            }
        }
    };
    // Too slow: the connection ends with the answer.
    let _ = tokio::time::timeout(MOST_TIME, read).await;
}
