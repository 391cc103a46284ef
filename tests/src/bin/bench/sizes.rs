//! Bytes a reading that are kept: the fleet's signals and the real year, beside victoria-metrics with the very
//! same readings, read back from Pantau.

use crate::lines::Sender;
use crate::ours::Pantau;
use crate::peers::{VictoriaMetrics, folder_bytes};
use crate::report::{Row, whole};
use pantau_e2e::clock::{now_ms, wait_until};
use pantau_e2e::http::get_items;
use pantau_e2e::parts::LIMIT;
use pantau_e2e::process::{Proc, binary};
use pantau_e2e::system::{Counters, readings_between};
use std::process::Command;
use std::time::Duration;

/// A day of messages of their own times, and nothing of the present.
const FLEET: [&str; 7] = ["fleet", "--devices", "400", "--past", "24h", "--period", "1h"];
const YEAR: [&str; 2] = ["replay", "--history"];

/// Sizes do not vary from run to run: one is enough.
pub(crate) fn sizes(_runs: usize) -> Vec<Row> {
    let (day, fleet) = filled(&FLEET);
    let row = |figure, kept: &Kept, theirs, wanted, limit: f64| Row {
        figure,
        pantau: kept.to_string(),
        peer: format!("victoria-metrics, after a stop: {theirs:.2}"),
        ratio: Some(kept.each / theirs),
        wanted,
        met: kept.each < limit,
    };
    let theirs = victoria_metrics(&day, fleet.stored);
    drop(day);
    let (year, real) = filled(&YEAR);
    let real_theirs = victoria_metrics(&year, real.stored);
    vec![
        row(
            "bytes a reading, kept: a day of the fleet, 400 devices, a message a minute",
            &fleet,
            theirs,
            "< 1.0",
            1.0,
        ),
        row(
            "bytes a reading, kept: the real year of three weather stations",
            &real,
            real_theirs,
            "less than victoria-metrics",
            real_theirs,
        ),
    ]
}

/// What is on ingest's disk.
struct Kept {
    stored: u64,
    files: u64,
    /// Bytes a reading, without the journal.
    each: f64,
    journal: u64,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stored, files, each, journal } = self;
        let (stored, megabytes) = (whole(*stored), journal / 1_000_000);
        let plural = if *files == 1 { "" } else { "s" };
        write!(f, "{each:.2} ({stored} readings in {files} file{plural}, beside a journal of {megabytes} MB)")
    }
}

/// A Pantau with everything that the simulator sends, in files, and these merged.
fn filled(arguments: &[&str]) -> (Pantau, Kept) {
    let mut pantau = Pantau::start("");
    send(&pantau, arguments);
    pantau.gateway.wait_drained(10 * LIMIT);
    pantau.stop();
    let _ = pantau.ingest.part.command("compact");
    pantau.start_again();
    let counters = Counters::read(pantau.ingest.http);
    counters.assert_balanced(0);
    let store = pantau.ingest.part.data.join("store");
    let journal = folder_bytes(&store.join("journal"));
    let kept = Kept {
        stored: counters.stored,
        files: pantau.ingest.metrics().count("pantau_ingest_files"),
        each: (folder_bytes(&store) - journal) as f64 / counters.stored as f64,
        journal,
    };
    (pantau, kept)
}

/// Runs the simulator until nothing new comes from it.
fn send(pantau: &Pantau, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("pantau-sim"));
    command.args(arguments).args(["--broker", &pantau.gateway.mqtt.to_string()]);
    let mut devices = Proc::start("pantau-sim", command, &folder.path().join("pantau-sim.log"));
    let (mut last, mut same) = (0, 0);
    while same < 3 {
        std::thread::sleep(Duration::from_secs(1));
        let taken = pantau.gateway.metrics().count("pantau_gateway_accepted_total");
        same = if taken > 0 && taken == last { same + 1 } else { 0 };
        last = taken;
    }
    devices.terminate(LIMIT);
}

/// Bytes a reading, of the same readings.
fn victoria_metrics(pantau: &Pantau, stored: u64) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let peer = VictoriaMetrics::start(folder.path(), &[]);
    let http = pantau.ingest.http;
    let series = get_items(http, "/api/v1/series?limit=1000");
    let points = series.iter().enumerate().flat_map(|(number, item)| {
        let name = item["series"].as_str().expect("a name");
        let found = readings_between(http, name, 0, now_ms() + 3_600_000);
        found.into_iter().map(move |(time, value)| (number, time, value))
    });
    Sender::connect(peer.address).send_points(points);
    // What it took is not yet what it keeps.
    wait_until("all points to be readable", LIMIT, || peer.count("kept_.*") == stored);
    peer.stop_and_measure() as f64 / stored as f64
}
