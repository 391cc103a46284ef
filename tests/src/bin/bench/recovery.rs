//! How long ingest takes to be ready again after kill -9 with a full memory table.

use crate::table::{Row, median, short};
use pantau_e2e::clock::now;
use pantau_e2e::metrics::Metrics;
use pantau_e2e::parts::Ingest;
use std::net::SocketAddr;
use tempfile::TempDir;

const SERIES: usize = 5_000;
const BATCH: usize = 10_000;

pub(crate) fn recovery(runs: usize) -> Vec<Row> {
    let full = fullest();
    let (mut times, mut held) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (mut ingest, _folder) = fresh();
        crate::load::grpc(ingest.grpc, SERIES, BATCH, full);
        let before = in_memory(ingest.http);
        ingest.part.kill();
        let start = now();
        ingest.start();
        times.push(start.elapsed().as_secs_f64());
        held.push(before as f64);
        let recovered = ingest.metrics().count("pantau_ingest_accepted_total");
        assert!(recovered >= full as u64, "{recovered} of {full} readings are back");
        ingest.part.stop();
    }
    vec![Row {
        figure: "recovery after kill -9 with a full memory table",
        pantau: format!("{:.2} s with {} readings in it", median(times), short(median(held))),
        beside: "–".to_owned(),
        wanted: "< 2 s",
    }]
}

fn fresh() -> (Ingest, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut ingest = Ingest::new(folder.path(), None, None, "");
    ingest.start();
    (ingest, folder)
}

fn in_memory(http: SocketAddr) -> u64 {
    Metrics::scrape(http).count("pantau_ingest_memory_table_readings")
}

/// The most readings that go into the table before it is flushed, found by doubling and halving.
fn fullest() -> usize {
    let flushes = |readings: usize| {
        let (mut ingest, _folder) = fresh();
        crate::load::grpc(ingest.grpc, SERIES, BATCH, readings);
        let flushed = in_memory(ingest.http) < readings as u64;
        ingest.part.kill();
        flushed
    };
    let mut readings = 1_000_000;
    while !flushes(readings * 2) {
        readings *= 2;
        assert!(readings < 200_000_000, "the memory table has no bound");
    }
    let mut step = readings / 2;
    while step > readings / 16 {
        if !flushes(readings + step) {
            readings += step;
        }
        step /= 2;
    }
    readings
}
