//! Full disks, full journals, damage in the journal, and threads at the same time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use pantau_journal::sim::PowerCut;
use pantau_proto::Epoch;

use super::super::{Opened, open};
use super::support::{ALL, DIR, Rig, commit, config, files, gateway, new_series};
use crate::store::types::{Agg, SeriesId};
use crate::store::{Store, StoreError, StoreReader};

fn stretch(from: i64, len: i64) -> Vec<(u32, i64, f64)> {
    (from..from + len).map(|time| (0, time, time as f64)).collect()
}

#[test]
fn a_disk_that_drops_syncs_is_caught_by_these_tests() {
    let mut rig = Rig::fresh(1);
    rig.append(commit(0, &[(0, 1, 1.0)]));
    rig.files.drop_syncs(true);
    rig.append(commit(1, &[(0, 2, 2.0)]));
    assert_eq!(rig.crash(PowerCut::LoseAll).all(0), [(1, 1.0)]);
}

#[test]
fn a_flush_onto_a_full_disk_is_tried_again_and_loses_nothing() {
    let mut rig = Rig::fresh(1);
    rig.append(commit(0, &stretch(0, 3_000)));
    rig.store.freeze().unwrap();
    let used: usize = rig.files.paths().iter().map(|path| rig.files.contents(path).unwrap().len()).sum();
    rig.files.set_capacity(used as u64 + 100);
    assert!(rig.flusher.flush_once().is_err());
    assert!(rig.reader.stats().flush_failing);
    assert_eq!(rig.all(0).len(), 3_000);
    rig.files.set_capacity(u64::MAX);
    assert!(rig.flusher.flush_once().unwrap());
    assert!(!rig.reader.stats().flush_failing);
    assert_eq!(rig.reader.counters().stored, 3_000);
    assert_eq!(rig.crash(PowerCut::LoseAll).all(0).len(), 3_000);
}

#[test]
fn a_full_journal_takes_part_of_a_group_and_begins_a_flush() {
    let mut small = config();
    small.journal.max_bytes = 6 * small.journal.segment_bytes;
    let Opened { mut store, reader, mut flusher, .. } = open(files(), small, &mut |_| {}).unwrap();
    reader.set_indexed(u64::MAX);
    let mut first = commit(0, &[]);
    first.new_series = new_series(0..1);
    store.append(&[first]).unwrap();
    let group: Vec<_> = (0..12).map(|at| commit(at * 1_500, &stretch(at as i64 * 1_500, 1_500))).collect();
    let mut taken = 0;
    let mut full = 0;
    while taken < group.len() {
        match store.append(&group[taken..]) {
            Ok(more) => {
                assert!(more > 0);
                taken += more;
            }
            Err(StoreError::Full(_)) => {
                full += 1;
                assert!(flusher.flush_once().unwrap(), "a full journal begins a flush");
                assert!(full < 100);
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(reader.counters().readings, taken as u64 * 1_500);
    }
    assert!(full > 0);
    assert_eq!(reader.range(SeriesId(0), ALL, 100_000).unwrap().times.len(), 18_000);
}

#[test]
fn a_full_journal_takes_readings_again_when_the_quarantine_index_comes_after_the_flush() {
    let mut small = config();
    small.journal.max_bytes = 6 * small.journal.segment_bytes;
    let Opened { mut store, reader, mut flusher, .. } = open(files(), small, &mut |_| {}).unwrap();
    let mut first = commit(0, &[]);
    first.new_series = new_series(0..1);
    store.append(&[first]).unwrap();
    let mut at = 0;
    while store.append(&[commit(at, &stretch(at as i64, 1_500))]).is_ok() {
        at += 1_500;
    }
    while flusher.flush_once().unwrap() {}
    let next = || commit(at, &stretch(at as i64, 1_500));
    assert!(
        matches!(store.append(&[next()]), Err(StoreError::Full(_))),
        "nothing is freed before it is indexed"
    );
    assert!(!flusher.flush_once().unwrap(), "nothing is left to flush, so no flush frees anything");
    reader.set_indexed(reader.applied());
    assert_eq!(store.append(&[next()]).unwrap(), 1);
}

#[test]
fn positions_of_a_damaged_commit_are_not_committed() {
    let mut rig = Rig::fresh(1);
    for at in 0..10 {
        rig.append(commit(at * 100, &stretch(at as i64 * 100, 100)));
    }
    let segment = rig
        .files
        .paths()
        .into_iter()
        .find(|path| {
            path.starts_with(Path::new(DIR).join("journal"))
                && rig
                    .files
                    .contents(path)
                    .is_some_and(|bytes| bytes.windows(8).any(|found| found == 450_i64.to_le_bytes()))
        })
        .unwrap();
    let at = rig
        .files
        .contents(&segment)
        .unwrap()
        .windows(8)
        .position(|found| found == 450_i64.to_le_bytes())
        .unwrap();
    rig.files.flip(&segment, at, 1);
    let rig = rig.kill();
    assert!(!rig.recovery.damage.is_empty());
    let ranges = rig.reader.ranges(&gateway(), Epoch(1));
    assert!(!ranges.contains(450) && ranges.contains(350) && ranges.contains(550), "{ranges:?}");
    let points = rig.reader.range(SeriesId(0), 450..451, 10).unwrap();
    assert!(points.times.is_empty());
}

/// Says that it is over when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn reads_are_right_while_appends_flushes_and_merges_run() {
    let Opened { mut store, reader, flusher, compactor, .. } = open(files(), config(), &mut |_| {}).unwrap();
    reader.set_indexed(u64::MAX);
    let mut first = commit(0, &[]);
    first.new_series = new_series(0..1);
    store.append(&[first]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when an assertion fails: else the readers would go on for ever.
        let ends = Ends(&done);
        let flushing = scope.spawn(|| flusher.run());
        scope.spawn(|| compactor.run(|| 0));
        for _ in 0..2 {
            scope.spawn(|| {
                let mut least = 0;
                while !done.load(Ordering::Acquire) {
                    // Every reading up to some time and none twice, at any moment.
                    let points = reader.range(SeriesId(0), ALL, usize::MAX).unwrap();
                    assert!(points.times.iter().copied().eq(0..points.times.len() as i64));
                    assert!(points.times.len() >= least && points.damaged == 0);
                    least = points.times.len();
                    let sum = reader.aggregate(SeriesId(0), 0..1_000, 100, &[Agg::Sum], 10).unwrap();
                    if least >= 1_000 {
                        assert_eq!(sum.columns[0][0], 4_950.0);
                        assert_eq!(sum.counts[9], 100);
                    }
                }
            });
        }
        for at in 0..300 {
            let next = [commit(at * 1_000, &stretch(at as i64 * 1_000, 1_000))];
            // On a busy machine a flush takes longer than the writer waits here.
            while let Err(error) = store.append(&next) {
                assert!(error.is_retryable(), "{error}");
            }
        }
        store.close().unwrap();
        drop(ends);
        flushing.join().unwrap().unwrap();
    });
    let counters = reader.counters();
    assert_eq!((counters.stored, counters.pending()), (300_000, 0));
    assert!(reader.stats().flushes > 3 && reader.stats().merges > 0);
}
