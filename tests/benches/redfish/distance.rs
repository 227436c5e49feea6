//! Distance between a client and a BMC on the same host: every byte takes half of the time there and
//! back, and so does the first byte of a connection, whose handshake is over before it starts here.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

/// The address from which `target` is that far away.
pub(crate) async fn from(target: SocketAddr, there_and_back: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // It ends with the runtime of the measurement.
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(carry(near, target, there_and_back));
        }
    });
    Ok(address)
}

async fn carry(near: TcpStream, target: SocketAddr, there_and_back: Duration) {
    sleep(there_and_back).await;
    let Ok(far) = TcpStream::connect(target).await else { return };
    // Small messages must not wait for each other as well.
    let (Ok(()), Ok(())) = (near.set_nodelay(true), far.set_nodelay(true)) else { return };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let half = there_and_back / 2;
    tokio::join!(late(near_read, far_write, half), late(far_read, near_write, half));
}

/// Everything that is read is written that much later.
async fn late(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (sender, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let reading = async move {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let bytes = buffer.iter().take(read).copied().collect();
            if sender.send((Instant::now() + delay, bytes)).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The other side is told even when it has gone first.
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}
