//! What every engine does alike, as one suite: it runs on the embedded engine and on a remote one with a real influxd
//! behind it. VictoriaMetrics passes a part of it that is named here: it shows readings some time after the ack, keeps an
//! arbitrary one of two values at one time, keeps no times before 1970 and rounds the most extreme values. What an engine does
//! beyond that (what counts as a duplicate, what survives a power cut) is tested with it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod engines;
mod steps;

use std::ops::Range;

use pantau_proto::{Epoch, GatewayId};

use super::remote::{Database, Metrics};
use super::{
    Agg, Commit, Loss, Names, NewSeries, Points, ReadError, Refused, SeriesId, Store, StoreError, StoreReader,
};
use engines::{Embedded, Engine};
use steps::{steps_gather_what_lies_in_them, steps_tell_flags_and_the_usual_distance};

const NOW: i64 = 1_700_000_000_000;
const ALL: Range<i64> = i64::MIN..i64::MAX;

/// Each case opens the engine on what the cases before left, with series of its own.
fn run<E: Engine>(engine: &E) {
    run_part(engine);
    identity_is_series_and_time(engine);
    bits_are_kept(engine);
}

/// What VictoriaMetrics conforms to as well, once it shows what it took.
fn run_part<E: Engine>(engine: &E) {
    for case in [
        readable_when_append_returns::<E>,
        channels_are_series_of_their_own,
        steps_gather_what_lies_in_them,
        steps_tell_flags_and_the_usual_distance,
        questions_beyond_a_bound_are_refused,
        long_periods_are_whole,
        what_is_no_reading_survives_too,
        invalid_commits_are_refused_as_a_whole,
    ] {
        case(engine);
    }
}

#[test]
fn victoriametrics_conforms_in_part() {
    let options = ["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms"];
    run_part(&std::sync::Arc::new(Metrics::start(&options)));
}

#[test]
fn the_embedded_engine_conforms() {
    run(&Embedded(tempfile::tempdir().unwrap()));
}

#[test]
fn influxdb_conforms() {
    run(&Database::start());
}

fn gateway(name: &str) -> GatewayId {
    GatewayId::new(name).unwrap()
}

/// A commit that names the series `names`, with readings as (index into `names`, time, value).
fn commit<S: Store>(store: &S, names: &[&str], readings: &[(u32, i64, f64)]) -> Commit {
    let next = store.next_series().0;
    let mut commit = Commit::new(gateway("gw-1"), Epoch(1), NOW);
    commit.new_series = names
        .iter()
        .zip(next..)
        .map(|(name, id)| NewSeries { id: SeriesId(id), name: (*name).into(), gateway: gateway("gw-1") })
        .collect();
    add(&mut commit, next, readings);
    commit
}

/// The same for series that are known from number `first` on.
fn more(first: SeriesId, readings: &[(u32, i64, f64)]) -> Commit {
    let mut commit = Commit::new(gateway("gw-1"), Epoch(1), NOW);
    add(&mut commit, first.0, readings);
    commit
}

fn add(commit: &mut Commit, first: u32, readings: &[(u32, i64, f64)]) {
    for (series, time, value) in readings {
        commit.readings.series.push(SeriesId(first + series));
        commit.readings.times.push(*time);
        commit.readings.values.push(*value);
    }
}

fn append<S: Store>(store: &mut S, commit: Commit) {
    assert_eq!(store.append(&[commit]).unwrap(), 1);
    assert!(store.amended().is_empty());
}

fn all(reader: &impl StoreReader, series: SeriesId) -> Vec<(i64, f64)> {
    pairs(reader.range(series, ALL, 1_000_000).unwrap())
}

fn pairs(points: Points) -> Vec<(i64, f64)> {
    points.times.into_iter().zip(points.values).collect()
}

fn readable_when_append_returns<E: Engine>(engine: &E) {
    let (mut store, reader, _keeper) = engine.open();
    let first = store.next_series();
    let names = ["one-a/pm2_5", "one-b/pm2_5"];
    let readings = [(0, NOW, 1.5), (1, NOW, 2.0), (0, NOW + 20, 3.0), (0, NOW + 10, 2.5)];
    let commit = commit(&store, &names, &readings);
    append(&mut store, commit);
    assert_eq!(all(&reader, first), [(NOW, 1.5), (NOW + 10, 2.5), (NOW + 20, 3.0)]);
    assert_eq!(pairs(reader.range(first, NOW + 10..NOW + 20, 10).unwrap()), [(NOW + 10, 2.5)]);
    assert_eq!(pairs(reader.range(first, NOW..NOW, 10).unwrap()), []);
    let latest = reader.latest(&[SeriesId(first.0 + 1), first, SeriesId(first.0 + 2)]);
    assert_eq!(latest[0].map(|point| (point.time, point.value)), Some((NOW, 2.0)));
    assert_eq!(latest[1].map(|point| (point.time, point.value)), Some((NOW + 20, 3.0)));
    assert_eq!(latest[2], None);
    assert_eq!(reader.find("one-a/pm2_5"), Some(first));
    assert_eq!(
        (reader.name(first).as_deref(), reader.name(store.next_series())),
        (Some("one-a/pm2_5"), None)
    );
    assert_eq!((reader.owner("one-b"), reader.owner("one-c")), (Some(gateway("gw-1")), None));
    let page = reader.series("one-", None, 1);
    assert_eq!((&*page.items[0].name, page.next.as_deref()), ("one-a/pm2_5", Some("one-a/pm2_5")));
    let page = reader.series("one-", page.next.as_deref(), 1);
    assert_eq!((&*page.items[0].name, page.next), ("one-b/pm2_5", None));
    let info = reader.info(first).unwrap();
    assert_eq!((info.first, info.last, &info.gateway), (Some(NOW), Some(NOW + 20), &gateway("gw-1")));
}

fn identity_is_series_and_time<E: Engine>(engine: &E) {
    let (mut store, reader, keeper) = engine.open();
    let first = store.next_series();
    // The same again, and twice another value at one time in one commit.
    let readings = [(0, NOW, 1.0), (0, NOW + 1, 2.0), (0, NOW, 1.0), (0, NOW + 2, 3.0), (0, NOW + 2, 4.0)];
    let commit = commit(&store, &["two/q"], &readings);
    append(&mut store, commit);
    assert_eq!(all(&reader, first), [(NOW, 1.0), (NOW + 1, 2.0), (NOW + 2, 4.0)]);
    // In another commit of the same call, in a later one, and after a restart.
    let again = [more(first, &[(0, NOW, 5.0)]), more(first, &[(0, NOW, 6.0)])];
    assert_eq!(store.append(&again).unwrap(), 2);
    append(&mut store, more(first, &[(0, NOW + 1, 7.0)]));
    let expected = [(NOW, 6.0), (NOW + 1, 7.0), (NOW + 2, 4.0)];
    assert_eq!(all(&reader, first), expected);
    drop((store, reader, keeper));
    let (mut store, reader, _keeper) = engine.open();
    assert_eq!(all(&reader, first), expected);
    append(&mut store, more(first, &[(0, NOW + 2, 8.0)]));
    assert_eq!(all(&reader, first), [(NOW, 6.0), (NOW + 1, 7.0), (NOW + 2, 8.0)]);
    assert_eq!(reader.latest(&[first])[0].unwrap().value, 8.0);
}

fn bits_are_kept<E: Engine>(engine: &E) {
    let (mut store, reader, keeper) = engine.open();
    let first = store.next_series();
    let values = [0.1 + 0.2, -0.0, 0.0, 5e-324, f64::MAX, f64::MIN, 1e300, 1.0 / 3.0, 1e16, 123_456_789.125];
    let times = [-9_000_000_000_000, -1, 0, 1, 999, NOW, NOW + 1, 4_000_000_000_000, 9_000_000_000_000];
    let mut readings: Vec<(u32, i64, f64)> = values.iter().zip(NOW..).map(|(v, t)| (0, t, *v)).collect();
    readings.extend(times.iter().map(|time| (1, *time, *time as f64)));
    let mut commit = commit(&store, &["three/values", "three/times"], &readings);
    commit.readings.flags =
        (0..readings.len() as u16).map(|n| if n % 3 == 0 { 0 } else { n << 10 | n }).collect();
    let flags = commit.readings.flags.clone();
    append(&mut store, commit);
    let check = |reader: &E::Reading| {
        let points = reader.range(first, ALL, 100).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&points.values), bits(&values));
        assert_eq!(points.flags, flags[..values.len()]);
        let points = reader.range(SeriesId(first.0 + 1), ALL, 100).unwrap();
        assert_eq!(
            (points.times.as_slice(), points.flags.as_slice()),
            (times.as_slice(), &flags[values.len()..])
        );
    };
    check(&reader);
    drop((store, reader, keeper));
    let (_store, reader, _keeper) = engine.open();
    check(&reader);
    let latest = reader.latest(&[SeriesId(first.0 + 1)])[0].unwrap();
    assert_eq!((latest.time, latest.flags), (9_000_000_000_000, *flags.last().unwrap()));
}

fn channels_are_series_of_their_own<E: Engine>(engine: &E) {
    let (mut store, reader, _keeper) = engine.open();
    let first = store.next_series();
    let names = ["four/q", "four/q/left", "four/q/right", "four-b/q/left"];
    let readings: Vec<_> = (0..4).map(|series| (series, NOW, f64::from(series))).collect();
    let commit = commit(&store, &names, &readings);
    append(&mut store, commit);
    for series in 0..4 {
        assert_eq!(all(&reader, SeriesId(first.0 + series)), [(NOW, f64::from(series))]);
        let buckets = reader.aggregate(SeriesId(first.0 + series), NOW..NOW + 1, 1, &[Agg::Sum], 1).unwrap();
        assert_eq!((buckets.counts, buckets.columns), (vec![1], vec![vec![f64::from(series)]]));
    }
}

fn questions_beyond_a_bound_are_refused<E: Engine>(engine: &E) {
    let (mut store, reader, _keeper) = engine.open();
    let first = store.next_series();
    let readings: Vec<_> = (0..10).map(|at| (0, NOW + at, 1.0)).collect();
    let commit = commit(&store, &["six/q"], &readings);
    append(&mut store, commit);
    assert_eq!(reader.range(first, ALL, 10).unwrap().times.len(), 10);
    assert_eq!(reader.range(first, ALL, 9), Err(ReadError::TooManyPoints { limit: 9 }));
    assert_eq!(reader.range(first, ALL, 0), Err(ReadError::TooManyPoints { limit: 0 }));
    let aggregate = |step, limit| reader.aggregate(first, NOW..NOW + 10, step, &[Agg::Max], limit);
    assert_eq!(aggregate(1, 10).unwrap().counts, [1; 10]);
    assert_eq!(aggregate(1, 9), Err(ReadError::TooManyBuckets { limit: 9 }));
    assert_eq!(aggregate(0, 9), Err(ReadError::BadStep));
    let unknown = store.next_series();
    assert_eq!(reader.range(unknown, ALL, 1), Err(ReadError::UnknownSeries(unknown)));
    assert_eq!(reader.aggregate(unknown, 0..1, 1, &[], 1), Err(ReadError::UnknownSeries(unknown)));
    assert_eq!((reader.info(unknown), reader.find("six/unknown")), (None, None));
}

fn long_periods_are_whole<E: Engine>(engine: &E) {
    let (mut store, reader, _keeper) = engine.open();
    let first = store.next_series();
    let readings: Vec<(u32, i64, f64)> = (0..25_000).map(|at| (0, NOW + at * 3, at as f64)).collect();
    let commit = commit(&store, &["seven/q"], &readings);
    append(&mut store, commit);
    let expected: Vec<(i64, f64)> = readings.iter().map(|(_, time, value)| (*time, *value)).collect();
    assert_eq!(all(&reader, first), expected);
    let buckets = reader.aggregate(first, NOW..NOW + 75_000, 3, &[Agg::First], 25_000).unwrap();
    assert_eq!(buckets.columns[0], expected.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    assert_eq!(reader.range(first, ALL, 24_999), Err(ReadError::TooManyPoints { limit: 24_999 }));
}

fn what_is_no_reading_survives_too<E: Engine>(engine: &E) {
    let (mut store, reader, keeper) = engine.open();
    let before = reader.counters();
    let mut commit = commit(&store, &["eight/q"], &[(0, NOW, 1.0), (0, NOW + 1, 2.0)]);
    commit.gateway = gateway("gw-8");
    commit.readings.flags = vec![8, 0];
    commit.refused = vec![Refused { position: 6, payload: vec![1, 2], ..Refused::default() }];
    commit.losses = vec![Loss { start: 0, end: 5, count: 5, ..Loss::default() }];
    commit.ranges = vec![0..5, 6..9];
    commit.reported_next = Some(9);
    commit.skipped = 2;
    append(&mut store, commit);
    let next = store.next_series();
    let check = |reader: &E::Reading| {
        let ranges = reader.ranges(&gateway("gw-8"), Epoch(1));
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 5), (6, 9)]);
        let state = reader.gateways().into_iter().find(|state| state.gateway == gateway("gw-8")).unwrap();
        assert_eq!((state.epochs[0].1.reported_next, state.epochs[0].1.last_received_ms), (Some(9), NOW));
        let after = reader.counters();
        assert_eq!(after.accepted() - before.accepted(), 2 + 1 + 5);
        assert_eq!((after.late - before.late, after.skipped - before.skipped), (1, 2));
        assert_eq!(after.commits - before.commits, 1);
    };
    check(&reader);
    drop((store, reader, keeper));
    let (store, reader, _keeper) = engine.open();
    check(&reader);
    assert_eq!((store.next_series(), reader.find("eight/q")), (next, Some(SeriesId(next.0 - 1))));
    assert_eq!(store.ranges(&gateway("gw-8"), Epoch(1)), reader.ranges(&gateway("gw-8"), Epoch(1)));
}

fn invalid_commits_are_refused_as_a_whole<E: Engine>(engine: &E) {
    let (mut store, reader, _keeper) = engine.open();
    let fine = commit(&store, &["nine/q"], &[(0, NOW, 1.0)]);
    let mut gap = fine.clone();
    gap.new_series[0].id = SeriesId(store.next_series().0 + 2);
    let mut ragged = fine.clone();
    ragged.readings.values.push(2.0);
    let unknown = more(SeriesId(store.next_series().0 + 1), &[(0, NOW, 1.0)]);
    for wrong in [gap, ragged, unknown] {
        assert!(matches!(store.append(&[fine.clone(), wrong]), Err(StoreError::Invalid(_))));
        assert_eq!(reader.find("nine/q"), None);
    }
    assert_eq!(store.append(&[]).unwrap(), 0);
    append(&mut store, fine);
}
