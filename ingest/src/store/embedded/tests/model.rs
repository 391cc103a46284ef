//! Random schedules of appends, flushes, merges, retention, crashes and queries against a plain map. Times lie around a
//! month's end and are few, so that duplicates, rewrites and late readings are frequent. Odd series are of a class that is
//! kept for one month, the others are kept for ever.

use std::collections::BTreeMap;

use pantau_journal::sim::PowerCut as Cut;
use pantau_proto::Epoch;
use proptest::prelude::*;

use super::super::{Class, Keep, Retention};
use super::support::{ALL, Rig, commit, files, gateway, new_series};
use crate::store::types::{Agg, Commit, SeriesId};
use crate::store::{Store, StoreReader};

const BASE: i64 = 1_772_323_200_000 - 20_000; // 20 s before 2026-03-01T00:00:00Z
const MARCH: i64 = BASE + 20_000;
const SERIES: u32 = 5;
/// 2026-04-04T00:00:00Z: February is dropped from then on by who keeps a month.
const OVER: i64 = MARCH + 34 * 86_400_000;

fn retention() -> Retention {
    let keep = Keep { raw_months: 1, rollup_months: 1 };
    let rain = Class { name: "rain".to_owned(), quantities: vec!["rainfall".to_owned()], keep };
    Retention { default: Keep::default(), classes: vec![rain] }
}

#[derive(Clone, Debug)]
enum Op {
    /// Several commits in one append.
    Append(Vec<Vec<(u32, i64, i8)>>),
    /// Set the table aside, so that the next appends go to another.
    Freeze,
    /// Write what is set aside.
    Flush,
    /// The same, while the n-th write or sync fails; then the power goes, or it is tried again.
    FlushFails(u64, bool, Option<Cut>),
    /// Merge what is worth it, or everything.
    Merge(bool),
    /// The same, while the n-th write or sync fails; then the power goes, or it is tried again.
    MergeFails(u64, bool, Option<Cut>),
    /// Drop what is over, when that is the class's February or just not yet.
    Retain(bool),
    /// The same, while the n-th write or sync fails; then the power goes, or it is tried again.
    RetainFails(u64, bool, Option<Cut>),
    PowerCut(Cut),
    Kill,
    Aggregate(i64, i64),
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![Just(Cut::LoseAll), Just(Cut::KeepAll), any::<u64>().prop_map(Cut::Tear)]
}

fn op() -> impl Strategy<Value = Op> {
    let reading = (0..SERIES, 0_i64..40, -2_i8..3);
    let commits = prop::collection::vec(prop::collection::vec(reading, 0..30), 1..4);
    prop_oneof![
        8 => commits.prop_map(Op::Append),
        2 => Just(Op::Freeze),
        4 => Just(Op::Flush),
        3 => (0_u64..8, any::<bool>(), prop::option::of(cut())).prop_map(|(at, sync, cut)| Op::FlushFails(at, sync, cut)),
        3 => any::<bool>().prop_map(Op::Merge),
        2 => (0_u64..8, any::<bool>(), prop::option::of(cut())).prop_map(|(at, sync, cut)| Op::MergeFails(at, sync, cut)),
        2 => prop::bool::weighted(0.8).prop_map(Op::Retain),
        2 => (0_u64..4, any::<bool>(), prop::option::of(cut())).prop_map(|(at, sync, cut)| Op::RetainFails(at, sync, cut)),
        2 => cut().prop_map(Op::PowerCut),
        1 => Just(Op::Kill),
        2 => (0_i64..40, 1_i64..30).prop_map(|(from, step)| Op::Aggregate(from, step)),
    ]
}

#[derive(Default)]
struct Model {
    values: BTreeMap<(u32, i64), f64>,
    readings: u64,
    positions: u64,
    series: u32,
    /// Identities that retention dropped.
    dropped: u64,
}

impl Model {
    /// The commits to hand in; series are made when they are first used.
    fn commits(&mut self, group: &[Vec<(u32, i64, i8)>]) -> Vec<Commit> {
        let mut commits = Vec::new();
        for readings in group {
            let mut known = self.series;
            for (series, ..) in readings {
                known = known.max(series + 1);
            }
            let readings: Vec<(u32, i64, f64)> = readings
                .iter()
                .map(|&(series, at, value)| (series, BASE + at * 1_000, f64::from(value) / 4.0))
                .collect();
            let mut next = commit(self.positions, &readings);
            next.new_series = new_series(self.series..known);
            for series in next.new_series.iter_mut().filter(|series| series.id.0 % 2 == 1) {
                series.name = format!("dev-{:05}/rainfall", series.id.0).into();
            }
            self.series = known;
            self.positions += readings.len() as u64;
            self.readings += readings.len() as u64;
            self.values.extend(readings.iter().map(|&(series, time, value)| ((series, time), value)));
            commits.push(next);
        }
        commits
    }

    fn of(&self, series: u32) -> Vec<(i64, f64)> {
        self.values
            .range((series, i64::MIN)..=(series, i64::MAX))
            .map(|(&(_, time), &value)| (time, value))
            .collect()
    }

    fn check(&self, rig: &Rig) {
        for series in 0..self.series {
            let expected = self.of(series);
            assert_eq!(rig.all(series), expected, "series {series}");
            let latest = rig.reader.latest(&[SeriesId(series)])[0].map(|point| (point.time, point.value));
            assert_eq!(latest, expected.last().copied());
        }
        let counters = rig.reader.counters();
        assert_eq!(counters.readings, self.readings);
        assert_eq!(
            counters.readings,
            counters.stored + counters.duplicates + counters.replaced + counters.pending()
        );
        assert_eq!(rig.reader.ranges(&gateway(), Epoch(1)).len_positions(), self.positions);
        assert_eq!(rig.reader.series("", None, 100).items.len(), self.series as usize);
    }

    /// The class's February goes once anything of a later month is in a file.
    fn expire(&mut self) {
        if self.values.keys().any(|(_, time)| *time >= MARCH) {
            let before = self.values.len();
            self.values.retain(|(series, time), _| series % 2 == 0 || *time >= MARCH);
            self.dropped += (before - self.values.len()) as u64;
        }
    }

    fn check_buckets(&self, rig: &Rig, from: i64, step: i64) {
        let time = BASE + from * 1_000..BASE + 45_000;
        let step = step * 500;
        for series in 0..self.series {
            let found = rig
                .reader
                .aggregate(SeriesId(series), time.clone(), step, &[Agg::Sum, Agg::Last], 1_000)
                .unwrap();
            let all = self.of(series);
            for (at, start) in found.starts.iter().enumerate() {
                let end = (start + step).min(time.end);
                let within: Vec<f64> = all
                    .iter()
                    .filter(|(when, _)| (*start..end).contains(when))
                    .map(|(_, value)| *value)
                    .collect();
                assert_eq!(found.counts[at] as usize, within.len());
                // Quarters are exact, so the order of summing does not matter.
                assert!(within.is_empty() || found.columns[0][at] == within.iter().sum::<f64>());
                assert!(within.is_empty() || Some(&found.columns[1][at]) == within.last());
            }
        }
    }
}

/// Does something while a write or sync fails: the one after `after` others.
fn failing(rig: &mut Rig, after: u64, sync: bool, work: impl FnOnce(&mut Rig)) {
    if sync {
        rig.files.fail_sync(after)
    } else {
        rig.files.fail_write(after)
    }
    work(rig);
    rig.files.fail_sync(u64::MAX);
    rig.files.fail_write(u64::MAX);
}

fn play(ops: Vec<Op>) {
    let mut rig = Rig::keeping(files(), retention());
    let mut model = Model::default();
    for op in ops {
        match op {
            Op::Append(group) => {
                let commits = model.commits(&group);
                assert_eq!(rig.store.append(&commits).unwrap(), commits.len());
            }
            Op::Freeze => {
                let _ = rig.store.freeze();
            }
            Op::Flush => {
                rig.flusher.flush_once().unwrap();
                rig.flush();
                let counters = rig.reader.counters();
                let stored = model.values.len() as u64 + model.dropped;
                assert_eq!((counters.stored, counters.pending()), (stored, 0));
            }
            Op::FlushFails(after, sync, cut) => {
                let _ = rig.store.freeze();
                failing(&mut rig, after, sync, |rig| drop(rig.flusher.flush_once()));
                model.check(&rig);
                match cut {
                    Some(cut) => rig = rig.crash(cut),
                    None => {
                        rig.flusher.flush_once().unwrap();
                    }
                }
            }
            Op::Merge(whole) => {
                while rig.compactor.work(whole).unwrap() {}
                rig.compactor.sweep();
                assert!(!whole || rig.reader.stats().files <= 4, "each month of a class is one file");
            }
            Op::MergeFails(after, sync, cut) => {
                failing(&mut rig, after, sync, |rig| drop(rig.compactor.merge_all()));
                model.check(&rig);
                match cut {
                    Some(cut) => rig = rig.crash(cut),
                    None => rig.compactor.merge_all().unwrap(),
                }
            }
            Op::Retain(over) => {
                rig.flusher.flush_once().unwrap();
                rig.flush();
                rig.compactor.expire(if over { OVER } else { OVER - 1 }).unwrap();
                rig.compactor.sweep();
                if over {
                    model.expire();
                }
            }
            Op::RetainFails(after, sync, cut) => {
                rig.flusher.flush_once().unwrap();
                rig.flush();
                let before = rig.reader.stats().expired_files;
                failing(&mut rig, after, sync, |rig| drop(rig.compactor.expire(OVER)));
                match cut {
                    Some(cut) => rig = rig.crash(cut),
                    None => drop(rig.compactor.expire(OVER).unwrap()),
                }
                // A power cut leaves it done or not.
                if cut.is_none() || rig.reader.stats().expired_files > before {
                    model.expire();
                }
            }
            Op::PowerCut(cut) => rig = rig.crash(cut),
            Op::Kill => rig = rig.kill(),
            Op::Aggregate(from, step) => model.check_buckets(&rig, from, step),
        }
        assert_eq!(rig.recovery.damage, Vec::<String>::new());
        model.check(&rig);
    }
    let points = rig.reader.range(SeriesId(0), ALL, usize::MAX);
    assert!(points.is_ok() || model.series == 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_gives_what_a_plain_map_gives(ops in prop::collection::vec(op(), 1..50)) {
        play(ops);
    }
}
