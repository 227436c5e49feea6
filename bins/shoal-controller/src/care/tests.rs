//! Chores over a real database and a real directory.

use std::{fs, path::PathBuf};

use shoal_sqlite::{Manifest, manifest_path};

use super::*;
use crate::settings::{Backups, Settings, Sources};

const NOW: Time = Time::from_millis(1_700_000_000_000);
const DAY: Duration = Duration::from_hours(24);

fn backups(dir: &tempfile::TempDir) -> Backups {
    Backups { dir: dir.path().join("backups"), interval: DAY, keep: 2 }
}

fn files(dir: &std::path::Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

async fn made(store: &Store, backups: &Backups, days: u32) -> PathBuf {
    backup::make(store, backups, NOW + DAY * days).await.unwrap();
    backup::newest(&backups.dir, NOW + DAY * 9).unwrap().unwrap()
}

#[tokio::test]
async fn the_newest_backups_are_kept_each_with_its_manifest() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backups) = (Store::scratch().unwrap(), backups(&directory));
    for days in 0..4 {
        made(&store, &backups, days).await;
    }
    let expected = [
        "provisioner-20231116T221320Z.db",
        "provisioner-20231116T221320Z.db.manifest.json",
        "provisioner-20231117T221320Z.db",
        "provisioner-20231117T221320Z.db.manifest.json",
    ];
    assert_eq!(files(&backups.dir), expected);
    let manifest = Manifest::read(&backups.dir.join(expected[2])).unwrap();
    assert_eq!(manifest.labels.get("sealing_key"), Some(&store.sealing_key_id()));
    assert!(manifest.rows.contains_key("jobs"), "{manifest:?}");
}

#[tokio::test]
async fn a_backup_outlives_those_which_a_wrong_clock_dated_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backups) = (Store::scratch().unwrap(), backups(&directory));
    for days in [365, 366, 0] {
        backup::make(&store, &backups, NOW + DAY * days).await.unwrap();
    }
    let made = "provisioner-20231114T221320Z.db";
    let (was_first, was_second) =
        ("provisioner-20241113T221320Z.db", "provisioner-20241114T221320Z.db");
    let kept = files(&backups.dir);
    assert!(kept.iter().any(|name| name == made), "{kept:?}");
    assert!(kept.iter().any(|name| name == was_second), "{kept:?}");
    assert!(!kept.iter().any(|name| name == was_first), "{kept:?}");
    let newest = backup::newest(&backups.dir, NOW + DAY).unwrap();
    assert_eq!(newest, Some(backups.dir.join(made)));

    let only_later = backup::newest(&backups.dir, Time::from_millis(0)).unwrap();
    assert_eq!(only_later, Some(backups.dir.join(was_second)), "better than none");
}

#[tokio::test]
async fn an_old_backup_that_cannot_be_deleted_fails_no_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backups) = (Store::scratch().unwrap(), backups(&directory));
    let stays = backups.dir.join("provisioner-20200101T000000Z.db");
    fs::create_dir_all(&stays).unwrap();
    fs::write(manifest_path(&stays), "{}").unwrap();
    for days in 0..3 {
        backup::make(&store, &backups, NOW + DAY * days).await.unwrap();
    }
    let kept = files(&backups.dir);
    assert!(stays.exists() && manifest_path(&stays).exists(), "{kept:?}");
    assert!(!kept.contains(&"provisioner-20231114T221320Z.db".to_owned()), "{kept:?}");
    assert_eq!(kept.len(), 6, "{kept:?}");
}

#[test]
fn a_copy_leaves_the_room_with_which_jobs_are_picked() {
    let enough = shoal_engine::ENOUGH_SPACE;
    assert!(backup::fits(enough + 5, 5));
    assert!(!backup::fits(enough + 4, 5));
    assert!(!backup::fits(u64::MAX, u64::MAX));
}

#[tokio::test]
async fn what_a_killed_backup_left_is_swept_up_and_what_is_not_ours_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backups) = (Store::scratch().unwrap(), backups(&directory));
    fs::create_dir(&backups.dir).unwrap();
    for name in [
        "provisioner-20200101T000000Z.db.partial",
        "provisioner-20200101T000000Z.db.manifest.json",
        "notes.txt",
        "provisioner-old.db",
        "provisioner-old.db.manifest.json",
    ] {
        fs::write(backups.dir.join(name), "x").unwrap();
    }
    made(&store, &backups, 0).await;
    let expected = [
        "notes.txt",
        "provisioner-20231114T221320Z.db",
        "provisioner-20231114T221320Z.db.manifest.json",
        "provisioner-old.db",
        "provisioner-old.db.manifest.json",
    ];
    assert_eq!(files(&backups.dir), expected);

    // Nor does it count as a backup: it would be the newest by its name, and the oldest by its turn.
    for days in 1..4 {
        made(&store, &backups, days).await;
    }
    let kept = files(&backups.dir);
    assert!(kept.contains(&"provisioner-old.db".to_owned()), "{kept:?}");
    assert_eq!(kept.len(), 7, "two backups with their manifests: {kept:?}");
}

#[tokio::test]
async fn a_backup_that_fails_costs_none_of_those_before() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backups) = (Store::scratch().unwrap(), backups(&directory));
    let before = made(&store, &backups, 0).await;
    // The same second again: a name that is taken is never written over.
    let error = backup::make(&store, &backups, NOW).await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error}");
    assert_eq!(backup::newest(&backups.dir, NOW + DAY * 9).unwrap(), Some(before));

    let file = directory.path().join("a file");
    fs::write(&file, "").unwrap();
    let elsewhere = Backups { dir: file, ..backups };
    let error = backup::make(&store, &elsewhere, NOW).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[tokio::test]
async fn a_trial_accepts_a_whole_backup_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backups) = (Store::scratch().unwrap(), backups(&directory));
    let none = trial::restore_newest(&backups.dir, NOW + DAY).await.unwrap_err();
    assert!(matches!(none, Error::NoBackup { .. }), "{none}");

    made(&store, &backups, 0).await;
    let before = files(&backups.dir);
    // What a killed trial left must not stand in the way.
    fs::create_dir(backups.dir.join("restore-test")).unwrap();
    fs::write(backups.dir.join("restore-test/provisioner.db"), "junk").unwrap();
    trial::restore_newest(&backups.dir, NOW + DAY).await.unwrap();
    assert_eq!(files(&backups.dir), before);
}

#[tokio::test]
async fn a_trial_finds_a_backup_that_went_bad() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backups) = (Store::scratch().unwrap(), backups(&directory));
    let path = made(&store, &backups, 0).await;
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xA5;
    fs::write(&path, bytes).unwrap();

    assert!(trial::restore_newest(&backups.dir, NOW + DAY).await.is_err());
    assert!(manifest_path(&path).exists(), "evidence is kept");
    assert!(!files(&backups.dir).contains(&"restore-test".to_owned()));
}

#[test]
fn a_chore_is_due_when_its_time_has_come_or_makes_no_sense() {
    assert!(is_due(NOW, None, DAY));
    assert!(is_due(NOW + DAY, Some(NOW), DAY));
    assert!(!is_due(NOW + Duration::from_hours(23), Some(NOW), DAY));
    assert!(is_due(NOW, Some(NOW + DAY), DAY), "done in the future");
}

fn set(words: &[&str]) -> Result<Backups, crate::settings::Error> {
    let mut set = vec!["STORAGE_ROOT=/s".to_owned()];
    set.extend(words.iter().map(ToString::to_string));
    Ok(Settings::load(&Sources { set, ..Sources::default() })?.settings.backups)
}

#[test]
fn backups_are_made_nightly_below_the_storage_root_unless_said_otherwise() {
    let nightly = Backups { dir: "/s/backups".into(), interval: DAY, keep: 7 };
    assert_eq!(set(&[]).unwrap(), nightly);

    let hourly = Duration::from_hours(1);
    let given = set(&["BACKUP_DIR=/b", "BACKUP_INTERVAL=1h", "BACKUP_KEEP=2"]).unwrap();
    assert_eq!(given, Backups { dir: "/b".into(), interval: hourly, keep: 2 });

    for wrong in ["BACKUP_INTERVAL=0s", "BACKUP_KEEP=0"] {
        let key = wrong.split('=').next().unwrap();
        assert!(set(&[wrong]).unwrap_err().to_string().contains(key), "{wrong}");
    }
}
