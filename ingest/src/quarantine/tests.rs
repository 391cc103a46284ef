#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::store::{Loss, Refused};
use pantau_proto::{Epoch, v1::LossReason};
use sqlx::Connection as _;
use std::{
    io,
    sync::{Arc, Mutex},
};

/// A journal in memory: one commit a position.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<(Vec<Commit>, u64)>>);

impl Log {
    fn take(&self, commits: Vec<Commit>) -> Vec<Commit> {
        self.0.lock().unwrap().0.extend(commits.clone());
        commits
    }

    fn indexed(&self) -> u64 {
        self.0.lock().unwrap().1
    }
}

impl CommitLog for Log {
    fn applied(&self) -> u64 {
        self.0.lock().unwrap().0.len() as u64
    }

    fn set_indexed(&self, position: u64) {
        let mut log = self.0.lock().unwrap();
        assert!(position >= log.1, "the index never forgets");
        log.1 = position;
    }

    /// Two at a time.
    fn reread(&self, from: u64) -> io::Result<(Vec<Commit>, u64)> {
        let log = self.0.lock().unwrap();
        let next = log.0.len().min(from as usize + 2);
        Ok((log.0[from as usize..next].to_vec(), next as u64))
    }
}

fn commit(positions: std::ops::Range<u64>) -> Commit {
    let mut commit = Commit::new("gw".parse().unwrap(), Epoch(u64::MAX), 5_000);
    commit.refused = positions
        .map(|position| Refused {
            position,
            reason: (position % 3) as i32 + 1,
            source: if position % 2 == 0 { String::new() } else { "mqtt".to_owned() },
            payload: vec![0xff, 0],
            ..Refused::default()
        })
        .collect();
    commit
}

async fn open(dir: &tempfile::TempDir, log: &Log) -> (Quarantine, Feed, Indexer<Log>) {
    let opened = super::open(&dir.path().join("quarantine.sqlite")).await.unwrap();
    // A store that is opened does not know how far the index is.
    log.0.lock().unwrap().1 = 0;
    let (feed, indexer) = pair(opened.writer, &opened.quarantine, log.clone());
    (opened.quarantine, feed, indexer)
}

#[tokio::test]
async fn indexing_twice_changes_nothing_and_survives_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    log.take(vec![commit(0..10), commit(5..12), commit(0..1)]);
    for _ in 0..2 {
        let (quarantine, feed, mut indexer) = open(&dir, &log).await;
        indexer.start(0).await;
        assert_eq!(log.indexed(), log.applied());
        feed.offer(log.take(vec![commit(0..12), Commit::new("gw".parse().unwrap(), Epoch(1), 0)]));
        drop(feed);
        indexer.run().await;
        assert_eq!(log.indexed(), log.applied());
        let rows = quarantine.refused(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
        assert_eq!(rows.len(), 12);
        assert_eq!(
            (rows[0].refused.position, rows[0].epoch, rows[0].refused.payload.as_slice()),
            (11, u64::MAX, &[0xff, 0][..])
        );
        let totals = &quarantine.totals().await.unwrap()["gw"];
        assert_eq!((totals.quarantined, totals.rejected, totals.lost), (12, 6, 0));
    }
}

#[tokio::test]
async fn lists_are_filtered_and_go_on_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    log.take(vec![commit(0..9)]);
    let (quarantine, _feed, mut indexer) = open(&dir, &log).await;
    indexer.start(0).await;
    let filter = Filter { reason: Some(2), limit: 2, ..Filter::default() };
    let page = quarantine.refused(&filter).await.unwrap();
    assert_eq!(page.iter().map(|row| row.refused.position).collect::<Vec<_>>(), [7, 4]);
    let rest = quarantine.refused(&Filter { before: Some(page[1].id), ..filter }).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.refused.position).collect::<Vec<_>>(), [1]);
    let other = Filter { gateway: Some("other".to_owned()), limit: 9, ..Filter::default() };
    assert!(quarantine.refused(&other).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_epoch_that_was_declared_over_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    let (quarantine, _feed, mut indexer) = open(&dir, &log).await;
    let mut ended = Commit::new("gw".parse().unwrap(), Epoch(u64::MAX), 0);
    ended.losses.push(Loss { end: 9, count: 9, reason: LossReason::EpochEnded.into(), ..Loss::default() });
    ended.losses.push(Loss { end: 3, count: 3, reason: LossReason::SpoolFull.into(), ..Loss::default() });
    log.take(vec![ended]);
    indexer.start(0).await;
    let again = super::open(&dir.path().join("quarantine.sqlite")).await.unwrap();
    assert_eq!(again.over, [("gw".parse().unwrap(), Epoch(u64::MAX))]);
    assert_eq!(quarantine.totals().await.unwrap()["gw"].lost, 12);
}

#[tokio::test]
async fn a_database_of_a_later_pantau_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("quarantine.sqlite");
    let mut opened = super::open(&file).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut opened.writer).await.unwrap();
    let error = super::open(&file).await.err().expect("it is refused").to_string();
    assert!(error.contains("format 99") && error.contains("newer Pantau"), "{error}");
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_and_made_anew_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    log.take(vec![commit(0..3)]);
    for n in 1..=2 {
        std::fs::write(dir.path().join("quarantine.sqlite"), format!("garbage {n}").repeat(100)).unwrap();
        let (quarantine, feed, mut indexer) = open(&dir, &log).await;
        indexer.start(0).await;
        assert_eq!(quarantine.totals().await.unwrap()["gw"].quarantined, 3);
        let aside =
            std::fs::read_to_string(dir.path().join(format!("quarantine.sqlite.damaged-{n}"))).unwrap();
        assert!(aside.starts_with(&format!("garbage {n}")));
        // The writer goes last: it takes the WAL, which would be as good as the database, with it.
        quarantine.pool.close().await;
        drop(feed);
        indexer.run().await;
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named_with_its_mend() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("quarantine.sqlite")).unwrap();
    let error =
        super::open(&dir.path().join("quarantine.sqlite")).await.err().expect("it is refused").to_string();
    assert!(error.contains("quarantine.sqlite: ") && error.contains("\n  mend: "), "{error}");
}

#[tokio::test]
async fn an_index_that_cannot_be_written_says_why_until_it_can_and_then_lacks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    let (quarantine, feed, mut indexer) = open(&dir, &log).await;
    let mut other = super::open(&dir.path().join("quarantine.sqlite")).await.unwrap().writer;
    sqlx::raw_sql("ALTER TABLE refused RENAME TO hidden").execute(&mut other).await.unwrap();
    log.take(vec![commit(0..1)]);
    // While it starts, and while it runs.
    indexer.start(0).await;
    let why = quarantine.trouble().expect("it is in trouble");
    assert!(why.contains("refused"), "{why}");
    let watched = async {
        feed.offer(log.take(vec![commit(1..2)]));
        feed.offer(log.take(vec![Commit::new("gw".parse().unwrap(), Epoch(1), 0)]));
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        assert!(quarantine.trouble().is_some(), "what has nothing to be written is no news");
        assert_eq!(log.indexed(), 0, "the journal is kept");
        sqlx::raw_sql("ALTER TABLE hidden RENAME TO refused").execute(&mut other).await.unwrap();
        while quarantine.trouble().is_some() || log.indexed() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        drop(feed);
    };
    tokio::join!(indexer.run(), watched);
    assert_eq!(quarantine.totals().await.unwrap()["gw"].quarantined, 2);
}

#[tokio::test]
async fn what_did_not_fit_into_the_queue_is_read_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    let (quarantine, feed, mut indexer) = open(&dir, &log).await;
    indexer.start(0).await;
    let more = 5_000;
    for position in 0..more {
        feed.offer(log.take(vec![commit(position..position + 1)]));
    }
    let running = indexer.run();
    let watched = async {
        while log.indexed() < log.applied() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(quarantine.totals().await.unwrap()["gw"].quarantined, more);
        // And what comes after goes the usual way again.
        feed.offer(log.take(vec![commit(more..more + 1)]));
        drop(feed);
    };
    tokio::join!(running, watched);
    assert_eq!(quarantine.totals().await.unwrap()["gw"].quarantined, more + 1);
    assert_eq!(log.indexed(), more + 1);
}

#[tokio::test]
async fn a_list_shows_the_beginning_of_a_large_payload_and_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    let (quarantine, _feed, mut indexer) = open(&dir, &log).await;
    let mut large = commit(0..1);
    large.refused[0].payload = vec![b'x'; 100_000];
    log.take(vec![large]);
    indexer.start(0).await;
    let rows = quarantine.refused(&Filter { limit: 1, ..Filter::default() }).await.unwrap();
    assert_eq!((rows[0].refused.payload.len(), rows[0].payload_bytes), (4096, 100_000));
}

#[tokio::test]
async fn the_database_is_checked_and_copied_from_outside_beside_its_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (file, target) = (dir.path().join("quarantine.sqlite"), dir.path().join("copy.sqlite"));
    let log = Log::default();
    log.take(vec![commit(0..10)]);
    let (quarantine, feed, mut indexer) = open(&dir, &log).await;
    indexer.start(0).await;
    assert_eq!(check(&file).await.unwrap(), Vec::<String>::new());
    copy(&file, &target).await.unwrap();
    assert!(copy(&file, &target).await.is_err(), "an older copy is not written over");
    drop(feed);
    quarantine.pool.close().await;
    indexer.run().await;
    // The last connection that closes takes the write-ahead log in and away, unless another one closes at the same
    // moment; so one more, alone.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut alone = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut alone).await.unwrap();
    alone.close().await.unwrap();
    for file in [&file, &target] {
        let names = |dir: &std::path::Path| std::fs::read_dir(dir).unwrap().count();
        let before = names(dir.path());
        assert_eq!(check(file).await.unwrap(), Vec::<String>::new());
        assert_eq!(names(dir.path()), before, "nothing is made beside it");
        let whole = std::fs::read(file).unwrap();
        let mut bent = whole.clone();
        bent[4096..8192].fill(0x5a);
        std::fs::write(file, bent).unwrap();
        assert_ne!(check(file).await.unwrap(), Vec::<String>::new());
        std::fs::write(file, b"no database").unwrap();
        assert_ne!(check(file).await.unwrap(), Vec::<String>::new());
        std::fs::write(file, whole).unwrap();
    }
    let copied = super::open(&target).await.unwrap().quarantine;
    assert_eq!(copied.refused(&Filter { limit: 100, ..Filter::default() }).await.unwrap().len(), 10);
}
