//! The same server through clients we did not write, and through many at once.

use std::io::Write as _;
use std::process::Output;
use std::sync::Arc;

use shoal_media::{Content, Digest, Extent, Kind, Medium, Milestone};

use crate::stage::{BOOT, KIB, RawClient, Stage, TASK, bytes_of, file_medium, medium, pattern};

async fn curl(arguments: &[&str]) -> Output {
    let mut curl = tokio::process::Command::new("curl");
    let output = curl.args(["-sS", "--noproxy", "*"]).args(arguments).output().await;
    let output = output.expect("curl is needed: apt-get install curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[tokio::test]
async fn curl_reads_whole_ranged_and_suffixed() {
    let bytes = pattern(300 * KIB);
    let stage = Stage::new();
    stage.put(BOOT, &file_medium(&bytes, &[]));
    let url = format!("http://{}{}", stage.listen().await, stage.path(BOOT, Kind::Boot));
    assert!(curl(&[&url]).await.stdout == bytes);
    assert!(curl(&["-r", "1000-200999", &url]).await.stdout == bytes[1000..201_000]);
    assert!(curl(&["-r", "-2048", &url]).await.stdout == bytes[bytes.len() - 2048..]);
    let resumed = curl(&["-C", "307000", &url]).await.stdout;
    assert!(resumed == bytes[307_000..]);
}

#[tokio::test]
async fn a_file_that_is_on_disk_only_is_served_like_one_in_the_page_cache() {
    let bytes = pattern(1024 * KIB);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let content = Content::file(file).unwrap();
    let stage = Stage::new();
    stage.put(BOOT, &Medium::new(content, Digest::of(&bytes), vec![]).unwrap());
    let response = stage.send("GET", &stage.path(BOOT, Kind::Boot), &[]).await;
    assert!(bytes_of(response).await == bytes);
}

#[tokio::test]
async fn curl_gets_several_ranges_as_multipart() {
    let bytes = pattern(300 * KIB);
    let stage = Stage::new();
    let medium = file_medium(&bytes, &[]);
    stage.put(BOOT, &medium);
    let url = format!("http://{}{}", stage.listen().await, stage.path(BOOT, Kind::Boot));
    let got = curl(&["-i", "-r", "200000-200009,0-4,100-99999", &url]).await.stdout;
    let end = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(got[..end].to_vec()).unwrap();
    let boundary = head.split("multipart/byteranges; boundary=").nth(1).unwrap();
    let boundary = boundary.split("\r\n").next().unwrap();
    assert!(head.contains(&format!("content-length: {}", got.len() - end)), "{head}");
    let mut expected = Vec::new();
    for (from, to) in [(200_000, 200_009), (0, 4), (100, 99_999)] {
        let frame = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {from}-{to}/307200\r\n\r\n"
        );
        expected.extend(frame.into_bytes());
        expected.extend(&bytes[from..=to]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    assert!(got[end..] == expected, "{}", String::from_utf8_lossy(&got[end..]));
}

#[tokio::test]
async fn curl_sees_the_headers_a_bmc_needs() {
    let stage = Stage::new();
    let medium = medium(&pattern(5000), &[]);
    stage.put(TASK, &medium);
    let url = format!("http://{}{}", stage.listen().await, stage.path(TASK, Kind::Task));
    let head = String::from_utf8(curl(&["-I", &url]).await.stdout).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for line in [
        "content-length: 5000\r\n",
        "accept-ranges: bytes\r\n",
        "content-type: application/octet-stream\r\n",
        "last-modified: sat, 01 jan 2000 00:00:00 gmt\r\n",
        "cache-control: no-store, no-transform\r\n",
        &format!("etag: {}\r\n", medium.etag().to_str().unwrap()),
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    let ranged = String::from_utf8(curl(&["-I", "-r", "0-99", &url]).await.stdout).unwrap();
    assert!(ranged.to_ascii_lowercase().contains("content-range: bytes 0-99/5000"), "{ranged}");

    let write = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
    let other = ["-H", "If-Range: \"other\"", "-r", "0-99", &url];
    let etag = format!("If-Range: {}", medium.etag().to_str().unwrap());
    let same = ["-H", &etag, "-r", "0-99", &url];
    let beyond = ["-r", "5000-", &url];
    let packed = ["--compressed", "-r", "0-99", &url];
    for (arguments, expected) in
        [(&other[..], "200 5000"), (&same, "206 100"), (&beyond, "416 0"), (&packed, "206 100")]
    {
        let told = curl(&[&write[..], arguments].concat()).await.stdout;
        assert_eq!(String::from_utf8(told).unwrap(), expected, "{arguments:?}");
    }
}

#[tokio::test]
async fn task_bytes_show_up_inside_the_boot_medium_and_nowhere_else() {
    let (boot_bytes, task_bytes) = (pattern(1024 * KIB), vec![0xee; 100_000]);
    let boot = file_medium(&boot_bytes, &[(Milestone::BootImageRead, 0, 2048)]);
    let task = medium(&task_bytes, &[(Milestone::TaskRead, 50_000, 2048)]);
    let reserved = Extent::new(512 * KIB, 256 * KIB).unwrap();
    let both = Medium::overlay(&boot, &task, reserved).unwrap();
    let stage = Stage::new();
    stage.put(BOOT, &both);
    let mut expected = boot_bytes.clone();
    expected[512 * 1024..512 * 1024 + 100_000].copy_from_slice(&task_bytes);

    let url = format!("http://{}{}", stage.listen().await, stage.path(BOOT, Kind::Boot));
    assert!(curl(&["-r", "500000-530000", &url]).await.stdout == expected[500_000..=530_000]);
    assert_eq!(stage.shelf.committed.lock().unwrap().len(), 1, "opened, but the task was not read");
    assert!(curl(&[&url]).await.stdout == expected);
    assert_eq!(
        stage.committed(),
        [Milestone::Opened, Milestone::BootImageRead, Milestone::TaskRead]
    );
    let head = String::from_utf8(curl(&["-I", &url]).await.stdout).unwrap();
    assert!(head.contains(both.etag().to_str().unwrap()) && head.contains("1048576"), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_readers_at_once_get_the_right_bytes() {
    let bytes = Arc::new(pattern(8 * 1024 * KIB));
    let stage = Stage::new();
    stage.put(BOOT, &file_medium(&bytes, &[(Milestone::Payload, 4096 * KIB, 1024 * KIB)]));
    let (address, path) = (stage.listen().await, stage.path(BOOT, Kind::Boot));
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..200_u64 {
        let (bytes, path) = (Arc::clone(&bytes), path.clone());
        readers.spawn(async move {
            let mut client = RawClient::connect(address).await;
            for turn in 0..5 {
                let from = (reader * 7_919 + turn * 1_500_007) % (8_000 * KIB);
                let len = 1 + (reader * 131 + turn * 65_537) % (150 * KIB);
                let range = format!("Range: bytes={from}-{}\r\n", from + len - 1);
                client.ask("GET", &path, &range).await;
                let head = client.head().await;
                assert!(head.starts_with("http/1.1 206"), "{head}");
                let body = client.body(len).await;
                let from = usize::try_from(from).unwrap();
                assert!(body == bytes[from..from + body.len()], "reader {reader} turn {turn}");
            }
        });
    }
    while let Some(done) = readers.join_next().await {
        done.unwrap();
    }
    assert_eq!(stage.committed().len(), 2, "opened and payload, once each");
}
