//! A million series, most of them idle, some that appeared and vanished again: what each costs in memory, and what merging
//! and dropping all of them takes on top.

use crate::report::Row;
use pantau_e2e::clock::{now, wait_until};
use pantau_e2e::http::get_json;
use pantau_e2e::parts::Ingest;
use pantau_e2e::process::{Proc, binary};
use pantau_ingest::store::embedded::{Config, EmbeddedStore, Opened, open};
use pantau_ingest::store::{Commit, NewSeries, SeriesId, Store as _};
use pantau_journal::StdFiles;
use pantau_proto::{Epoch, GatewayId};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// 2026-01-01T00:00:00Z
const START: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;
/// Of the one reading that makes the others old: no month is dropped before a later one has readings.
const LATER: i64 = START + 100 * 24 * HOUR_MS;
const BATCH: usize = 10_000;
/// Hours, with a file each, or more where the memory table is full before.
const HOURS: u32 = 12;
/// Series that have a reading in every hour.
const STEADY: u32 = 400_000;
/// Series that appear in an hour, have one reading and no other.
const PASSING: u32 = 50_000;
const SERIES: u32 = STEADY + HOURS * PASSING;
/// Of all that is done to all series.
const LONG: Duration = Duration::from_secs(300);

pub(crate) fn idle(_: usize) -> Vec<Row> {
    let (full, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(full.path());
    let mut ingest = Ingest::new(full.path(), None, None, "");
    // Of the second one nothing is left to merge: it only opens the store.
    let [merging, opened] = [(); 2].map(|()| peak_of("compact", &ingest.part.config, full.path()));
    let merging = mb(merging.saturating_sub(opened));
    let start = now();
    ingest.start();
    let opening = start.elapsed();
    let series = ingest.metrics().count("pantau_ingest_series");
    assert_eq!(series, u64::from(SERIES));
    let (resident, _) = ingest.part.process().memory();
    assert!(last_is_known(&ingest));
    ingest.part.stop();
    let mut nothing = Ingest::new(empty.path(), None, None, "");
    nothing.start();
    let (base, _) = nothing.part.process().memory();
    nothing.part.stop();
    let each = resident.saturating_sub(base) as f64 / f64::from(SERIES);
    let opened = opening.as_secs_f64();
    let [readings, roll_ups] = dropping(full.path()).map(mb);
    vec![
        Row {
            figure: "memory per idle series, a million of them",
            pantau: format!("{each:.0} bytes; ready after {opened:.1} s"),
            peer: String::new(),
            ratio: None,
            wanted: "< 200 bytes",
            met: each < 200.0,
        },
        Row {
            figure: "memory of compaction, a million series: merging; dropping readings; dropping roll-ups",
            pantau: format!("{merging:.1} MB; {readings:.1} MB; {roll_ups:.1} MB"),
            peer: String::new(),
            ratio: None,
            wanted: "< 64 MB",
            met: [merging, readings, roll_ups].into_iter().all(|peak| peak < 64.0),
        },
    ]
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Whether the last series has a reading that is its newest.
fn last_is_known(ingest: &Ingest) -> bool {
    let last = get_json(ingest.http, &format!("/api/v1/latest?series={}", name(SERIES - 1)));
    last["items"].as_array().is_some_and(|items| items.len() == 1)
}

/// The peak of an ingest that drops the readings of all series, and of one that then drops what was kept of them, beyond
/// what it takes when there is nothing to drop.
fn dropping(folder: &Path) -> [u64; 2] {
    let readings = u64::from(HOURS * (STEADY + PASSING));
    let keep = |roll_ups: u32| format!("[store]\nkeep_raw_months = 1\nkeep_rollup_months = {roll_ups}\n");
    let memory = |extra: &str, done: &dyn Fn(&Ingest) -> bool| {
        let mut ingest = Ingest::new(folder, None, None, extra);
        ingest.start();
        wait_until("retention to drop a month", LONG, || done(&ingest));
        let memory = ingest.part.process().memory();
        ingest.part.stop();
        memory
    };
    let dropping = |before: &str, after: &str, done: &dyn Fn(&Ingest) -> bool| {
        let (idle, _) = memory(before, &|_| true);
        memory(after, done).1.saturating_sub(idle)
    };
    let dropped = |ingest: &Ingest| ingest.metrics().count("pantau_ingest_retention_dropped_readings_total");
    [
        dropping("", &keep(0), &|ingest| dropped(ingest) == readings && last_is_known(ingest)),
        // The last series is counted anew last.
        dropping(&keep(0), &keep(1), &|ingest| !last_is_known(ingest)),
    ]
}

/// The peak of a command of ingest.
fn peak_of(command: &str, config: &Path, folder: &Path) -> u64 {
    let mut run = Command::new(binary("pantau-ingest"));
    run.arg(command).arg("--config").arg(config);
    let mut process = Proc::start(command, run, &folder.join("command.log"));
    let mut peak = 0;
    let status = loop {
        peak = peak.max(process.memory().1);
        match process.ended() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    assert!(status.success(), "{command} ended with {status}:\n{}", process.output());
    peak
}

fn name(series: u32) -> String {
    format!("device-{series:07}/temperature")
}

/// A store with a file for each hour.
fn fill(folder: &Path) {
    let dir = folder.join("pantau-ingest/store");
    std::fs::create_dir_all(&dir).unwrap();
    let Opened { mut store, reader, flusher, .. } =
        open(StdFiles::new(), Config::new(&dir), &mut |_| {}).unwrap();
    reader.set_indexed(u64::MAX);
    let gateway = || GatewayId::new("bench").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| flusher.run().unwrap());
        let (mut known, mut first) = (0, 0);
        let mut append = |store: &mut EmbeddedStore<StdFiles>, ids: &[u32], time: i64| {
            let mut commit = Commit::new(gateway(), Epoch(1), time);
            commit.ranges.push(first..first + ids.len() as u64);
            first += ids.len() as u64;
            for id in ids {
                if *id >= known {
                    let (id, name) = (SeriesId(*id), name(*id).into());
                    commit.new_series.push(NewSeries { id, name, gateway: gateway() });
                    known += 1;
                }
                commit.readings.series.push(SeriesId(*id));
                commit.readings.times.push(time + i64::from(id % 60_000));
                commit.readings.values.push(f64::from(id % 97) / 10.0);
            }
            assert_eq!(store.append(&[commit]).unwrap(), 1);
        };
        for hour in 0..HOURS {
            let time = START + i64::from(hour) * HOUR_MS;
            let passing = STEADY + hour * PASSING..STEADY + (hour + 1) * PASSING;
            let reporting: Vec<u32> = (0..STEADY).chain(passing).collect();
            reporting.chunks(BATCH).for_each(|ids| append(&mut store, ids, time));
            store.flush().unwrap();
        }
        append(&mut store, &[0], LATER);
        store.flush().unwrap();
        drop(store);
    });
}
