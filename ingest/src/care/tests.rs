#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "tests own their threads")]

use super::{backup::backup, marker::Marker, restore::restore, *};
use crate::store::{
    Commit, NewSeries, SeriesId, Store, StoreReader,
    embedded::{self, Config, EmbeddedReader, Opened},
};
use pantau_journal::{ReadOnlyFiles, StdFiles};
use pantau_proto::{Epoch, GatewayId, TimeMs};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

const STORE: &str = "store";
const MADE: TimeMs = TimeMs(1_795_532_400_000);

fn config(data_dir: &Path) -> Config {
    let mut config = Config::new(data_dir.join(STORE));
    config.memory_bytes = 96 << 10;
    config.max_wait = Duration::from_secs(10);
    config.journal.segment_bytes = 64 << 10;
    config.journal.max_bytes = 16 << 20;
    config.journal.pending_bytes = 32 << 10;
    config.journal.free_floor_bytes = 0;
    config
}

fn open(data_dir: &Path) -> Opened<StdFiles> {
    let opened = embedded::open(StdFiles::new(), config(data_dir), &mut |_| {}).unwrap();
    opened.reader.set_indexed(u64::MAX);
    opened
}

/// The `n`th commit: a reading of each of three series at second `n`.
fn commit(n: u64) -> Commit {
    let gateway = GatewayId::new("gw-1").unwrap();
    let mut commit = Commit::new(gateway.clone(), Epoch(1), 1_000);
    commit.ranges.push(n * 3..n * 3 + 3);
    for id in 0..3 {
        if n == 0 {
            let name = format!("dev-{id}/temperature").into();
            commit.new_series.push(NewSeries { id: SeriesId(id), name, gateway: gateway.clone() });
        }
        commit.readings.series.push(SeriesId(id));
        commit.readings.times.push(n as i64 * 1_000);
        commit.readings.values.push(n as f64);
    }
    commit
}

/// The commits whose readings are all there; there must be no other.
fn stored(reader: &EmbeddedReader<StdFiles>) -> u64 {
    let all = |id| reader.range(SeriesId(id), i64::MIN..i64::MAX, usize::MAX).unwrap();
    let first = all(0);
    assert!(first.times.iter().enumerate().all(|(at, time)| *time == at as i64 * 1_000), "without a gap");
    assert_eq!((first.damaged, &first, &first), (0, &all(1), &all(2)));
    first.times.len() as u64
}

fn findings(data_dir: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let (files, store) = (ReadOnlyFiles::new(), data_dir.join(STORE));
    embedded::verify(&files, &store, &mut |finding| findings.push(finding.to_string())).unwrap();
    findings
}

/// A data folder with files, a journal and a quarantine, still open.
async fn filled(dir: &Path) -> Opened<StdFiles> {
    let mut opened = open(dir);
    for n in 0..50 {
        opened.store.append(&[commit(n)]).unwrap();
        if n == 40 {
            opened.store.freeze().unwrap();
            assert!(opened.flusher.flush_once().unwrap());
        }
    }
    drop(crate::quarantine::open(&dir.join(QUARANTINE)).await.unwrap());
    opened
}

#[tokio::test]
async fn a_backup_of_an_open_store_is_restored_whole_and_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let _open = filled(&path("data")).await;
    let done = backup(&path("data"), &path("backup"), MADE).await.unwrap();
    assert_eq!(done.lacking, Vec::<String>::new());
    assert!(done.linked > 0, "on one file system data files are linked");
    assert!(done.marker.made.starts_with("2026-11-24T"), "{}", done.marker.made);
    assert_eq!(findings(&path("backup")), Vec::<String>::new());
    assert_eq!(restore(&path("backup"), &path("new")).unwrap(), done.marker);
    assert!(!is_half_restored(&path("new")));
    assert_eq!(findings(&path("new")), Vec::<String>::new());
    let mut restored = open(&path("new"));
    assert_eq!(restored.recovery.damage, Vec::<String>::new());
    assert_eq!(stored(&restored.reader), 50);
    let ranges = restored.reader.ranges(&GatewayId::new("gw-1").unwrap(), Epoch(1));
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 150)]);
    restored.store.append(&[commit(50)]).unwrap();
    assert_eq!(stored(&restored.reader), 51);
    // What goes on in the new folder does not touch the backup.
    assert_eq!(restore(&path("backup"), &path("newer")).unwrap(), done.marker);
}

#[tokio::test]
async fn what_stands_in_for_the_store_beside_a_database_is_cared_for_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let control = |data_dir: &Path| {
        let config = Config { dir: data_dir.join("control"), ..config(data_dir) };
        embedded::open(StdFiles::new(), config, &mut |_| {}).unwrap()
    };
    let mut opened = control(&path("data"));
    opened.store.append(&[commit(0), commit(1)]).unwrap();
    assert_eq!(stores(&path("data")), ["control"]);
    backup(&path("data"), &path("alone"), MADE).await.unwrap();
    drop(filled(&path("data")).await);
    backup(&path("data"), &path("both"), MADE).await.unwrap();
    for (name, expected) in [("alone", &["control"][..]), ("both", &["store", "control"])] {
        let new = path(&format!("new-{name}"));
        restore(&path(name), &new).unwrap();
        assert_eq!(stores(&new), expected);
        assert_eq!(stored(&control(&new).reader), 2);
        assert_eq!(std::fs::read_dir(&new).unwrap().count(), if name == "both" { 3 } else { 1 });
    }
}

#[tokio::test]
async fn backups_beside_a_writer_hold_everything_acknowledged_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Opened { mut store, reader, flusher, compactor, .. } = open(&data);
    let (stop, acked) = (AtomicBool::new(false), AtomicU64::new(0));
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::SeqCst) {
                let some: Vec<Commit> = (n..n + 20).map(commit).collect();
                n += store.append(&some).unwrap() as u64;
                acked.store(n, Ordering::SeqCst);
            }
            drop(store);
        });
        scope.spawn(|| flusher.run().unwrap());
        scope.spawn(|| compactor.run(|| 0));
        let checks = scope.spawn(|| {
            while acked.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            // On a busy machine the writer may not have come far by then.
            for round in (0..).take_while(|round| *round < 12 || reader.stats().flushes <= 3) {
                let target = folder.path().join(format!("backup-{round}"));
                let restored = folder.path().join(format!("restored-{round}"));
                let before = acked.load(Ordering::SeqCst);
                let done = runtime.block_on(backup(&data, &target, MADE)).unwrap();
                assert_eq!(done.lacking, Vec::<String>::new());
                restore(&target, &restored).unwrap();
                assert_eq!(findings(&restored), Vec::<String>::new());
                assert_eq!(findings(&data), Vec::<String>::new(), "beside the writer");
                let opened = open(&restored);
                assert_eq!(opened.recovery.damage, Vec::<String>::new());
                let there = stored(&opened.reader);
                assert!(there >= before, "{there} of {before}");
            }
        });
        let done = checks.join();
        stop.store(true, Ordering::SeqCst);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    assert!(reader.stats().flushes > 3, "{:?}", reader.stats());
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let _open = filled(&path("data")).await;
    let marker = backup(&path("data"), &path("backup"), MADE).await.unwrap().marker;
    let refused = |word: &str| {
        let error = restore(&path("backup"), &path("new")).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("mend: "), "{error}");
        assert!(!path("new").exists(), "{error}");
    };
    for (name, sum) in &marker.files {
        let file = path("backup").join(name);
        let whole = std::fs::read(&file).unwrap();
        assert_eq!(whole.len() as u64, sum.bytes);
        // A file of its own: a link would take the change into the store.
        std::fs::remove_file(&file).unwrap();
        refused(name);
        for at in (0..whole.len()).step_by(whole.len() / 50 + 1) {
            let mut bent = whole.clone();
            bent[at] ^= 1;
            std::fs::write(&file, bent).unwrap();
            refused("its checksum is not the one in BACKUP");
        }
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        refused("bytes instead of");
        std::fs::write(&file, whole).unwrap();
    }
    let mark = path("backup").join("BACKUP");
    let whole = std::fs::read(&mark).unwrap();
    for len in 0..whole.len() {
        std::fs::write(&mark, &whole[..len]).unwrap();
        refused("BACKUP: ");
        let mut bent = whole.clone();
        bent[len] ^= 1;
        std::fs::write(&mark, bent).unwrap();
        refused("BACKUP: ");
    }
    std::fs::remove_file(&mark).unwrap();
    refused("has no file BACKUP");
    std::fs::write(&mark, whole).unwrap();
    restore(&path("backup"), &path("new")).unwrap();
}

#[tokio::test]
async fn folders_with_something_in_them_and_folders_without_a_store_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    drop(filled(&path("data")).await);
    let error = backup(&path("data"), &path("data"), MADE).await.unwrap_err();
    assert!(matches!(error, CareError::NotEmpty(_)) && error.is_usage(), "{error}");
    let error = backup(&path("nothing"), &path("backup"), MADE).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("data_dir"), "{error}");
    assert!(!path("backup").exists());
    backup(&path("data"), &path("backup"), MADE).await.unwrap();
    let error = restore(&path("backup"), &path("data")).unwrap_err();
    assert!(matches!(error, CareError::NotEmpty(_)), "{error}");
    let error = restore(&path("data"), &path("new")).unwrap_err();
    assert!(matches!(error, CareError::NoBackup(_)), "{error}");
}

#[tokio::test]
async fn a_lost_file_is_told_and_the_rest_is_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let _open = filled(&path("data")).await;
    let data = path("data").join("store/data");
    let lost = std::fs::read_dir(&data).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    std::fs::remove_file(data.join(&lost)).unwrap();
    let done = backup(&path("data"), &path("backup"), MADE).await.unwrap();
    assert_eq!(done.lacking, [format!("store/data/{lost}")]);
    restore(&path("backup"), &path("new")).unwrap();
    assert_eq!(findings(&path("new")).len(), 1);
}

#[test]
fn a_marker_gives_back_what_it_was_given_and_names_no_file_outside() {
    let file = |path: &str| (path.to_owned(), Sum { bytes: 5, crc: 7 });
    let marker = Marker::new(MADE, vec![file("store/MANIFEST"), file("store/data/a b.pts")]);
    assert_eq!(Marker::decode(&marker.encode()), Ok(marker));
    for path in ["../MANIFEST", "/etc/passwd", "store/../../x"] {
        assert!(Marker::decode(&Marker::new(MADE, vec![file(path)]).encode()).is_err(), "{path}");
    }
    let later = Marker::new(MADE, Vec::new()).encode().replacen('1', "2", 1);
    assert!(Marker::decode(&later).unwrap_err().contains("format \"2\""));
}
