//! The aggregates that need every reading, against plain reckoning.

use std::ops::Range;

use pantau_proto::Flags;
use proptest::prelude::*;

use super::support::{Rig, commit};
use crate::store::StoreReader;
use crate::store::types::{Agg, SeriesId};

const HOUR: i64 = 3_600_000;

fn ask(rig: &Rig, time: Range<i64>, step: i64, agg: Agg) -> Vec<f64> {
    rig.reader.aggregate(SeriesId(0), time, step, &[agg], 1_000).unwrap().columns.remove(0)
}

#[test]
fn a_counter_rises_from_the_reading_before_the_bucket_and_before_the_period() {
    let mut rig = Rig::fresh(1);
    let minutes: Vec<_> = (0..240).map(|at| (0, at * 60_000, at as f64)).collect();
    rig.append(commit(0, &minutes[..100]));
    rig.flush();
    rig.append(commit(100, &minutes[100..]));
    // The first has nothing before it; from then on 60 a hour, whatever part is asked for, in files and in memory.
    assert_eq!(ask(&rig, 0..4 * HOUR, HOUR, Agg::Increase), [59.0, 60.0, 60.0, 60.0]);
    assert_eq!(ask(&rig, HOUR..4 * HOUR, HOUR, Agg::Increase), [60.0, 60.0, 60.0]);
    assert_eq!(ask(&rig, 3 * HOUR..4 * HOUR, HOUR, Agg::Increase), [60.0]);
    // After a silence of months the rise belongs to the reading that shows it.
    let later = 90 * 24 * HOUR;
    rig.append(commit(240, &[(0, later, 250.0)]));
    assert_eq!(ask(&rig, later..later + HOUR, HOUR, Agg::Increase), [11.0]);
}

#[test]
fn a_counter_that_begins_anew_does_not_fall() {
    let mut rig = Rig::fresh(1);
    let values = [5.0, 7.0, 0.0, 0.0, 3.0];
    let readings: Vec<_> = (0..).zip(values).map(|(at, value)| (0, at * 1_000, value)).collect();
    rig.append(commit(0, &readings));
    rig.flush();
    assert_eq!(ask(&rig, 0..5_000, 5_000, Agg::Increase), [5.0]);
    assert_eq!(ask(&rig, 2_000..3_000, 1_000, Agg::Increase), [0.0]);
    assert!(ask(&rig, 5_000..6_000, 1_000, Agg::Increase)[0].is_nan(), "an empty bucket says nothing");
}

#[test]
fn directions_are_averaged_around_north() {
    let mut rig = Rig::fresh(1);
    let values = [350.0, 10.0, 30.0, 90.0, 270.0, 355.0, 5.0];
    let readings: Vec<_> = (0..).zip(values).map(|(at, value)| (0, at * 1_000, value)).collect();
    rig.append(commit(0, &readings));
    rig.flush();
    let mean = |time| ask(&rig, time, 10_000, Agg::VectorMean)[0];
    assert!((mean(0..3_000) - 10.0).abs() < 1e-9);
    assert!(mean(3_000..5_000).is_nan(), "east and west cancel each other out");
    let north = mean(5_000..7_000);
    assert!((0.0..360.0).contains(&north) && north.min(360.0 - north) < 1e-9, "{north}");
}

#[test]
fn flags_and_the_usual_distance_are_told_from_files_and_memory_alike() {
    let (late, spike) = (Flags::LATE.0, Flags::SPIKE.0);
    let readings: Vec<_> = (0..5_000).map(|at| (0, at * 10_000, 1.0)).collect();
    for flushed in [false, true] {
        let mut rig = Rig::fresh(1);
        let mut flagged = commit(0, &readings[..2_500]);
        flagged.readings.flags = vec![0; 2_500];
        flagged.readings.flags[..4].copy_from_slice(&[late, spike, late | spike, Flags::ARRIVAL_TIME.0]);
        rig.append(flagged);
        rig.append(commit(2_500, &readings[2_500..]));
        if flushed {
            rig.flush();
        }
        let ask = |from: i64, step: i64| {
            let found =
                rig.reader.aggregate(SeriesId(0), from..50_000_000, step, &[Agg::Mean], 1_000).unwrap();
            (found.late, found.flagged, found.distance_ms)
        };
        assert_eq!(ask(0, 50_000_000), (2, 2, Some(10_000)));
        // Whole blocks of which nothing is flagged are not read.
        assert_eq!(ask(20_000, 50_000_000), (1, 1, Some(10_000)));
        assert_eq!(ask(25_000_000, 50_000_000), (0, 0, Some(10_000)));
        assert_eq!(ask(49_980_000, HOUR).2, None, "two readings promise nothing");
    }
}

proptest! {
    #[test]
    fn the_95th_percentile_is_the_nearest_rank(
        values in prop::collection::vec(-1_000_i32..1_000, 1..300),
        step in 1_i64..400,
        flushed in 0_usize..300,
    ) {
        let mut rig = Rig::fresh(1);
        let readings: Vec<_> =
            (0..).zip(&values).map(|(at, value)| (0, at, f64::from(*value) / 10.0)).collect();
        let (file, memory) = readings.split_at(flushed.min(readings.len()));
        rig.append(commit(0, file));
        rig.flush();
        rig.append(commit(file.len() as u64, memory));
        let found = ask(&rig, 0..readings.len() as i64, step, Agg::P95);
        for (bucket, found) in readings.chunks(step as usize).zip(found) {
            let mut sorted: Vec<f64> = bucket.iter().map(|reading| reading.2).collect();
            sorted.sort_by(f64::total_cmp);
            let least = sorted.iter().find(|value| {
                let within = sorted.iter().filter(|other| other <= value).count();
                within * 100 >= sorted.len() * 95
            });
            prop_assert_eq!(Some(&found), least);
        }
    }
}
