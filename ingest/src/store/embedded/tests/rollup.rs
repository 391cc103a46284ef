//! Answers from roll-ups against plain reckoning: random schedules of dense and late readings, corrections, flushes,
//! merges, dropped readings and crashes, over a month's end. And that they are taken, and cost no reading.

use std::collections::BTreeMap;
use std::ops::Range;

use pantau_journal::FileLayer;
use pantau_journal::sim::PowerCut as Cut;
use pantau_proto::Flags;
use proptest::prelude::*;

use super::support::{DIR, Rig, commit, gateway};
use crate::store::StoreReader;
use crate::store::types::{Agg, Level, NewSeries, SeriesId};

const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// Midnight in WIB, three days before March 2026 begins in UTC.
pub(super) const BASE: i64 = 1_772_323_200_000 - 3 * DAY - 7 * HOUR;
const NAMES: [&str; 3] = ["sko-1/temperature", "sko-1/pulses", "sko-1/wind_direction"];
const AGGS: [Agg; 7] = [Agg::Mean, Agg::Min, Agg::Max, Agg::Sum, Agg::Count, Agg::First, Agg::Last];

fn rig() -> Rig {
    let mut rig = Rig::fresh(0);
    let mut first = commit(0, &[]);
    first.new_series = (0..)
        .zip(NAMES)
        .map(|(id, name)| NewSeries { id: SeriesId(id), name: name.into(), gateway: gateway() })
        .collect();
    rig.append(first);
    rig
}

/// What suits every one of them, and what only a counter or a direction has.
fn aggs(series: u32) -> Vec<Agg> {
    let own = [None, Some(Agg::Increase), Some(Agg::VectorMean)][series as usize];
    AGGS.into_iter().chain(own).collect()
}

#[derive(Clone, Debug)]
enum Op {
    /// So many readings of a series from a minute on, every so many seconds, with values that go up and down by this.
    Append(u32, i64, i64, i64, u16),
    Flush,
    /// Merges and roll-ups: what is worth it, or everything.
    Work(bool),
    /// The same while the n-th write or sync fails, and then the power.
    WorkFails(u64, bool, Cut),
    /// A step of hours or days, from an hour to another.
    Ask(u32, i64, i64, i64),
    Kill,
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![Just(Cut::LoseAll), Just(Cut::KeepAll), any::<u64>().prop_map(Cut::Tear)]
}

fn op() -> impl Strategy<Value = Op> {
    let minute = 0_i64..6 * 24 * 60;
    prop_oneof![
        6 => (0_u32..3, minute.clone(), 1_i64..900, 20_i64..200, 0_u16..100).prop_map(|(s, at, n, step, w)| Op::Append(s, at, n, step, w)),
        2 => (0_u32..3, minute, 1_i64..4, 1_i64..9, 0_u16..100).prop_map(|(s, at, n, step, w)| Op::Append(s, at, n, step, w)),
        4 => Just(Op::Flush),
        4 => any::<bool>().prop_map(Op::Work),
        2 => (0_u64..20, any::<bool>(), cut()).prop_map(|(at, sync, cut)| Op::WorkFails(at, sync, cut)),
        4 => (0_u32..3, 0_i64..5, 1_i64..6 * 24, 1_i64..30).prop_map(|(s, from, len, step)| Op::Ask(s, from, len, step)),
        1 => Just(Op::Kill),
    ]
}

/// Readings by series and time, with their flags.
pub(super) type Model = BTreeMap<(u32, i64), (f64, u16)>;

fn near(found: f64, expected: f64) -> bool {
    (found.is_nan() && expected.is_nan()) || (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

fn expected(within: &[f64], before: Option<f64>, agg: Agg) -> f64 {
    let sum: f64 = within.iter().sum();
    match (agg, within) {
        (Agg::Count, _) => within.len() as f64,
        (_, []) => f64::NAN,
        (Agg::Mean, _) => sum / within.len() as f64,
        (Agg::Min, _) => within.iter().copied().fold(f64::NAN, f64::min),
        (Agg::Max, _) => within.iter().copied().fold(f64::NAN, f64::max),
        (Agg::Sum, _) => sum,
        (Agg::First, [first, ..]) => *first,
        (Agg::Last, [.., last]) => *last,
        (Agg::Increase, _) => {
            let all: Vec<f64> = before.into_iter().chain(within.iter().copied()).collect();
            all.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).sum()
        }
        (Agg::VectorMean, _) => {
            let (sines, cosines) = within.iter().fold((0.0, 0.0), |(sines, cosines), value| {
                (sines + value.to_radians().sin(), cosines + value.to_radians().cos())
            });
            sines.atan2(cosines).to_degrees().rem_euclid(360.0)
        }
        (Agg::P95, _) => unreachable!("not asked for here"),
    }
}

pub(super) fn check(rig: &Rig, model: &Model, series: u32, time: &Range<i64>, step: i64) {
    let aggs = aggs(series);
    let found = rig.reader.aggregate(SeriesId(series), time.clone(), step, &aggs, 10_000).unwrap();
    let mut flags = (0, 0);
    for (at, start) in found.starts.iter().enumerate() {
        let end = (start + step).min(time.end);
        let readings: Vec<(f64, u16)> =
            model.range((series, *start)..(series, end)).map(|(_, reading)| *reading).collect();
        let within: Vec<f64> = readings.iter().map(|reading| reading.0).collect();
        flags.0 += readings.iter().filter(|reading| reading.1 & Flags::LATE.0 != 0).count() as u64;
        flags.1 += readings.iter().filter(|reading| reading.1 & Flags::SPIKE.0 != 0).count() as u64;
        assert_eq!(found.counts[at] as usize, within.len(), "bucket {at} of {series} by {step}");
        let before =
            model.range((series, i64::MIN)..(series, *start)).next_back().map(|(_, reading)| reading.0);
        for (agg, column) in aggs.iter().zip(&found.columns) {
            let expected = expected(&within, before, *agg);
            // Directions that all but cancel each other out have no direction to speak of, and 0 is 360.
            let sums = within.iter().fold((0.0, 0.0), |(sines, cosines), value: &f64| {
                (sines + value.to_radians().sin(), cosines + value.to_radians().cos())
            });
            let away = (column[at] - expected).rem_euclid(360.0);
            let same = match agg {
                Agg::VectorMean => away.min(360.0 - away) < 1e-6 || sums.0.hypot(sums.1) < 1e-6,
                _ => false,
            };
            assert!(
                same || near(column[at], expected),
                "{agg:?} in bucket {at} of {series} by {step}: {} is not {expected}",
                column[at]
            );
        }
    }
    assert_eq!((found.late, found.flagged, found.damaged), (flags.0, flags.1, 0));
}

fn play(ops: Vec<Op>) {
    let mut rig = rig();
    let mut model = Model::new();
    let mut position = 0;
    for op in ops {
        match op {
            Op::Append(series, minute, count, step, wild) => {
                let value = |at: i64| match series {
                    1 => (at % 1_000) as f64,
                    2 => ((at * i64::from(wild + 1)) % 3_600) as f64 / 10.0,
                    _ => (at % i64::from(wild + 1)) as f64 / 10.0,
                };
                let flag = |at: i64| match at % 97 {
                    0 => Flags::LATE.0,
                    1 => Flags::SPIKE.0,
                    _ => 0,
                };
                let at = |number: i64| BASE + minute * MINUTE + number * step * 1_000;
                let readings: Vec<_> = (0..count).map(|n| (series, at(n), value(n + minute))).collect();
                let mut next = commit(position, &readings);
                next.readings.flags = (0..count).map(flag).collect();
                for (reading, flags) in readings.iter().zip(&next.readings.flags) {
                    let known = model.entry((reading.0, reading.1)).or_insert((f64::NAN, 0));
                    // The same value again changes nothing, not even the flags.
                    if known.0.to_bits() != reading.2.to_bits() {
                        *known = (reading.2, *flags);
                    }
                }
                position += count as u64;
                rig.append(next);
            }
            Op::Flush => rig.flush(),
            Op::Work(whole) => {
                while rig.compactor.work(whole).unwrap() {}
                rig.compactor.sweep();
            }
            Op::WorkFails(after, sync, cut) => {
                if sync {
                    rig.files.fail_sync(after)
                } else {
                    rig.files.fail_write(after)
                }
                drop(rig.compactor.merge_all());
                rig.files.fail_sync(u64::MAX);
                rig.files.fail_write(u64::MAX);
                rig = rig.crash(cut);
                assert_eq!(rig.recovery.damage, Vec::<String>::new());
            }
            Op::Kill => {
                rig = rig.kill();
                assert_eq!(rig.recovery.damage, Vec::<String>::new());
            }
            Op::Ask(series, from, len, step) => {
                let time = BASE + from * DAY..BASE + from * DAY + len * HOUR + 7 * MINUTE;
                check(&rig, &model, series, &time, step * HOUR);
            }
        }
        for series in 0..3 {
            check(&rig, &model, series, &(BASE..BASE + 8 * DAY), DAY);
            check(&rig, &model, series, &(BASE + DAY..BASE + 4 * DAY), HOUR);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_gives_the_steps_that_the_readings_give(ops in prop::collection::vec(op(), 1..30)) {
        play(ops);
    }
}

/// Three days every 30 s in one part of February, and a day of March, rolled up.
pub(super) fn rolled() -> (Rig, Model) {
    let mut rig = rig();
    let mut model = Model::new();
    let mut position = 0;
    for series in 0..3 {
        for day in 0..5 {
            let readings: Vec<_> = (day * 2_880..(day + 1) * 2_880)
                .map(|n| (series, BASE + n * 30_000, ((n * 7) % 3_600) as f64 / 10.0))
                .collect();
            model.extend(readings.iter().map(|reading| ((reading.0, reading.1), (reading.2, 0))));
            rig.append(commit(position, &readings));
            position += 2_880;
        }
        rig.flush();
    }
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    (rig, model)
}

fn ask(rig: &Rig, step: i64) -> (u64, u64, Option<Level>) {
    let found = rig.reader.aggregate(SeriesId(0), BASE..BASE + 5 * DAY, step, &[Agg::Mean], 10_000).unwrap();
    (found.counts.iter().sum(), found.damaged, found.rollup)
}

#[test]
fn full_steps_are_answered_without_reading_a_reading() {
    let (rig, model) = rolled();
    for step in [HOUR, 3 * HOUR, DAY, 2 * DAY] {
        (0..3).for_each(|series| check(&rig, &model, series, &(BASE..BASE + 5 * DAY), step));
    }
    let names: Vec<String> = rig
        .files
        .list(&std::path::Path::new(DIR).join("data"))
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".rol")).count(), 2, "{names:?}");
    assert_eq!(ask(&rig, 30 * MINUTE).2, None);
    assert_eq!(ask(&rig, HOUR).2, Some(Level::Hour));
    // Every block of readings is spoilt: steps are answered all the same, and others are not.
    for name in names.iter().filter(|name| name.ends_with(".pts")) {
        rig.files.flip(&std::path::Path::new(DIR).join("data").join(name), 60, 1);
    }
    assert_eq!(ask(&rig, DAY), (14_400, 0, Some(Level::Day)));
    assert!(ask(&rig, 30 * MINUTE).1 > 0);
}

#[test]
fn what_is_late_is_in_the_next_answer() {
    let (mut rig, mut model) = rolled();
    let late = [(0, BASE + DAY + 5, 99.5), (0, BASE + 2 * DAY, -4.0)];
    rig.append(commit(50_000, &late));
    model.extend(late.iter().map(|reading| ((reading.0, reading.1), (reading.2, 0))));
    for flushed in [false, true] {
        if flushed {
            rig.flush();
        }
        check(&rig, &model, 0, &(BASE..BASE + 5 * DAY), DAY);
        check(&rig, &model, 0, &(BASE..BASE + 5 * DAY), HOUR);
        assert_eq!(ask(&rig, HOUR), (14_401, 0, Some(Level::Hour)));
    }
}

#[test]
fn when_the_readings_are_dropped_their_roll_ups_answer_also_after_a_restart() {
    let (mut rig, model) = rolled();
    let february = rig.reader.shared.lock().files[0].clone();
    assert!(rig.compactor.drop_readings(&february).unwrap());
    drop(february);
    rig.compactor.sweep();
    for restarted in [false, true] {
        if restarted {
            rig = rig.kill();
            assert_eq!(rig.recovery.damage, Vec::<String>::new());
        }
        for step in [HOUR, DAY] {
            (0..3).for_each(|series| check(&rig, &model, series, &(BASE..BASE + 5 * DAY), step));
        }
        let files = rig.files.list(&std::path::Path::new(DIR).join("data")).unwrap();
        assert_eq!(files.len(), 3, "{files:?}");
        // The rise to the first reading of a day is from the last one of the day before, although that is rolled up.
        check(&rig, &model, 1, &(BASE + DAY..BASE + 5 * DAY), DAY);
        let info = rig.reader.info(SeriesId(1)).unwrap();
        assert_eq!((info.first, info.points), (Some(BASE), Some(14_400)));
        let left = rig.reader.range(SeriesId(0), BASE..BASE + 5 * DAY, 100_000).unwrap();
        assert_eq!(left.times.first(), Some(&1_772_323_200_000), "the readings of March are left");
        let percentiles =
            rig.reader.aggregate(SeriesId(0), BASE..BASE + 5 * DAY, DAY, &[Agg::P95], 100).unwrap();
        assert!(percentiles.columns[0][0].is_nan() && percentiles.columns[0][4] > 0.0);
    }
    // Damage in it has nothing to fall back on, and is told.
    let alone = rig.reader.shared.lock().files[0].rollup.get().unwrap().path.clone();
    rig.files.flip(&alone, 100, 1);
    let found =
        rig.kill().reader.aggregate(SeriesId(0), BASE..BASE + 5 * DAY, HOUR, &[Agg::Mean], 200).unwrap();
    assert!(found.damaged > 0 && found.counts[0] == 0 && found.counts[100] > 0, "{found:?}");
}
