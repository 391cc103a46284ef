//! The embedded store by itself: how fast it appends, what it keeps after a merge, and how fast it answers over HTTP.
//! The data are those of the store's design: W, 5,000 series × 4,000 steps of 10 s in order; O, the same with 5 % held
//! back and 1 % sent again with another value; Q, 100 series × 30 days; and two years, one series by the minute and 5,000 by
//! the half-hour.

use crate::beside::{self, Beside};
use crate::report::{Row, median, short};
use pantau_e2e::clock::now;
use pantau_e2e::http::{encode, get_json};
use pantau_e2e::parts::Ingest;
use pantau_ingest::store::embedded::{Config, Opened, open};
use pantau_ingest::store::{Columns, Commit, NewSeries, SeriesId, Store as _, StoreReader as _};
use pantau_journal::StdFiles;
use pantau_proto::{Epoch, GatewayId};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// 2026-01-01T00:00:00Z
const START: i64 = 1_767_225_600_000;
const STEP_MS: i64 = 10_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
const BATCH: usize = 10_000;
/// Readings that are held back at a time: those of ten minutes.
const HELD: usize = 18_000;

#[derive(Clone, Copy)]
struct Set {
    series: u32,
    steps: i64,
    /// Between two steps, milliseconds.
    step_ms: i64,
    /// 5 % come some batches later, 1 % come again with another value.
    disorder: bool,
}

const W: Set = Set { series: 5_000, steps: 4_000, step_ms: STEP_MS, disorder: false };
const O: Set = Set { disorder: true, ..W };
const Q: Set = Set { series: 100, steps: 30 * DAY_MS / STEP_MS, ..W };
const YEAR: Set = Set { series: 1, steps: 365 * DAY_MS / MINUTE_MS, step_ms: MINUTE_MS, disorder: false };
const YEARS: Set = Set { series: 5_000, steps: 365 * 48, step_ms: 30 * MINUTE_MS, disorder: false };

pub(crate) fn store(runs: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let folders = || tempfile::tempdir().unwrap();
    let (in_order, disorder) = (folders(), folders());
    let (rate, pause, bytes) = filled(in_order.path(), &W, runs);
    rows.push(row(
        "append with an fsync for each 10,000, one writer: 5,000 series in order, readings per second",
        format!("{}; longest append {} ms", short(rate), pause.as_millis()),
        "≥ 6 M",
        rate >= 6e6,
    ));
    let (rate, pause, late_bytes) = filled(disorder.path(), &O, runs);
    rows.push(row(
        "the same, 5 % late and 1 % rewritten",
        format!("{}; longest append {} ms", short(rate), pause.as_millis()),
        "≥ 3 M",
        rate >= 3e6,
    ));
    let last = asked(in_order.path(), |http| {
        let path = "/api/v1/latest?limit=5000".to_owned();
        assert_eq!(get_json(http, &path)["items"].as_array().unwrap().len(), W.series as usize);
        vec![path]
    });
    let other = folders();
    let peer = Beside::filled(other.path(), points(&W));
    let theirs = peer.asked(&beside::last(START + W.steps * STEP_MS), W.series as usize);
    rows.push(kept(
        "bytes a reading after a merge: 5,000 series in order",
        (bytes, format!(" (late and rewritten: {late_bytes:.3})")),
        peer.bytes(),
        (0.75, "≤ 0.75"),
    ));
    rows.push(timed("last value of 5,000 series, HTTP", last, Some(theirs), (5.0, "< 5 ms")));
    let (month, other) = (folders(), folders());
    let (_, _, bytes) = filled(month.path(), &Q, 1);
    let peer = Beside::filled(other.path(), points(&Q));
    let end = START + 30 * DAY_MS;
    let queries = [
        (
            ("one series, a day raw, HTTP", (2.0, "< 2 ms")),
            (1, DAY_MS, "raw", 8_640),
            (1, beside::raw(end - DAY_MS, end)),
        ),
        (
            ("one series, 30 days at 5 min, mean min max, HTTP", (8.0, "< 8 ms")),
            (1, 30 * DAY_MS, "PT5M&agg=mean,min,max", 8_640),
            (3, beside::steps("rollup(kept_0_value[5m])", START, end, "5m")),
        ),
        (
            ("100 series, a day at 1 h, mean, HTTP", (3.0, "< 3 ms")),
            (100, DAY_MS, "PT1H&agg=mean", 24),
            (100, beside::steps("avg_over_time({__name__=~\"kept_.*\"}[1h])", end - DAY_MS, end, "1h")),
        ),
    ];
    for ((figure, wanted), (series, span, step, points), (their_series, path)) in queries {
        let ours = readings(month.path(), series, end - span..end, step, points);
        rows.push(timed(figure, ours, Some(peer.asked(&path, their_series)), wanted));
    }
    let wanted = (0.70, "≤ 0.70");
    let figure = "bytes a reading after a merge: 100 series × 30 days";
    rows.push(kept(figure, (bytes, String::new()), peer.bytes(), wanted));
    let year = START..START + 365 * DAY_MS;
    for (figure, set, wanted) in [
        ("one series by the minute, a year at 1 day, HTTP", YEAR, (5.0, "< 5 ms")),
        ("5,000 series by the half-hour, a year at 1 day, HTTP, 25 pages", YEARS, (500.0, "< 500 ms")),
    ] {
        let folder = folders();
        filled(folder.path(), &set, 1);
        let took = readings(folder.path(), set.series, year.clone(), "P1D&agg=mean", 365);
        rows.push(timed(figure, took, None, wanted));
    }
    rows
}

fn row(figure: &'static str, pantau: String, wanted: &'static str, met: bool) -> Row {
    Row { figure, pantau, peer: String::new(), ratio: None, wanted, met }
}

/// Milliseconds, beside those of victoria-metrics.
fn timed(figure: &'static str, ms: f64, theirs: Option<f64>, (limit, wanted): (f64, &'static str)) -> Row {
    Row {
        peer: theirs.map_or(String::new(), |theirs| format!("victoria-metrics: {theirs:.1} ms")),
        ratio: theirs.map(|theirs| ms / theirs),
        ..row(figure, format!("{ms:.1} ms"), wanted, ms < limit)
    }
}

/// Bytes a reading, beside those of victoria-metrics.
fn kept(
    figure: &'static str,
    (bytes, more): (f64, String),
    theirs: f64,
    (limit, wanted): (f64, &'static str),
) -> Row {
    Row {
        peer: format!("victoria-metrics, after a stop: {theirs:.3}"),
        ratio: Some(bytes / theirs),
        ..row(figure, format!("{bytes:.3}{more}"), wanted, bytes <= limit)
    }
}

/// What is in the commits of a set.
fn points(set: &Set) -> impl Iterator<Item = (usize, i64, f64)> {
    commits(set).flat_map(|commit| {
        let Columns { series, times, values, .. } = commit.readings;
        let rows = series.into_iter().zip(times).zip(values);
        rows.map(|((series, time), value)| (series.index(), time, value)).collect::<Vec<_>>()
    })
}

fn name(series: u32) -> String {
    format!("bench-{series:05}/water_level")
}

/// A value as a sensor gives it: 0.1 °C, whole percent, µg/m³ whole and by 0.1, millimetres, a counter, 0.01 V, a state.
fn value(series: u32, step: i64, chance: u64) -> f64 {
    let noise = |range: i64| (chance >> 33) as i64 % range;
    let day = (step as f64 / 8_640.0 * std::f64::consts::TAU).sin();
    match series % 8 {
        0 => ((280.0 + 40.0 * day) as i64 + noise(5)) as f64 / 10.0,
        1 => ((70.0 - 15.0 * day) as i64 + noise(3)) as f64,
        2 => (35 + noise(9)) as f64,
        3 => (350 + noise(60)) as f64 / 10.0,
        4 => (1_200 + noise(12) + (300.0 * day) as i64) as f64,
        5 => (step * 3 + noise(3)) as f64,
        6 => (1_180 + noise(8)) as f64 / 100.0,
        _ => f64::from(series % 3),
    }
}

fn gateway() -> GatewayId {
    GatewayId::new("bench").unwrap()
}

/// The commits of a set, one after the other; half of the series with exact times, half with 0–49 ms of jitter.
fn commits(set: &Set) -> impl Iterator<Item = Commit> {
    let Set { series, steps, step_ms, disorder } = *set;
    let mut chance = 42_u64;
    let mut next = (0..steps).flat_map(move |step| (0..series).map(move |id| (step, id)));
    let (mut held, mut first) = (std::collections::VecDeque::new(), 0);
    std::iter::from_fn(move || {
        let mut readings = Columns::default();
        let mut put = |(id, time, value): (u32, i64, f64)| {
            readings.series.push(SeriesId(id));
            readings.times.push(time);
            readings.values.push(value);
        };
        let (mut now, mut taken) = (START, 0);
        for (step, id) in next.by_ref().take(BATCH) {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let jitter = if id % 2 == 0 { 0 } else { (chance >> 40) as i64 % 50 };
            now = START + step * step_ms;
            taken += 1;
            let reading = (id, now + jitter, value(id, step, chance));
            match (chance >> 20) % 100 {
                0..5 if disorder => held.push_back(reading),
                5 if disorder => {
                    put(reading);
                    held.push_back((reading.0, reading.1, reading.2 + 1.0));
                }
                _ => put(reading),
            }
        }
        // Minutes later, and the last ones at the end.
        let due = held.len().saturating_sub(if taken < BATCH { 0 } else { HELD });
        held.drain(..due).for_each(put);
        let mut commit = Commit::new(gateway(), Epoch(1), now);
        let count = readings.len() as u64;
        commit.ranges.push(first..first + count);
        first += count;
        commit.readings = readings;
        (count > 0).then_some(commit)
    })
}

/// Fills a store with a set, the last run's stays in `folder`: readings a second, the longest append, bytes a reading.
fn filled(folder: &Path, set: &Set, runs: usize) -> (f64, Duration, f64) {
    let commits: Vec<Commit> = commits(set).collect();
    let (mut rates, mut longest, mut bytes) = (Vec::new(), Duration::ZERO, 0.0);
    for _ in 0..runs {
        crate::machine::write_back();
        let _ = std::fs::remove_dir_all(folder.join("pantau-ingest"));
        let dir = folder.join("pantau-ingest/store");
        std::fs::create_dir_all(&dir).unwrap();
        let Opened { mut store, reader, flusher, compactor, .. } =
            open(StdFiles::new(), Config::new(&dir), &mut |_| {}).unwrap();
        reader.set_indexed(u64::MAX);
        let names = (0..set.series).map(|id| NewSeries {
            id: SeriesId(id),
            name: name(id).into(),
            gateway: gateway(),
        });
        let mut first = Commit::new(gateway(), Epoch(1), START);
        first.new_series = names.collect();
        store.append(&[first]).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| flusher.run().unwrap());
            scope.spawn(|| compactor.run(|| 0));
            let start = now();
            for commit in &commits {
                let begin = now();
                assert_eq!(store.append(std::slice::from_ref(commit)).unwrap(), 1);
                longest = longest.max(begin.elapsed());
            }
            let readings: usize = commits.iter().map(|commit| commit.readings.len()).sum();
            rates.push(readings as f64 / start.elapsed().as_secs_f64());
            store.flush().unwrap();
            drop(store);
        });
        let Opened { mut compactor, reader, .. } =
            open(StdFiles::new(), Config::new(&dir), &mut |_| {}).unwrap();
        compactor.merge_all().unwrap();
        let stats = reader.stats();
        bytes = (stats.file_bytes + stats.rollup_bytes) as f64 / reader.counters().stored as f64;
    }
    (median(rates), longest, bytes)
}

/// Milliseconds of asking for so many series of the store in `folder`, as many at once as one question may name; each has
/// `points`.
fn readings(folder: &Path, series: u32, time: Range<i64>, step: &str, points: usize) -> f64 {
    let names: Vec<String> = (0..series).map(|id| encode(&name(id))).collect();
    asked(folder, |http| {
        let path = |names: &[String]| {
            let names = names.join(",");
            format!("/api/v1/readings?series={names}&from={}&to={}&step={step}", time.start, time.end)
        };
        let paths: Vec<String> = names.chunks(200).map(path).collect();
        let answers = paths.iter().map(|path| get_json(http, path));
        let of_page = |page: serde_json::Value| page["series"].as_array().unwrap().clone();
        let found: Vec<usize> =
            answers.flat_map(of_page).map(|series| series["times"].as_array().unwrap().len()).collect();
        // A day of Central Java begins seven hours before that of UTC: up to one step more.
        assert!(found.len() == series as usize && found.iter().all(|found| found.abs_diff(points) <= 1));
        paths
    })
}

/// Milliseconds of a question to an ingest on the store in `folder`, until the last byte of its answers is there; the
/// middle of 21. `question` checks the answers once and gives the paths.
fn asked(folder: &Path, question: impl Fn(SocketAddr) -> Vec<String>) -> f64 {
    let mut ingest = Ingest::new(folder, None, None, "");
    ingest.start();
    let paths = question(ingest.http);
    let urls: Vec<_> = paths.iter().map(|path| format!("http://{}{path}", ingest.http)).collect();
    let took = beside::ask(&urls);
    ingest.part.stop();
    took
}
