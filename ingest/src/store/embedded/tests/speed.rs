//! Figures, on real files. Not part of the ordinary run: `cargo test --release -p pantau-ingest -- --ignored --nocapture
//! store_speed`.

use std::time::Duration;

use pantau_journal::{FileLayer, StdFiles};
use pantau_proto::Epoch;

use super::super::{Config, Opened, open};
use super::support::{gateway, new_series};
use crate::store::types::{Agg, Columns, Commit, SeriesId};
use crate::store::{Store, StoreReader};

/// The value kinds of the measurements: temperature 0.1, humidity integer, PM2.5 integer and 0.1, level in mm, counter,
/// 0.01 V, and one constant.
fn value(series: u32, step: i64, state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let noise = |range: i64| (*state >> 33) as i64 % range;
    let day = ((step as f64) / 8_640.0 * std::f64::consts::TAU).sin();
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

fn batches(series: u32, steps: i64, size: usize, start: i64) -> Vec<Commit> {
    let mut commits = Vec::new();
    let mut readings = Columns::default();
    let mut state = 42;
    let mut first = 0;
    for step in 0..steps {
        for id in 0..series {
            let jitter = if id % 2 == 0 { 0 } else { (state >> 40) as i64 % 50 };
            readings.series.push(SeriesId(id));
            readings.times.push(start + step * 10_000 + jitter);
            readings.values.push(value(id, step, &mut state));
            if readings.len() == size {
                let mut commit = Commit::new(gateway(), Epoch(1), start + step * 10_000);
                commit.ranges.push(first..first + size as u64);
                first += size as u64;
                commit.readings = std::mem::take(&mut readings);
                commits.push(commit);
            }
        }
    }
    commits
}

/// CPU time of this thread so far, by the kernel's account.
fn cpu() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(account.split(' ').next().unwrap().parse().unwrap())
}

struct Figures {
    append: f64,
    append_cpu: f64,
    flush_cpu: f64,
    slowest: Duration,
    flush: f64,
    bytes: f64,
    waits: u64,
}

fn run(dir: &std::path::Path, series: u32, commits: &[Commit]) -> Figures {
    let files = StdFiles::new();
    let clock = files.clone();
    let Opened { mut store, reader, flusher, .. } = open(files, Config::new(dir), &mut |_| {}).unwrap();
    reader.set_indexed(u64::MAX);
    let mut first = Commit::new(gateway(), Epoch(1), 0);
    first.new_series = new_series(0..series);
    store.append(&[first]).unwrap();
    let readings: usize = commits.iter().map(|commit| commit.readings.len()).sum();
    std::thread::scope(|scope| {
        let flushing = scope.spawn(|| {
            flusher.run().unwrap();
            cpu()
        });
        let (start, start_cpu) = (clock.monotonic(), cpu());
        let mut slowest = Duration::ZERO;
        for commit in commits {
            let before = clock.monotonic();
            assert_eq!(store.append(std::slice::from_ref(commit)).unwrap(), 1);
            slowest = slowest.max(clock.monotonic() - before);
        }
        let (appended, append_cpu) = (clock.monotonic() - start, cpu() - start_cpu);
        let memory = reader.stats().memory_readings;
        let before = clock.monotonic();
        store.flush().unwrap();
        let flushed = clock.monotonic() - before;
        let stats = reader.stats();
        drop(store);
        let flush_cpu = flushing.join().unwrap();
        let counters = reader.counters();
        assert_eq!(counters.readings, counters.stored + counters.duplicates + counters.replaced);
        Figures {
            append: readings as f64 / appended.as_secs_f64() / 1e6,
            append_cpu: append_cpu.as_nanos() as f64 / readings as f64,
            flush_cpu: flush_cpu.as_nanos() as f64 / readings as f64,
            slowest,
            flush: memory as f64 / flushed.as_secs_f64() / 1e6,
            bytes: stats.file_bytes as f64 / counters.stored as f64,
            waits: stats.writer_waits,
        }
    })
}

#[test]
#[ignore = "measures"]
fn store_speed() {
    let start = 1_767_225_600_000;
    for (name, series, commits) in [
        ("W: 5,000 series × 2,000 steps", 5_000, batches(5_000, 2_000, 10_000, start)),
        ("Q: 100 series × 10 days", 100, batches(100, 86_400, 10_000, start)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let figures = run(dir.path(), series, &commits);
        println!(
            "{name}: append {:.2} M/s ({:.0} ns CPU, slowest {:?}, {} waits), last flush {:.1} M/s ({:.0} ns CPU), {:.3} bytes",
            figures.append,
            figures.append_cpu,
            figures.slowest,
            figures.waits,
            figures.flush,
            figures.flush_cpu,
            figures.bytes
        );
        let files = StdFiles::new();
        let clock = files.clone();
        let before = clock.monotonic();
        let Opened { reader, .. } = open(files, Config::new(dir.path()), &mut |_| {}).unwrap();
        let opened = clock.monotonic() - before;
        let one = SeriesId(3);
        let last = reader.info(one).unwrap().last.unwrap();
        let day = last - 86_400_000..last;
        let before = clock.monotonic();
        let raw = reader.range(one, day.clone(), usize::MAX).unwrap().times.len();
        let read = clock.monotonic() - before;
        let before = clock.monotonic();
        let buckets = reader
            .aggregate(one, last - 30 * 86_400_000..last, 300_000, &[Agg::Mean, Agg::Min, Agg::Max], 10_000)
            .unwrap();
        let aggregated = clock.monotonic() - before;
        println!(
            "    open {opened:?}; a day raw ({raw}) {read:?}; 30 days at 5 min ({} buckets) {aggregated:?}",
            buckets.starts.len()
        );
    }
}

#[test]
#[ignore = "measures"]
fn store_recovery_speed() {
    let dir = tempfile::tempdir().unwrap();
    let files = StdFiles::new();
    let clock = files.clone();
    let commits = batches(5_000, 600, 10_000, 1_767_225_600_000);
    let Opened { mut store, .. } = open(files.clone(), Config::new(dir.path()), &mut |_| {}).unwrap();
    let mut first = Commit::new(gateway(), Epoch(1), 0);
    first.new_series = new_series(0..5_000);
    store.append(&[first]).unwrap();
    for commit in &commits {
        store.append(std::slice::from_ref(commit)).unwrap();
    }
    drop(store);
    let before = clock.monotonic();
    let Opened { recovery, .. } = open(files, Config::new(dir.path()), &mut |_| {}).unwrap();
    println!("recovery of {} readings: {:?}", recovery.replayed_readings, clock.monotonic() - before);
}

/// Lines of `series number,milliseconds,value` in the order of time: `STORE_DATA=file`.
#[test]
#[ignore = "measures a data set of one's own"]
fn store_size_of_a_data_set() {
    let Ok(path) = std::env::var("STORE_DATA") else { return };
    let mut readings = Columns::default();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let mut fields = line.split(',');
        readings.series.push(SeriesId(fields.next().unwrap().parse().unwrap()));
        readings.times.push(fields.next().unwrap().parse().unwrap());
        readings.values.push(fields.next().unwrap().parse().unwrap());
    }
    let series = readings.series.iter().max().unwrap().0 + 1;
    let mut first = Commit::new(gateway(), Epoch(1), 0);
    first.readings = readings;
    let dir = tempfile::tempdir().unwrap();
    let figures = run(dir.path(), series, &[first]);
    println!("{:.3} bytes a reading in files", figures.bytes);
}
