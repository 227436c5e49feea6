//! Media addresses that were tampered with, and ranges that make no sense. When an address may be
//! opened is the doors' affair.

use anyhow::{Context, Result, ensure};
use data_encoding::{Encoding, Specification};
use reqwest::{Method, Url};
use shoal_redfish_mock::{Action, EffectKind, Ending, Rule, When};
use shoal_tests::{Api, PATIENCE};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::strike;
use crate::{
    medium,
    stage::{Stage, host},
    suite::Place,
};

const SIGNATURE: (u16, &str) = (403, "signature");
const MALFORMED: (u16, &str) = (403, "malformed");
const UNKNOWN_KEY: (u16, &str) = (403, "unknown_key");

pub(super) async fn run(place: Place) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let api = &stage.api;
    let machine = stage.machine("idrac9-6x", host(Ending::Succeed)).await?;
    let rule = Rule::once(When::Intends(EffectKind::BootOnce), Action::HoldBefore);
    let held = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    timeout(PATIENCE, held.reached()).await.context("no boot override was set")?;
    let evidence =
        async || Ok::<_, anyhow::Error>(api.job(&job).await?.whole.get("evidence").cloned());
    let before = evidence().await?;

    let address = Url::parse(&medium::address(&machine)?).context("read the medium's address")?;
    let path = address.path();
    let length = head(api, path, &[]).await?;
    ensure!(length.0 == 200, "the real address was answered {}", length.0);
    for (what, forged, refusal) in forged(path)? {
        refused(api, &forged, refusal).await.with_context(|| what)?;
    }
    for (method, status) in [("POST", 405), ("PUT", 405), ("DELETE", 405)] {
        let answer = api.request(Method::from_bytes(method.as_bytes())?, path).send().await?;
        ensure!(answer.status() == status, "{method} was answered {}", answer.status());
    }
    ranges(api, path).await?;
    ensure!(evidence().await? == before, "refused requests left evidence");

    api.cancel(&job).await?;
    held.release();
    follow.completed().await?;
    refused(api, path, (404, "not found")).await.context("the address of a job that is over")?;
    let admin = Url::parse(&stage.controller.ready().admin).context("read the admin address")?;
    garbage(&format!("127.0.0.1:{}", admin.port().context("no port")?)).await?;
    machine.shutdown().await;
    let (metrics, _) = strike(stage, &place).await?;
    for reason in ["signature", "malformed", "unknown_key", "not_found"] {
        let counted = format!("media_signed_url_validation_failures_total{{reason=\"{reason}\"}}");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&counted));
        ensure!(value.is_some_and(|value| value.trim() != "0"), "{reason} was not counted");
    }
    Ok(())
}

/// What was changed, the path that came of it, and how it is refused.
type Forgery = (String, String, (u16, &'static str));

/// What becomes of a path when somebody changes it.
fn forged(path: &str) -> Result<Vec<Forgery>> {
    let segment = path.split('/').nth(3).context("no segment")?.to_owned();
    let with = |other: &str| path.replace(&segment, other);
    let base32 = base32()?;
    let token = base32.decode(segment.as_bytes()).context("decode the segment")?;
    let changed = |at: usize, change: &dyn Fn(u8) -> u8| {
        let mut token = token.clone();
        if let Some(byte) = token.get_mut(at) {
            *byte = change(*byte);
        }
        with(&base32.encode(&token))
    };
    let mut cases = vec![
        ("another version".to_owned(), changed(0, &|byte| byte ^ 0x20), MALFORMED),
        ("another key".to_owned(), changed(1, &|byte| byte ^ 0xff), UNKNOWN_KEY),
        ("a later expiry".to_owned(), changed(2, &|byte| byte.wrapping_add(1)), SIGNATURE),
        ("another file".to_owned(), path.replace("task.iso", "task.img"), SIGNATURE),
        ("the other medium".to_owned(), format!("/media/b/{segment}/boot.iso"), SIGNATURE),
        ("upper case".to_owned(), with(&segment.to_ascii_uppercase()), MALFORMED),
        ("too short".to_owned(), with(&segment[..60]), MALFORMED),
        ("too long".to_owned(), with(&format!("{segment}a")), MALFORMED),
        ("padded".to_owned(), with(&format!("{segment}===")), MALFORMED),
        ("nothing of a token".to_owned(), with("x"), MALFORMED),
        ("a query".to_owned(), format!("{path}?x=1"), MALFORMED),
        ("an escape".to_owned(), path.replace("task.iso", "task%2eiso"), MALFORMED),
        ("no file".to_owned(), path.replace("/task.iso", ""), MALFORMED),
        ("another name".to_owned(), path.replace("task.iso", "passwd"), MALFORMED),
        ("a path behind it".to_owned(), format!("{path}/x"), MALFORMED),
    ];
    // The claims are a head of six bytes and the object; what follows is the tag.
    for at in 6..token.len() {
        cases.push((format!("byte {at} changed"), changed(at, &|byte| byte ^ 1), SIGNATURE));
    }
    Ok(cases)
}

async fn refused(api: &Api, path: &str, (status, word): (u16, &str)) -> Result<()> {
    for method in [Method::GET, Method::HEAD] {
        let answer = api.request(method.clone(), path).send().await?;
        let seen = answer.status();
        let text = answer.text().await?;
        ensure!(seen == status, "{method} was answered {seen}: {text}");
        ensure!(method == Method::HEAD || text.trim() == word, "refused as {text:?}");
    }
    Ok(())
}

/// Ranges that make no sense are left out or cannot be satisfied; asked for by HEAD, so that no
/// byte is read.
async fn ranges(api: &Api, path: &str) -> Result<()> {
    let many = format!("bytes={}", "0-0,".repeat(17));
    let long = format!("bytes={}", "9".repeat(8000));
    for (range, status) in [
        ("bytes=0-0", 206),
        ("bytes=0-99999999999999999999999", 206),
        ("bytes=abc", 200),
        ("bytes=5-2", 200),
        ("bytes=--5", 200),
        ("bytes=", 200),
        ("items=0-1", 200),
        ("bytes=0-1;q=1", 200),
        ("\u{1}", 200),
        (&long, 200),
        ("bytes=99999999999-", 416),
        ("bytes=-0", 416),
        (&many, 416),
    ] {
        // What the client cannot send cannot be tried.
        let Ok(value) = reqwest::header::HeaderValue::from_str(range) else { continue };
        let (seen, _) = head(api, path, &[value]).await?;
        let shown: String = range.chars().take(40).collect();
        ensure!(seen == status, "Range {shown:?} was answered {seen} instead of {status}");
    }
    Ok(())
}

async fn head(
    api: &Api,
    path: &str,
    ranges: &[reqwest::header::HeaderValue],
) -> Result<(u16, Option<u64>)> {
    let request = api.request(Method::HEAD, path);
    let request = ranges.iter().fold(request, |request, range| request.header("range", range));
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.content_length()))
}

/// Bytes that are not HTTP, at a plain listener: an answer or an end, never silence for ever.
async fn garbage(address: &str) -> Result<()> {
    for bytes in [
        &b"GARBAGE\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET \x00\x01 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.context("connect")?;
        stream.write_all(bytes).await.context("send garbage")?;
        stream.shutdown().await.context("end garbage")?;
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        // How the connection ends is the kernel's affair; that it ends is ours.
        let _ =
            end.with_context(|| format!("no end after {:?}", bytes.escape_ascii().to_string()))?;
        let text = String::from_utf8_lossy(&answer);
        let refused =
            text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.0 4");
        ensure!(refused, "{} was answered {text:?}", bytes.escape_ascii());
    }
    Ok(())
}

/// The alphabet of media addresses.
fn base32() -> Result<Encoding> {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().context("make a base32 encoding")
}
