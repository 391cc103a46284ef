//! What the engine promises, case by case.

use pantau_journal::sim::PowerCut;
use pantau_proto::{Epoch, Flags};

use super::super::{Opened, open};
use super::support::{ALL, Rig, commit, config, files, gateway, new_series};
use crate::store::types::{Agg, Elsewhere, Loss, Refused, SeriesId};
use crate::store::{Names, ReadError, Store, StoreError, StoreReader};

const FEBRUARY_END: i64 = 1_772_323_200_000; // 2026-03-01T00:00:00Z

#[test]
fn a_commit_is_readable_when_append_returns() {
    let mut rig = Rig::fresh(2);
    rig.append(commit(0, &[(0, 10, 1.0), (1, 10, 2.0), (0, 20, 3.0)]));
    assert_eq!(rig.all(0), [(10, 1.0), (20, 3.0)]);
    assert_eq!(rig.all(1), [(10, 2.0)]);
    let latest = rig.reader.latest(&[SeriesId(1), SeriesId(0), SeriesId(7)]);
    assert_eq!(latest[0].unwrap().value, 2.0);
    assert_eq!((latest[1].unwrap().time, latest[1].unwrap().interval_ms), (20, Some(10)));
    assert_eq!(latest[2], None);
}

#[test]
fn a_commit_survives_a_power_cut_as_a_whole() {
    let mut rig = Rig::fresh(1);
    let mut with_all = commit(5, &[(0, 10, 1.0)]);
    with_all.refused = vec![Refused { position: 6, payload: vec![1, 2], ..Refused::default() }];
    with_all.losses = vec![Loss { start: 0, end: 5, count: 5, ..Loss::default() }];
    with_all.ranges.clear();
    with_all.ranges.push(0..7);
    with_all.reported_next = Some(9);
    with_all.skipped = 2;
    rig.append(with_all.clone());
    let files = rig.files.crash(PowerCut::LoseAll);
    let mut seen = Vec::new();
    let Opened { reader, recovery, .. } =
        open(files, config(), &mut |replayed| seen.push((replayed.position, replayed.commit.clone())))
            .unwrap();
    assert_eq!(recovery.damage, Vec::<String>::new());
    assert_eq!(seen.last().unwrap().1, with_all);
    assert_eq!(reader.ranges(&gateway(), Epoch(1)).iter().collect::<Vec<_>>(), [(0, 7)]);
    assert_eq!(reader.gateways()[0].epochs[0].1.reported_next, Some(9));
    let counters = reader.counters();
    assert_eq!((counters.readings, counters.refused, counters.lost, counters.skipped), (1, 1, 5, 2));
    assert_eq!(counters.accepted(), 7);
    assert_eq!(reader.find("dev-00000/temperature"), Some(SeriesId(0)));
}

#[test]
fn a_flush_changes_nothing_that_a_reader_sees() {
    let mut rig = Rig::fresh(3);
    let readings: Vec<(u32, i64, f64)> =
        (0..9_000).map(|at| ((at % 3) as u32, at * 10, at as f64 / 10.0)).collect();
    for part in readings.chunks(1_000) {
        rig.append(commit(0, part));
    }
    let before: Vec<_> = (0..3).map(|series| rig.all(series)).collect();
    let latest = rig.reader.latest(&[SeriesId(0)]);
    rig.flush();
    assert_eq!(rig.reader.stats().memory_readings, 0);
    assert_eq!(rig.reader.stats().files, 1);
    assert_eq!((0..3).map(|series| rig.all(series)).collect::<Vec<_>>(), before);
    assert_eq!(rig.reader.latest(&[SeriesId(0)]), latest);
    let rig = rig.crash(PowerCut::LoseAll);
    assert_eq!((0..3).map(|series| rig.all(series)).collect::<Vec<_>>(), before);
    assert_eq!(rig.recovery.replayed_readings, 0);
    let again = rig.reader.latest(&[SeriesId(0)])[0].unwrap();
    assert_eq!(
        (again.time, again.value, again.interval_ms),
        (latest[0].unwrap().time, latest[0].unwrap().value, Some(30))
    );
}

#[test]
fn readings_that_are_kept_elsewhere_stay_counted_across_flushes_and_crashes() {
    let mut rig = Rig::fresh(1);
    let elsewhere = |readings, late| {
        let mut commit = commit(0, &[]);
        commit.elsewhere = Elsewhere { readings, late };
        commit
    };
    rig.append(elsewhere(5, 1));
    rig.append(commit(0, &[(0, 10, 1.0), (0, 10, 1.0)]));
    rig.store.freeze().unwrap();
    rig.append(elsewhere(7, 0));
    rig.flusher.flush_once().unwrap();
    let check = |rig: &Rig| {
        let counters = rig.reader.counters();
        assert_eq!((counters.readings, counters.stored, counters.duplicates), (14, 13, 1));
        assert_eq!((counters.late, counters.pending()), (1, 0));
    };
    check(&rig);
    let mut rig = rig.crash(PowerCut::LoseAll);
    check(&rig);
    rig.flush();
    check(&rig);
    check(&rig.crash(PowerCut::LoseAll));
}

#[test]
fn duplicates_and_replaced_readings_are_counted_exactly_across_flushes() {
    let mut rig = Rig::fresh(1);
    rig.append(commit(0, &[(0, 10, 1.0), (0, 20, 2.0), (0, 30, 3.0), (0, 10, 1.0)]));
    rig.flush();
    let counters = rig.reader.counters();
    assert_eq!((counters.stored, counters.duplicates, counters.replaced), (3, 1, 0));
    // 20 again, 10 corrected, 25 new and late, 25 corrected at once.
    rig.append(commit(4, &[(0, 20, 2.0), (0, 10, 9.0), (0, 25, 5.0), (0, 25, 6.0)]));
    assert_eq!(rig.reader.counters().pending(), 4);
    assert_eq!(rig.all(0), [(10, 9.0), (20, 2.0), (25, 6.0), (30, 3.0)]);
    rig.flush();
    let mut rig = rig.crash(PowerCut::LoseAll);
    let counters = rig.reader.counters();
    assert_eq!((counters.readings, counters.stored, counters.duplicates, counters.replaced), (8, 4, 2, 2));
    assert_eq!(rig.all(0), [(10, 9.0), (20, 2.0), (25, 6.0), (30, 3.0)]);
    // The newest file decides: 9.0 is the value of 10 now, 1.0 is another.
    rig.append(commit(8, &[(0, 10, 9.0)]));
    rig.flush();
    rig.append(commit(9, &[(0, 10, 1.0)]));
    rig.flush();
    let counters = rig.reader.counters();
    assert_eq!((counters.stored, counters.duplicates, counters.replaced, counters.pending()), (4, 3, 3, 0));
    assert_eq!(rig.all(0)[0], (10, 1.0));
}

#[test]
fn late_readings_across_the_end_of_a_month_go_to_the_files_of_their_months() {
    let mut rig = Rig::fresh(1);
    let around = |offset: i64| FEBRUARY_END + offset;
    rig.append(commit(0, &[(0, around(1), 1.0), (0, around(3), 3.0)]));
    rig.flush();
    rig.append(commit(
        2,
        &[(0, around(-2), -2.0), (0, around(-1), -1.0), (0, around(0), 0.0), (0, around(2), 2.0)],
    ));
    rig.flush();
    assert_eq!(rig.reader.stats().files, 3);
    let expected: Vec<(i64, f64)> = (-2..=3).map(|at| (around(at), at as f64)).collect();
    assert_eq!(rig.all(0), expected);
    let half = rig.reader.range(SeriesId(0), around(-1)..around(2), 10).unwrap();
    assert_eq!(half.values, [-1.0, 0.0, 1.0]);
    assert_eq!(rig.crash(PowerCut::LoseAll).all(0), expected);
}

#[test]
fn flags_are_kept_with_their_readings() {
    let mut rig = Rig::fresh(1);
    let mut flagged = commit(0, &[(0, 30, 3.0), (0, 10, 1.0), (0, 40, 4.0)]);
    flagged.readings.flags = vec![0, Flags::LATE.0, Flags::SPIKE.0];
    rig.append(flagged);
    rig.append(commit(3, &[(0, 50, 5.0)]));
    let expected = [Flags::LATE.0, 0, Flags::SPIKE.0, 0];
    assert_eq!(rig.reader.range(SeriesId(0), ALL, 10).unwrap().flags, expected);
    rig.flush();
    assert_eq!(rig.reader.range(SeriesId(0), ALL, 10).unwrap().flags, expected);
    assert_eq!(rig.reader.range(SeriesId(0), 45..60, 10).unwrap().flags, Vec::<u16>::new());
    assert_eq!(rig.crash(PowerCut::LoseAll).reader.counters().late, 1);
}

#[test]
fn what_breaks_the_rules_is_refused_and_nothing_of_it_taken() {
    let mut rig = Rig::fresh(1);
    let mut uneven = commit(0, &[(0, 1, 1.0)]);
    uneven.readings.values.clear();
    let mut gap = commit(0, &[]);
    gap.new_series = new_series(4..5);
    let unknown = commit(0, &[(1, 1, 1.0)]);
    let far = commit(0, &[(0, i64::MAX, 1.0)]);
    for bad in [uneven, gap, unknown, far] {
        let good = commit(0, &[(0, 1, 1.0)]);
        assert!(matches!(rig.store.append(&[good, bad]), Err(StoreError::Invalid(_))));
    }
    assert_eq!(rig.all(0), []);
    assert_eq!(rig.store.next_series(), SeriesId(1));
    let huge = commit(0, &vec![(0, 1, 1.0); 5_000]);
    assert!(matches!(rig.store.append(&[huge]), Err(StoreError::TooLarge { .. })));
    rig.append(commit(0, &[(0, 1, 1.0)]));
    assert_eq!(rig.reader.counters().readings, 1);
}

#[test]
fn the_writer_waits_for_the_flush_and_loses_nothing_when_it_does_not_come() {
    let mut rig = Rig::fresh(1);
    let mut taken = 0_i64;
    let busy = loop {
        let readings: Vec<(u32, i64, f64)> = (0..1_000).map(|at| (0, taken * 1_000 + at, 1.5)).collect();
        match rig.store.append(&[commit(taken as u64 * 1_000, &readings)]) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(busy, StoreError::Busy) && busy.is_retryable());
    assert!(rig.reader.stats().memory_bytes < (1 << 20) + (300 << 10), "{:?}", rig.reader.stats());
    assert!(rig.flusher.flush_once().unwrap());
    rig.append(commit(taken as u64 * 1_000, &[(0, taken * 1_000, 1.5)]));
    assert_eq!(rig.all(0).len() as i64, taken * 1_000 + 1);
    assert_eq!(rig.reader.counters().readings as i64, taken * 1_000 + 1);
    let rig = rig.crash(PowerCut::LoseAll);
    assert_eq!(rig.all(0).len() as i64, taken * 1_000 + 1);
}

#[test]
fn journal_segments_are_freed_only_when_files_and_index_have_them() {
    let Opened { mut store, reader, mut flusher, .. } = open(files(), config(), &mut |_| {}).unwrap();
    let mut first = commit(0, &[]);
    first.new_series = new_series(0..1);
    store.append(&[first]).unwrap();
    for round in 0..40_u64 {
        let readings: Vec<(u32, i64, f64)> = (0..500).map(|at| (0, round as i64 * 500 + at, 0.5)).collect();
        store.append(&[commit(round * 500, &readings)]).unwrap();
    }
    store.freeze().unwrap();
    flusher.flush_once().unwrap();
    assert_eq!(reader.journal().stats().kept.0, 0);
    reader.set_indexed(reader.applied());
    store.append(&[commit(20_000, &[(0, 1_000_000, 0.5)])]).unwrap();
    store.freeze().unwrap();
    flusher.flush_once().unwrap();
    assert!(reader.journal().stats().kept.0 > 10);
}

#[test]
fn aggregates_equal_brute_force_over_any_mixture_of_pieces() {
    let mut rig = Rig::fresh(1);
    // In order, a late stretch into the middle, rewrites, and something in memory only.
    let stretch = |from: i64, to: i64, step: i64, scale: f64| -> Vec<(u32, i64, f64)> {
        (from..to).step_by(step as usize).map(|time| (0, time, ((time * 37) % 101) as f64 * scale)).collect()
    };
    for (readings, flush) in [
        (stretch(0, 60_000, 7, 1.0), true),
        (stretch(60_000, 90_000, 7, 1.0), true),
        (stretch(20_000, 30_000, 5, 2.0), true),
        (stretch(200_000, 201_000, 10, 3.0), true),
        (stretch(89_000, 95_000, 3, 4.0), false),
    ] {
        for chunk in readings.chunks(2_000) {
            rig.append(commit(0, chunk));
        }
        if flush {
            rig.flush();
        }
    }
    let all = rig.all(0);
    let aggs = [Agg::Mean, Agg::Min, Agg::Max, Agg::Sum, Agg::Count, Agg::First, Agg::Last];
    for (time, step) in
        [(0..300_000, 1_000), (0..300_000, 100_000), (-5..250_001, 33_333), (500..25_000, 300_000), (0..1, 1)]
    {
        let found = rig.reader.aggregate(SeriesId(0), time.clone(), step, &aggs, 10_000).unwrap();
        for (at, start) in found.starts.iter().enumerate() {
            let within: Vec<f64> = all
                .iter()
                .filter(|(when, _)| *when >= *start && *when < (*start + step).min(time.end))
                .map(|(_, value)| *value)
                .collect();
            assert_eq!(found.counts[at] as usize, within.len());
            assert_eq!(found.columns[4][at], within.len() as f64);
            if within.is_empty() {
                assert!(found.columns[0][at].is_nan() && found.columns[6][at].is_nan());
                continue;
            }
            let sum: f64 = within.iter().sum();
            let expected = [
                sum / within.len() as f64,
                within.iter().copied().fold(f64::INFINITY, f64::min),
                within.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                sum,
                within.len() as f64,
                within[0],
                within[within.len() - 1],
            ];
            for (column, expected) in found.columns.iter().zip(expected) {
                assert_eq!(column[at], expected, "bucket {start} of {time:?} by {step}");
            }
        }
    }
}

#[test]
fn questions_that_are_too_large_get_a_named_error() {
    let mut rig = Rig::fresh(1);
    rig.append(commit(0, &[(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0)]));
    rig.flush();
    let one = SeriesId(0);
    assert_eq!(rig.reader.range(one, ALL, 2), Err(ReadError::TooManyPoints { limit: 2 }));
    assert_eq!(rig.reader.range(one, 2..9, 2).unwrap().times, [2, 3]);
    assert_eq!(rig.reader.range(SeriesId(9), ALL, 2), Err(ReadError::UnknownSeries(SeriesId(9))));
    assert_eq!(
        rig.reader.aggregate(one, ALL, 1, &[Agg::Sum], 100),
        Err(ReadError::TooManyBuckets { limit: 100 })
    );
    assert_eq!(rig.reader.aggregate(one, 0..9, 0, &[Agg::Sum], 100), Err(ReadError::BadStep));
    assert_eq!(rig.reader.range(one, std::ops::Range { start: 9, end: 2 }, 2).unwrap().times, [0_i64; 0]);
}

#[test]
fn series_are_listed_by_name_page_by_page() {
    let mut rig = Rig::fresh(25);
    rig.append(commit(0, &[(3, 7, 1.0)]));
    let first = rig.reader.series("dev-000", None, 10);
    assert_eq!(first.items.len(), 10);
    assert_eq!(
        (first.items[3].first, first.items[3].last, first.items[3].points),
        (Some(7), Some(7), Some(1))
    );
    let second = rig.reader.series("dev-000", first.next.as_deref(), 10);
    let third = rig.reader.series("dev-000", second.next.as_deref(), 10);
    assert_eq!((second.items[0].id, third.items.len(), third.next), (SeriesId(10), 5, None));
    assert_eq!(rig.reader.series("dev-00012", None, 10).items.len(), 1);
    assert_eq!(rig.reader.series("none", None, 10).items, []);
    rig.flush();
    assert_eq!(rig.crash(PowerCut::LoseAll).reader.series("", None, 100).items.len(), 25);
}

#[test]
fn a_store_that_is_closed_leaves_everything_in_files() {
    let rig = Rig::fresh(1);
    let Rig { mut store, reader, flusher, files, .. } = rig;
    std::thread::scope(|scope| {
        let flushing = scope.spawn(|| flusher.run());
        store.append(&[commit(0, &[(0, 1, 1.0)])]).unwrap();
        store.flush().unwrap();
        assert_eq!(reader.counters().pending(), 0);
        store.append(&[commit(1, &[(0, 2, 1.0)])]).unwrap();
        drop(store);
        flushing.join().unwrap().unwrap();
    });
    assert_eq!(reader.counters().pending(), 0);
    drop(reader);
    let rig = Rig::open(files);
    assert_eq!(rig.recovery.replayed_readings, 0);
    assert_eq!(rig.all(0).len(), 2);
}
