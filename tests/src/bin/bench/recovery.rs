//! How long ingest takes to be ready again after kill -9 with a full memory table.

use crate::ours;
use crate::report::{Row, median, short};
use pantau_e2e::clock::{now, wait_until};
use pantau_e2e::metrics::Metrics;
use pantau_e2e::parts::{Ingest, LIMIT};

const SERIES: usize = 5_000;
const BATCH: usize = 10_000;
/// Batches that are committed together at most: so much a table may hold beyond its bound.
const WINDOW: usize = 16;
/// More than one table holds, and less than two.
const PROBE: usize = 15_000_000;
/// A table is set aside at half of this: at more than ten million readings, when the default of 128 MiB would have let two
/// tables have less than seven.
const MEMORY: &str = "[store]\nmemory = \"400 MiB\"\n";

pub(crate) fn recovery(runs: usize) -> Vec<Row> {
    let full = full_table();
    let mut times = Vec::new();
    for _ in 0..runs {
        let (mut ingest, _folder) = ours::ingest(MEMORY);
        let load = crate::load::grpc(ingest.grpc, SERIES, BATCH, full);
        assert_eq!(held(&ingest), (load.acked, 0), "all in memory, nothing in files");
        ingest.part.kill();
        let start = now();
        ingest.start();
        times.push(start.elapsed().as_secs_f64());
        assert_eq!(held(&ingest), (load.acked, 0), "all in memory again");
        ingest.part.stop();
    }
    let time = median(times);
    vec![Row {
        figure: "recovery after kill -9 with a full memory table",
        pantau: format!("{time:.2} s with {} readings in it", short(full as f64)),
        peer: String::new(),
        ratio: None,
        wanted: "< 2 s",
        met: time < 2.0,
    }]
}

/// Readings in memory and in files.
fn held(ingest: &Ingest) -> (u64, u64) {
    let metrics = ingest.metrics();
    let count = |name: &str| metrics.count(&format!("pantau_ingest_{name}"));
    (count("memory_table_readings"), count("stored_total"))
}

/// The most readings that certainly fit into the table: what the first one held when it went to files.
fn full_table() -> usize {
    let (ingest, _folder) = ours::ingest(MEMORY);
    crate::load::grpc(ingest.grpc, SERIES, BATCH, PROBE);
    let flushes = || Metrics::scrape(ingest.http).count("pantau_ingest_flushes_total");
    wait_until("the first table to be in files", LIMIT, || flushes() > 0);
    assert_eq!(flushes(), 1, "one table is in files");
    let first = held(&ingest).1 as usize;
    first - first % BATCH - WINDOW * BATCH
}
