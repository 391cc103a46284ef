//! What an engine answers by steps.

use pantau_proto::Flags;

use super::engines::Engine;
use super::{NOW, append, commit};
use crate::store::{Agg, SeriesId, Store, StoreReader};

const AGGS: [Agg; 7] = [Agg::Mean, Agg::Min, Agg::Max, Agg::Sum, Agg::Count, Agg::First, Agg::Last];

pub(super) fn steps_gather_what_lies_in_them<E: Engine>(engine: &E) {
    let (mut store, reader, _keeper) = engine.open();
    let first = store.next_series();
    // Whole numbers, so that sums do not depend on their order; a gap in the middle.
    let readings: Vec<(u32, i64, f64)> = (0..400)
        .filter(|at| !(150..260).contains(at))
        .map(|at| (0, NOW + at * 70, ((at * 37) % 101) as f64 - 50.0))
        .collect();
    let commit = commit(&store, &["five/q"], &readings);
    append(&mut store, commit);
    let end = NOW + 400 * 70;
    let each = [Agg::Increase, Agg::P95, Agg::VectorMean];
    let buckets = reader.aggregate(first, NOW + 700..end, 7_000, &each, 100).unwrap();
    let mut before = readings[9].2;
    for (number, start) in (NOW + 700..end).step_by(7_000).enumerate() {
        let within = readings.iter().filter(|(_, at, _)| (start..start + 7_000).contains(at));
        let mut values: Vec<f64> = within.map(|(.., value)| *value).collect();
        let rises = values.iter().map(|value| (value - std::mem::replace(&mut before, *value)).max(0.0));
        let rises: f64 = rises.sum();
        values.sort_by(f64::total_cmp);
        if let Some(rank) = (values.len() * 95).div_ceil(100).checked_sub(1) {
            assert_eq!((buckets.columns[0][number], buckets.columns[1][number]), (rises, values[rank]));
            assert!((0.0..360.0).contains(&buckets.columns[2][number]));
        } else {
            assert!(buckets.columns.iter().all(|column| column[number].is_nan()));
        }
    }
    for (time, step) in [
        (NOW..end, 1_000),
        (NOW - 333..end + 5_000, 777),
        (NOW + 71..NOW + 9_999, 10),
        (NOW + 5..NOW + 12_345, 100_000),
        (NOW..end, 400_000_000_000),
        (0..end, 315_360_000_001),
        (NOW - 1_000_000..NOW, 60_000),
    ] {
        let buckets = reader.aggregate(first, time.clone(), step, &AGGS, 100_000).unwrap();
        let starts: Vec<i64> = (time.start..time.end).step_by(step as usize).collect();
        assert_eq!(buckets.starts, starts);
        for (number, start) in starts.iter().enumerate() {
            let within = |at: i64| at >= *start && at < (start + step).min(time.end);
            let values: Vec<f64> =
                readings.iter().filter(|(_, at, _)| within(*at)).map(|(.., v)| *v).collect();
            let sum: f64 = values.iter().sum();
            let empty = values.is_empty();
            let some = |value: Option<f64>| value.unwrap_or(f64::NAN);
            let expected = [
                if empty { f64::NAN } else { sum / values.len() as f64 },
                some(values.iter().copied().reduce(f64::min)),
                some(values.iter().copied().reduce(f64::max)),
                if empty { f64::NAN } else { sum },
                values.len() as f64,
                some(values.first().copied()),
                some(values.last().copied()),
            ];
            assert_eq!(buckets.counts[number], values.len() as u64, "{time:?} by {step}, bucket {number}");
            for (column, expected) in expected.iter().enumerate() {
                let got = buckets.columns[column][number];
                let same =
                    got == *expected || (got - expected).abs() < 1e-9 || (got.is_nan() && expected.is_nan());
                assert!(
                    same,
                    "{:?} of {time:?} by {step}, bucket {number}: {got} for {expected}",
                    AGGS[column]
                );
            }
        }
    }
}

pub(super) fn steps_tell_flags_and_the_usual_distance<E: Engine>(engine: &E) {
    let (mut store, reader, _keeper) = engine.open();
    let first = store.next_series();
    let readings: Vec<(u32, i64, f64)> = (0..300).map(|at| (0, NOW + at * 500, 1.0)).collect();
    let mut commit = commit(&store, &["ten/q", "ten/none"], &readings);
    let late = (Flags::LATE | Flags::SPIKE).0;
    let flag =
        |at: u16| [0, Flags::LATE.0, Flags::ARRIVAL_TIME.0, Flags::OUT_OF_RANGE.0, late][usize::from(at % 5)];
    commit.readings.flags = (0..300).map(flag).collect();
    append(&mut store, commit);
    for (aggs, time, count) in [
        ([Agg::Mean], NOW..NOW + 150_000, 60),
        ([Agg::P95], NOW..NOW + 150_000, 60),
        ([Agg::Max], NOW + 2_500..NOW + 12_500, 4),
    ] {
        let buckets = reader.aggregate(first, time, 10_000, &aggs, 100).unwrap();
        assert_eq!((buckets.late, buckets.flagged, buckets.distance_ms), (count * 2, count * 2, Some(500)));
    }
    let none = reader.aggregate(SeriesId(first.0 + 1), NOW..NOW + 9, 1, &[Agg::Max], 100).unwrap();
    assert_eq!((none.late, none.flagged, none.distance_ms), (0, 0, None));
}
