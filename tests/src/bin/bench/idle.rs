//! A million series, most of them idle, some that appeared and vanished again: what each costs in memory.

use crate::report::Row;
use pantau_e2e::clock::now;
use pantau_e2e::http::get_json;
use pantau_e2e::parts::Ingest;
use pantau_ingest::store::embedded::{Config, Opened, open};
use pantau_ingest::store::{Commit, NewSeries, SeriesId, Store as _};
use pantau_journal::StdFiles;
use pantau_proto::{Epoch, GatewayId};
use std::path::Path;

/// 2026-01-01T00:00:00Z
const START: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;
const BATCH: usize = 10_000;
/// Hours, with a file each.
const HOURS: u32 = 12;
/// Series that have a reading in every hour.
const STEADY: u32 = 400_000;
/// Series that appear in an hour, have one reading and no other.
const PASSING: u32 = 50_000;
const SERIES: u32 = STEADY + HOURS * PASSING;

pub(crate) fn idle(_: usize) -> Vec<Row> {
    let (full, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(full.path());
    let mut ingest = Ingest::new(full.path(), None, None, "");
    let start = now();
    ingest.start();
    let opening = start.elapsed();
    let series = ingest.metrics().count("pantau_ingest_series");
    assert_eq!(series, u64::from(SERIES));
    let (resident, _) = ingest.part.process().memory();
    let last = get_json(ingest.http, &format!("/api/v1/latest?series={}", name(SERIES - 1)));
    assert_eq!(last["items"].as_array().map(Vec::len), Some(1), "{last}");
    ingest.part.stop();
    let mut nothing = Ingest::new(empty.path(), None, None, "");
    nothing.start();
    let (base, _) = nothing.part.process().memory();
    nothing.part.stop();
    let each = resident.saturating_sub(base) as f64 / f64::from(SERIES);
    let opened = opening.as_secs_f64();
    vec![Row {
        figure: "memory per idle series, a million of them in 12 files",
        pantau: format!("{each:.0} bytes; ready after {opened:.1} s"),
        peer: String::new(),
        ratio: None,
        wanted: "< 200 bytes",
        met: each < 200.0,
    }]
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
        for hour in 0..HOURS {
            let time = START + i64::from(hour) * HOUR_MS;
            let passing = STEADY + hour * PASSING..STEADY + (hour + 1) * PASSING;
            let reporting: Vec<u32> = (0..STEADY).chain(passing).collect();
            for ids in reporting.chunks(BATCH) {
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
            }
            store.flush().unwrap();
        }
        drop(store);
    });
}
