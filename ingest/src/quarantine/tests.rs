#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::store::{Loss, Refused};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

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

async fn open(dir: &tempfile::TempDir, indexed: &Arc<AtomicU64>) -> (Quarantine, Feed, Indexer) {
    let (quarantine, connection) = Quarantine::open(&dir.path().join("quarantine.sqlite")).await.unwrap();
    let indexed = Arc::clone(indexed);
    let (feed, indexer) = pair(connection, || 77, move |position| indexed.store(position, Ordering::Relaxed));
    (quarantine, feed, indexer)
}

#[tokio::test]
async fn indexing_twice_changes_nothing_and_survives_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let indexed = Arc::default();
    for _ in 0..2 {
        let (quarantine, feed, mut indexer) = open(&dir, &indexed).await;
        indexer.catch_up(&[commit(0..10), commit(5..12)], 33).await.unwrap();
        assert_eq!(indexed.load(Ordering::Relaxed), 33);
        feed.offer(vec![commit(0..12), Commit::new("gw".parse().unwrap(), Epoch(1), 0)]);
        drop(feed);
        indexer.run().await;
        assert_eq!(indexed.load(Ordering::Relaxed), 77);
        let rows = quarantine.refused(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
        assert_eq!(rows.len(), 12);
        assert_eq!(
            (rows[0].position, rows[0].epoch, rows[0].payload.as_slice()),
            (11, u64::MAX, &[0xff, 0][..])
        );
        let totals = &quarantine.totals().await.unwrap()["gw"];
        assert_eq!((totals.quarantined, totals.rejected, totals.lost), (12, 6, 0));
    }
}

#[tokio::test]
async fn lists_are_filtered_and_go_on_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (quarantine, _feed, mut indexer) = open(&dir, &Arc::default()).await;
    indexer.catch_up(&[commit(0..9)], 1).await.unwrap();
    let filter = Filter { reason: Some(2), limit: 2, ..Filter::default() };
    let page = quarantine.refused(&filter).await.unwrap();
    assert_eq!(page.iter().map(|row| row.position).collect::<Vec<_>>(), [7, 4]);
    let rest = quarantine.refused(&Filter { before: Some(page[1].id), ..filter }).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.position).collect::<Vec<_>>(), [1]);
    let other = Filter { gateway: Some("other".to_owned()), limit: 9, ..Filter::default() };
    assert!(quarantine.refused(&other).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_epoch_that_was_declared_over_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let (quarantine, _feed, mut indexer) = open(&dir, &Arc::default()).await;
    let mut ended = Commit::new("gw".parse().unwrap(), Epoch(u64::MAX), 0);
    ended.losses.push(Loss { end: 9, count: 9, reason: LossReason::EpochEnded.into(), ..Loss::default() });
    ended.losses.push(Loss { end: 3, count: 3, reason: LossReason::SpoolFull.into(), ..Loss::default() });
    indexer.catch_up(&[ended], 1).await.unwrap();
    let gateway = "gw".parse().unwrap();
    assert!(quarantine.epoch_ended(&gateway, Epoch(u64::MAX)).await.unwrap());
    assert!(!quarantine.epoch_ended(&gateway, Epoch(1)).await.unwrap());
    assert_eq!(quarantine.totals().await.unwrap()["gw"].lost, 12);
}

#[tokio::test]
async fn a_database_of_a_later_pantau_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("quarantine.sqlite");
    let (_, mut connection) = Quarantine::open(&file).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut connection).await.unwrap();
    let error = Quarantine::open(&file).await.unwrap_err().to_string();
    assert!(error.contains("format 99") && error.contains("newer Pantau"), "{error}");
}
