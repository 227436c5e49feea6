use std::{path::Path, process::Command};

use super::*;

/// Makes a disc with a tool that shares no code with this reader.
fn disc(source: &Path, options: &[&str]) -> Vec<u8> {
    let out = source.parent().unwrap().join("out.iso");
    let done = Command::new("genisoimage")
        .args(["-quiet", "-V", "TASK_ABC"])
        .args(options)
        .arg("-o")
        .args([&out, source])
        .output()
        .expect("genisoimage is missing: apt-get install -y genisoimage");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(out).unwrap()
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    std::fs::create_dir_all(root.join("deep/er")).unwrap();
    std::fs::write(root.join("recipe.schema.json"), b"{}").unwrap();
    std::fs::write(root.join("user-data"), vec![7; 5000]).unwrap();
    std::fs::write(root.join("empty"), b"").unwrap();
    std::fs::write(root.join("deep/er/file"), b"x").unwrap();
    let long = format!("{}.json", "n".repeat(230));
    std::fs::write(root.join(long), b"long").unwrap();
    dir
}

async fn paths(disc: &Disc) -> Vec<String> {
    let mut paths: Vec<String> =
        disc.files().await.unwrap().into_iter().map(|file| file.path).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn rock_ridge_names_and_contents_come_back_even_through_continuation_areas() {
    let dir = tree();
    let image = disc(&dir.path().join("tree"), &["-R"]);
    let disc = Disc::open(Window::of_bytes(&image)).await.unwrap();
    assert_eq!(disc.label(), "TASK_ABC");
    let long = format!("{}.json", "n".repeat(230));
    assert_eq!(
        paths(&disc).await,
        ["deep/er/file", "empty", long.as_str(), "recipe.schema.json", "user-data"]
    );
    for file in disc.files().await.unwrap() {
        let expected = std::fs::read(dir.path().join("tree").join(&file.path)).unwrap();
        assert_eq!(disc.read(&file, 1 << 20).await.unwrap(), expected, "{}", file.path);
    }
}

#[tokio::test]
async fn joliet_names_are_used_where_there_is_no_rock_ridge() {
    let dir = tree();
    std::fs::remove_file(dir.path().join("tree").join(format!("{}.json", "n".repeat(230))))
        .unwrap();
    let image = disc(&dir.path().join("tree"), &["-J"]);
    let disc = Disc::open(Window::of_bytes(&image)).await.unwrap();
    assert_eq!(paths(&disc).await, ["deep/er/file", "empty", "recipe.schema.json", "user-data"]);
}

#[tokio::test]
async fn plain_names_lose_their_version() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("ks.cfg"), b"x").unwrap();
    let disc = Disc::open(Window::of_bytes(&disc(&root, &[]))).await.unwrap();
    assert_eq!(paths(&disc).await, ["KS.CFG"]);
}

#[tokio::test]
async fn a_file_above_the_limit_is_refused() {
    let dir = tree();
    let disc =
        Disc::open(Window::of_bytes(&disc(&dir.path().join("tree"), &["-R"]))).await.unwrap();
    let file =
        disc.files().await.unwrap().into_iter().find(|file| file.path == "user-data").unwrap();
    assert!(matches!(disc.read(&file, 4999).await, Err(DiscError::Damaged(_))));
}

#[tokio::test]
async fn what_is_no_disc_is_refused() {
    for content in [Vec::new(), vec![0; 100], vec![0; 100_000]] {
        assert!(matches!(Disc::open(Window::of_bytes(&content)).await, Err(DiscError::NotADisc)));
    }
}

#[tokio::test]
async fn no_damage_of_a_disc_makes_the_reader_fail_otherwise_than_with_an_error() {
    let dir = tree();
    let image = disc(&dir.path().join("tree"), &["-R", "-J"]);
    // Bytes all over the descriptors, path tables and directories are damaged, one at a time.
    for at in (32_768..image.len().min(32_768 + 40 * 2048)).step_by(37) {
        let mut damaged = image.clone();
        damaged[at] = damaged[at].wrapping_add(0x55);
        if let Ok(disc) = Disc::open(Window::of_bytes(&damaged)).await {
            let _ = disc.boot_image().await;
            if let Ok(files) = disc.files().await {
                for file in files {
                    let _ = disc.read(&file, 1 << 16).await;
                }
            }
        }
    }
}
