//! Retention: each series in its class's files, whatever the configuration says later; and what is over is dropped, all of
//! it and nothing else.

use std::path::Path;

use pantau_journal::FileLayer as _;
use pantau_journal::sim::PowerCut;

use super::super::{Class, Keep, Retention};
use super::support::{ALL, DIR, Rig, commit, data_files, files, new_series};
use crate::store::StoreReader as _;
use crate::store::types::{Agg, SeriesId};

const MARCH: i64 = 1_772_323_200_000;

fn class(name: &str, quantity: &str) -> Class {
    Class { name: name.to_owned(), quantities: vec![quantity.to_owned()], keep: Keep::default() }
}

fn classes(classes: &[(&str, &str)]) -> Retention {
    let classes = classes.iter().map(|(name, quantity)| class(name, quantity)).collect();
    Retention { default: Keep::default(), classes }
}

/// Two series: 0 of temperature, 1 of rainfall.
fn start(retention: &Retention) -> Rig {
    let mut rig = Rig::keeping(files(), retention.clone());
    let mut first = commit(0, &[(0, MARCH, 1.0), (1, MARCH, 1.0)]);
    first.new_series = new_series(0..2);
    first.new_series[1].name = "dev/rainfall/b".into();
    rig.append(first);
    rig.flush();
    rig
}

#[test]
fn each_series_lies_in_the_files_of_its_class_and_merges_stay_within() {
    let mut rig = start(&classes(&[("noise", "sound_level"), ("rain", "rainfall")]));
    assert_eq!(data_files(&rig), ["2026-03-0000000000.pts", "2026-03-c2-0000000001.pts"]);
    for at in 1..5 {
        rig.append(commit(at * 2, &[(0, MARCH + at as i64, 1.0), (1, MARCH + at as i64, 2.0)]));
        rig.flush();
    }
    let all = [rig.all(0), rig.all(1)];
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    assert_eq!(data_files(&rig), ["2026-03-0000000008-1.pts", "2026-03-c2-0000000009-1.pts"]);
    assert_eq!([rig.all(0), rig.all(1)], all);
    // Without its manifest the names are lost; no other class takes their numbers.
    rig.files.remove(&Path::new(DIR).join("MANIFEST")).unwrap();
    let rig = Rig::keeping(rig.files.kill(), classes(&[("rain", "rainfall")]));
    assert_eq!([rig.all(0), rig.all(1)], all);
    assert_eq!(rig.recovery.kept_for_ever, ["c2 (its name is lost)"]);
}

#[test]
fn a_quantity_that_comes_back_to_its_old_class_keeps_its_newest_readings() {
    let (rain, none) = (classes(&[("rain", "rainfall")]), classes(&[]));
    let mut rig = start(&rain);
    for (retention, value) in [(&none, 2.0), (&rain, 3.0), (&none, 4.0)] {
        rig = Rig::keeping(rig.files.kill(), retention.clone());
        rig.append(commit(value as u64 * 2, &[(0, MARCH, value), (1, MARCH, value)]));
        rig.flush();
        rig.compactor.merge_all().unwrap();
        assert_eq!([rig.all(0), rig.all(1)], [[(MARCH, value)], [(MARCH, value)]]);
    }
    assert_eq!(rig.recovery.kept_for_ever, ["rain"]);
}

#[test]
fn files_of_a_class_are_not_merged_over_a_change() {
    // The old class gets a file after the change, in which the quantity is no longer.
    let both =
        Class { quantities: vec!["rainfall".to_owned(), "temperature".to_owned()], ..class("all", "") };
    let mut rig = start(&Retention { default: Keep::default(), classes: vec![both] });
    rig = Rig::keeping(rig.files.kill(), classes(&[("all", "temperature")]));
    rig.append(commit(2, &[(1, MARCH, 2.0)]));
    rig.flush();
    rig.append(commit(3, &[(0, MARCH, 2.0)]));
    rig.flush();
    rig.compactor.merge_all().unwrap();
    assert_eq!([rig.all(0), rig.all(1)], [[(MARCH, 2.0)], [(MARCH, 2.0)]]);
}

/// Two months of series 1 (rain, kept for a month), one of series 0.
fn two_months() -> Rig {
    let keep = Keep { raw_months: 1, rollup_months: 1 };
    let rain = Class { keep, ..class("rain", "rainfall") };
    let mut rig = start(&Retention { default: Keep::default(), classes: vec![rain] });
    rig.append(commit(2, &[(0, MARCH - 5, 7.0), (1, MARCH - 5, 7.0), (1, MARCH - 4, 8.0)]));
    rig.flush();
    assert_eq!(data_files(&rig).len(), 4);
    rig
}

const APRIL_4: i64 = MARCH + 34 * 86_400_000;

#[test]
fn what_is_over_is_dropped_with_its_file_and_the_series_tells_what_is_left() {
    let mut rig = two_months();
    let held = rig.reader.shared.lock().files.clone();
    let counters = rig.reader.counters();
    assert!(!rig.compactor.expire(APRIL_4 - 1).unwrap());
    assert!(rig.compactor.expire(APRIL_4).unwrap());
    rig.compactor.sweep();
    assert_eq!(data_files(&rig).len(), 4, "somebody reads it");
    drop(held);
    rig.compactor.sweep();
    for rig in [rig, two_months_dropped().kill()] {
        let names = data_files(&rig);
        assert_eq!(names, ["2026-02-0000000002.pts", "2026-03-0000000000.pts", "2026-03-c1-0000000001.pts"]);
        assert_eq!(rig.all(1), [(MARCH, 1.0)]);
        assert_eq!(rig.all(0), [(MARCH - 5, 7.0), (MARCH, 1.0)]);
        let info = rig.reader.info(SeriesId(1)).unwrap();
        assert_eq!((info.first, info.last, info.points), (Some(MARCH), Some(MARCH), Some(1)));
        assert_eq!(rig.reader.counters(), counters, "what was stored was stored");
        let stats = rig.reader.stats();
        assert_eq!((stats.expired_files, stats.expired_readings), (1, 2));
    }
}

/// Dropped, and killed before the file is removed.
fn two_months_dropped() -> Rig {
    let mut rig = two_months();
    rig.compactor.expire(APRIL_4).unwrap();
    assert_eq!(data_files(&rig).len(), 4);
    rig
}

#[test]
fn a_series_with_nothing_left_stays_known_and_begins_anew() {
    let mut rig = two_months();
    // March goes as well, once there is something of a later month.
    rig.append(commit(5, &[(0, APRIL_4, 9.0)]));
    rig.flush();
    let may_4 = APRIL_4 + 30 * 86_400_000;
    while rig.compactor.expire(may_4).unwrap() {}
    rig.compactor.sweep();
    let info = rig.reader.info(SeriesId(1)).unwrap();
    assert_eq!((info.first, info.last, info.points, rig.all(1)), (None, None, Some(0), vec![]));
    assert_eq!(rig.reader.latest(&[SeriesId(1)]), [None]);
    assert_eq!(rig.reader.series("", None, 9).items.len(), 2);
    // In memory and older than what was the newest.
    rig.append(commit(6, &[(1, MARCH - 1, 3.0)]));
    assert_eq!(rig.reader.latest(&[SeriesId(1)])[0].map(|point| point.value), Some(3.0));
    assert_eq!(rig.all(1), [(MARCH - 1, 3.0)]);
}

#[test]
fn memory_counts_for_what_is_left() {
    let mut rig = two_months();
    rig.append(commit(5, &[(1, MARCH - 2, 5.0), (1, MARCH - 3, 6.0)]));
    rig.store.freeze().unwrap();
    rig.append(commit(7, &[(1, MARCH - 6, 4.0)]));
    rig.compactor.expire(APRIL_4).unwrap();
    let info = rig.reader.info(SeriesId(1)).unwrap();
    assert_eq!((info.first, info.last, info.points), (Some(MARCH - 6), Some(MARCH), Some(4)));
}

#[test]
fn a_power_cut_at_any_step_of_a_drop_leaves_all_or_the_rest() {
    for cut in [PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::Tear(7)] {
        for (step, sync) in (0..4).flat_map(|step| [(step, false), (step, true)]) {
            let mut rig = two_months();
            if sync {
                rig.files.fail_sync(step)
            } else {
                rig.files.fail_write(step)
            }
            let _ = rig.compactor.expire(APRIL_4);
            rig.files.fail_sync(u64::MAX);
            rig.files.fail_write(u64::MAX);
            let rig = rig.crash(cut);
            let left = rig.all(1);
            let gone = rig.reader.stats().expired_files == 1;
            assert_eq!(left.len(), if gone { 1 } else { 3 }, "{cut:?} {step} {sync}");
            assert_eq!((rig.recovery.damage.len(), data_files(&rig).len()), (0, if gone { 3 } else { 4 }));
        }
    }
}

#[test]
fn a_damaged_file_goes_when_its_readings_are_over() {
    let rig = two_months();
    let damaged = Path::new(DIR).join("data/2026-02-c1-0000000003.pts");
    assert!(rig.files.contents(&damaged).is_some());
    rig.files.flip(&damaged, 60, 1);
    let keep = Keep { raw_months: 1, rollup_months: 0 };
    let rain = Class { keep, ..class("rain", "rainfall") };
    let mut rig = Rig::keeping(rig.files.kill(), Retention { default: Keep::default(), classes: vec![rain] });
    rig.append(commit(5, &[(1, MARCH - 2, 5.0)]));
    rig.flush();
    // Its roll-ups are wanted, so it is to be merged; that finds the damage.
    assert!(!rig.compactor.expire(APRIL_4).unwrap());
    while rig.compactor.merge_next(false).unwrap() {}
    assert!(rig.compactor.expire(APRIL_4).unwrap());
    rig.compactor.sweep();
    assert_eq!(rig.all(1), [(MARCH - 2, 5.0), (MARCH, 1.0)]);
}

#[test]
fn who_reads_while_a_month_is_dropped_sees_all_of_it_or_nothing() {
    for _ in 0..30 {
        let mut rig = two_months();
        let reader = rig.reader.clone();
        let (begun, wait) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut lens = Vec::new();
                while lens.last() != Some(&1) {
                    let points = reader.range(SeriesId(1), ALL, 9).unwrap();
                    let sums = reader.aggregate(SeriesId(1), MARCH - 9..MARCH, 9, &[Agg::Sum], 1).unwrap();
                    assert_eq!((points.damaged, sums.damaged), (0, 0));
                    assert!([0.0, 15.0].contains(&sums.columns[0][0]) || sums.counts[0] == 0, "{sums:?}");
                    lens.push(points.times.len());
                    let _ = begun.send(());
                }
                assert!(lens.iter().all(|len| [1, 3].contains(len)), "{lens:?}");
            });
            wait.recv().unwrap();
            rig.compactor.expire(APRIL_4).unwrap();
            while data_files(&rig).len() > 3 {
                rig.compactor.sweep();
            }
            reading.join().unwrap();
        });
    }
}

#[test]
fn readings_go_first_and_their_roll_ups_when_those_are_over_too() {
    let rig = two_months();
    let keep = Keep { raw_months: 1, rollup_months: 2 };
    let rain = Class { keep, ..class("rain", "rainfall") };
    let mut rig = Rig::keeping(rig.files.kill(), Retention { default: Keep::default(), classes: vec![rain] });
    assert!(!rig.compactor.expire(APRIL_4).unwrap(), "first it is rolled up");
    while rig.compactor.work(false).unwrap() {}
    while rig.compactor.expire(APRIL_4).unwrap() {}
    rig.compactor.sweep();
    let day = |rig: &Rig| {
        let (from, to) = (MARCH - 31 * 3_600_000, MARCH - 7 * 3_600_000 + 86_400_000);
        rig.reader.aggregate(SeriesId(1), from..to, 86_400_000, &[Agg::Sum], 9).unwrap()
    };
    for restarted in [false, true] {
        if restarted {
            rig = rig.kill();
        }
        assert_eq!(rig.all(1), [(MARCH, 1.0)]);
        let info = rig.reader.info(SeriesId(1)).unwrap();
        assert_eq!((info.first, info.last, info.points), (Some(MARCH - 5), Some(MARCH), Some(3)));
        // The day is in both months: of February its roll-up, of March the reading.
        assert_eq!((day(&rig).counts, day(&rig).columns[0][1]), (vec![0, 3], 16.0));
        assert_eq!(rig.reader.stats().expired_files, 1);
    }
    // Their roll-ups a month later, once there is something of a later month.
    rig.append(commit(5, &[(0, APRIL_4, 9.0)]));
    rig.flush();
    let may_4 = APRIL_4 + 30 * 86_400_000;
    while rig.compactor.work(false).unwrap() {}
    while rig.compactor.expire(may_4).unwrap() {}
    let info = rig.reader.info(SeriesId(1)).unwrap();
    assert_eq!((info.first, info.last, info.points), (Some(MARCH), Some(MARCH), Some(1)));
}

/// February of two classes is over and rolled up: 12,500 readings of temperature and 7,500 of rainfall that no encoder makes
/// small. Bytes of either, and of all files there are.
fn two_over() -> (Rig, [u64; 2], u64) {
    let keep = Keep { raw_months: 1, rollup_months: 0 };
    let rain = Class { keep, ..class("rain", "rainfall") };
    let mut rig = start(&Retention { default: keep, classes: vec![rain] });
    let (mut seed, mut position) = (1_u64, 2);
    let mut noise = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits(seed >> 12 | 0x3ff0_0000_0000_0000)
    };
    for (series, count) in [(0, 12_500), (1, 7_500)] {
        let readings: Vec<_> =
            (0..count).map(|at| (series, MARCH - (count - at) * 10_000, noise())).collect();
        for part in readings.chunks(2_500) {
            rig.append(commit(position, part));
            position += part.len() as u64;
        }
        rig.flush();
    }
    while rig.compactor.work(true).unwrap() {}
    rig.compactor.sweep();
    let bytes =
        |name: &str| rig.files.contents(&Path::new(DIR).join("data").join(name)).unwrap().len() as u64;
    let over = ["2026-02-0000000002.pts", "2026-02-c1-0000000003.pts"].map(bytes);
    rig.files.set_capacity(1 << 40);
    let used = (1 << 40) - rig.files.free_bytes(Path::new(DIR)).unwrap();
    (rig, over, used)
}

const BESIDE: u64 = 1 << 20;

#[test]
fn on_a_full_disk_the_smaller_month_goes_first_and_makes_room_for_the_larger_whatever_the_floor() {
    let (mut rig, [large, small], used) = two_over();
    rig.compactor.free_floor_bytes = 1 << 50;
    let free = BESIDE + small / 2 + 1_000;
    assert!(free < BESIDE + large / 2, "{large} and {small}");
    rig.files.set_capacity(used + free);
    assert!(rig.compactor.expire(APRIL_4).unwrap());
    rig.compactor.sweep();
    let stats = rig.reader.stats();
    assert_eq!((stats.expired_files, stats.expired_readings, stats.overdue_bytes), (2, 20_000, 0));
    assert_eq!([rig.all(0), rig.all(1)], [[(MARCH, 1.0)], [(MARCH, 1.0)]]);
    let day = MARCH - 31 * 3_600_000..MARCH - 7 * 3_600_000;
    for series in [0, 1] {
        let found =
            rig.reader.aggregate(SeriesId(series), day.clone(), 86_400_000, &[Agg::Count], 9).unwrap();
        assert!(found.counts[0] > 2_500 && found.damaged == 0, "{found:?}");
    }
}

#[test]
fn what_waits_for_room_is_told_with_how_much_it_needs_and_goes_when_there_is_some() {
    let (mut rig, [large, small], used) = two_over();
    rig.files.set_capacity(used + small / 2);
    let told = rig.compactor.expire(APRIL_4).unwrap_err().to_string();
    let said = format!(
        "cannot roll up the readings of 2026-02 of class rain ({small} bytes) before retention drops them: {} bytes \
         must be free, {} are; delete something",
        BESIDE + small / 2,
        small / 2
    );
    assert_eq!(told, said);
    assert_eq!(rig.reader.stats().overdue_bytes, large + small);
    assert_eq!(rig.all(1).len(), 7_501, "nothing is dropped without its roll-up");
    rig.files.set_capacity(used + BESIDE + large);
    assert!(rig.compactor.expire(APRIL_4).unwrap());
    assert_eq!((rig.reader.stats().overdue_bytes, rig.reader.stats().expired_readings), (0, 20_000));
    // A month that has to become one part before says so, too.
    let mut rig = two_months_of_rain();
    rig.files.set_capacity(1);
    assert!(!rig.compactor.expire(APRIL_4).unwrap(), "first it is merged");
    let told = rig.compactor.merge_next(false).unwrap_err().to_string();
    assert!(told.starts_with("cannot merge the readings of 2026-02 of class rain ("), "{told}");
    assert!(rig.reader.stats().overdue_bytes > 0);
}

/// February of rainfall in two files, of which only roll-ups are to be kept.
fn two_months_of_rain() -> Rig {
    let keep = Keep { raw_months: 1, rollup_months: 0 };
    let rain = Class { keep, ..class("rain", "rainfall") };
    let mut rig = start(&Retention { default: Keep::default(), classes: vec![rain] });
    for at in 0..2 {
        rig.append(commit(2 + at, &[(1, MARCH - 5 - at as i64, 7.0)]));
        rig.flush();
    }
    rig
}
