#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clock;
mod formats;
mod full;
mod model;
mod sessions;
mod stamps;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pantau_journal::sim::{PowerCut, SimFiles};
use pantau_proto::v1::LossReason;

use super::open::Opened;
use super::*;
use crate::config::Config;
use crate::decode::Decoder;
use crate::intake::SpoolIntake;
use crate::intake::types::{Delivered, Delivery, DeliveryKey, Frame, Intake as _, MAX_ENTRIES, SessionEvent};

pub(crate) fn bounds() -> Bounds {
    Bounds {
        max_bytes: 16 * (8 << 10),
        free_floor_bytes: 0,
        segment_bytes: 8 << 10,
        keep_acked: Duration::ZERO,
        commit_delay: Duration::ZERO,
        pending_bytes: 1 << 20,
    }
}

pub(crate) fn reopen(files: &SimFiles) -> Opened<SimFiles> {
    reopen_with(files, bounds())
}

pub(crate) fn reopen_with(files: &SimFiles, bounds: Bounds) -> Opened<SimFiles> {
    open(files.clone(), Path::new("spool"), bounds, 42, Arc::new(Counters::default())).unwrap()
}

pub(crate) fn intake(spool: &Spool<SimFiles>) -> SpoolIntake<SimFiles> {
    SpoolIntake::new(spool.clone(), Arc::new(Decoder::new(&Config::default().decode_rules())))
}

pub(crate) fn key(packet_id: u16, hash: u64, kind: Delivery) -> Option<DeliveryKey> {
    Some(DeliveryKey { packet_id, hash, kind })
}

pub(crate) fn frame<'a>(
    topic: &'a str,
    payload: &'a [u8],
    arrival: i64,
    key: Option<DeliveryKey>,
) -> Frame<'a> {
    Frame { topic, payload, arrival: TimeMs(arrival), key }
}

fn submit(spool: &Spool<SimFiles>, topic: &str, payload: &str, arrival: i64) -> Ticket {
    let frame = frame(topic, payload.as_bytes(), arrival, None);
    let mut record = Record::default();
    let mut columns = Columns::default();
    let decoder = Decoder::new(&Config::default().decode_rules());
    decoder.batch().decode(frame.topic, frame.payload, frame.arrival, &mut columns).unwrap();
    record.arrival = arrival;
    let stamped = spool.stamp(&mut columns, TimeMs(arrival)).unwrap();
    spool.submit(record, columns, stamped, TimeMs(arrival)).unwrap()
}

/// Series, time, value and flags by position, of everything that is synced.
fn contents(spool: &Spool<SimFiles>) -> Vec<(u64, String, i64, f64)> {
    let mut reader = spool.journal().reader(Position(0));
    let mut found = Vec::new();
    while let Some(raw) = reader.next().unwrap() {
        let record = Record::decode(raw.bytes.as_slice()).unwrap();
        if let Some(shed) = &record.shed {
            found.push((raw.first.0, "shed".into(), i64::MAX, shed.messages as f64));
        }
        let mut cursor = Cursor::new(raw.first.0, record);
        assert_eq!(cursor.end(), raw.end().0);
        let mut position = cursor.position();
        while let Some(item) = cursor.next() {
            if let Item::Reading(name, _, reading) = item {
                found.push((position, name.to_owned(), reading.time.0, reading.value));
            }
            position += 1;
        }
        assert_eq!(position, raw.end().0);
    }
    found
}

#[test]
fn the_epoch_is_made_once_and_a_new_one_settles_what_is_acked() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    assert_eq!(opened.spool.epoch(), Epoch(42));
    drop(submit(&opened.spool, "pantau/a/pm10", "1", 1));
    drop(submit(&opened.spool, "pantau/a/pm10", "2", 1_002));
    while opened.committer.commit_once().unwrap() {}
    opened.spool.acked(&[(0, 1)].into_iter().collect(), &[]);
    opened.spool.save_acks();
    drop(opened.spool.new_epoch(Epoch(43)).unwrap());
    while opened.committer.commit_once().unwrap() {}
    drop(opened);
    let opened = reopen(&files.crash(PowerCut::LoseAll));
    let offer = opened.spool.offer();
    assert_eq!((offer.epoch, offer.kept, offer.next), (Epoch(43), 1, 2));
    assert!(offer.settled.contains(0) && !offer.settled.contains(1));
    assert_eq!(opened.spool.backlog(TimeMs(1_007)), (1, 5));
}

#[test]
fn a_new_epoch_settles_also_what_was_acked_a_moment_ago() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    drop(submit(&opened.spool, "pantau/a/pm10", "1", 1));
    drop(submit(&opened.spool, "pantau/a/pm10", "2", 2));
    while opened.committer.commit_once().unwrap() {}
    opened.spool.acked(&[(0, 1)].into_iter().collect(), &[]);
    drop(opened.spool.new_epoch(Epoch(43)).unwrap());
    let before = opened.spool.offer().settled;
    while opened.committer.commit_once().unwrap() {}
    drop(opened);
    let after = reopen(&files.crash(PowerCut::LoseAll)).spool.offer().settled;
    assert_eq!((before.contains(0), &after), (true, &before));
}

#[test]
fn what_an_ingest_lacks_that_is_restored_while_segments_are_freed_does_not_keep_later_ones() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    let spool = opened.spool.clone();
    let fill = |committer: &mut pantau_journal::Committer<SimFiles>| {
        for n in 0..200 {
            drop(submit(&spool, "pantau/a/pm10", "1", n));
            while committer.commit_once().unwrap() {}
        }
    };
    let all = |spool: &Spool<SimFiles>| [(0, spool.journal().synced().0)].into_iter().collect();
    fill(&mut opened.committer);
    opened.spool.acked(&all(&opened.spool), &[]);
    let release = opened.spool.prepare_release(TimeMs(i64::MAX)).unwrap();
    while opened.committer.commit_once().unwrap() {}
    opened.spool.committed(&RangeSet::new());
    opened.spool.release(release.before).unwrap();
    let kept = opened.spool.journal().stats().kept.0;
    fill(&mut opened.committer);
    let rest = [(kept, opened.spool.journal().synced().0)].into_iter().collect();
    opened.spool.acked(&rest, &[]);
    assert_eq!(opened.spool.backlog(TimeMs(0)).0, 0);
    assert!(opened.spool.prepare_release(TimeMs(i64::MAX)).unwrap().before > release.before);
}

#[test]
fn what_the_disk_lost_becomes_a_loss_that_is_known_again_at_the_next_start() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    for n in 0..400 {
        drop(submit(&opened.spool, "pantau/a/pm10", "1", n));
        while opened.committer.commit_once().unwrap() {}
    }
    let before = opened.spool.journal().segments();
    assert!(before.len() > 3);
    drop(opened);
    let files = files.kill();
    let second =
        files.paths().into_iter().filter(|path| path.to_string_lossy().ends_with(".journal")).nth(1).unwrap();
    files.flip(&second, 1_500, 0xff);
    let mut losses = Vec::new();
    for _ in 0..2 {
        let opened = reopen(&files);
        losses.push(opened.spool.offer().losses);
        drop(opened);
    }
    assert_eq!(losses[0], losses[1]);
    assert!(!losses[0].is_empty());
    for loss in &losses[0] {
        assert_eq!(loss.reason(), LossReason::Damaged);
        assert!(
            loss.start >= before[1].first.0
                && loss.end <= before[1].end.0
                && loss.count == loss.end - loss.start
        );
    }
    let opened = reopen(&files);
    let lost: RangeSet = losses[0].iter().map(|loss| (loss.start, loss.end)).collect();
    let found = contents(&opened.spool);
    assert_eq!(found.len() as u64 + lost.len_positions(), 400);
    opened.spool.acked(&lost, &[]);
    assert!(opened.spool.offer().losses.is_empty());
}

#[test]
fn the_age_of_the_backlog_follows_the_oldest_reading() {
    let mut marks = Marks::default();
    for n in 0..10_000 {
        marks.add(n, TimeMs(i64::try_from(n).unwrap() * 100));
    }
    let near = marks.arrival_of(5_000).unwrap().0;
    assert!((480_000..=500_000).contains(&near), "{near}");
    assert_eq!(marks.arrival_of(9_999), Some(TimeMs(999_900)));
}
