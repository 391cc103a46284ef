//! Bytes a reading that are kept: the fleet's signals and the real year, beside victoria-metrics with the very
//! same readings, read back from Pantau.

use crate::peers::{VictoriaMetrics, folder_bytes};
use crate::table::Row;
use crate::write::write_points;
use pantau_e2e::clock::now_ms;
use pantau_e2e::http::get_items;
use pantau_e2e::parts::LIMIT;
use pantau_e2e::process::{binary, run};
use pantau_e2e::system::{Counters, Options, System, readings_between};
use std::process::Command;

/// Sizes do not vary from run to run: one is enough.
pub(crate) fn sizes(_runs: usize) -> Vec<Row> {
    vec![
        kept(
            "bytes a reading, kept: the fleet, 200 devices each 100 ms for 90 s",
            &["fleet", "--devices", "200", "--period", "100ms", "--for", "90s"],
            "< 1.0",
        ),
        kept("bytes a reading, kept: the real year of three stations", &["replay", "--history"], "< 1.2"),
    ]
}

fn kept(figure: &'static str, arguments: &[&str], wanted: &'static str) -> Row {
    // The table is large enough for all: one flush at the stop, as a store that runs on would have had.
    let extra = "[store]\nmemory_bytes = \"2 GiB\"\n".to_owned();
    let mut system = System::start(&Options { ingest_extra: extra, ..Options::default() });
    let mut command = Command::new(binary("pantau-sim"));
    command.args(arguments).args(["--broker", &system.gateway.mqtt.to_string()]);
    let (code, out, error) = run(command, 40 * LIMIT);
    assert_eq!(code, 0, "{out}{error}");
    system.gateway.wait_drained(10 * LIMIT);
    system.stop();
    system.restart();
    let http = system.ingest.http;
    let stored = Counters::read(http).stored;
    let metrics = system.ingest.metrics();
    let bytes = metrics.count("pantau_ingest_file_bytes");
    let rollups = metrics.find("pantau_ingest_rollup_bytes").unwrap_or(0.0) as u64;

    let folder = tempfile::tempdir().unwrap();
    let peer = VictoriaMetrics::start(folder.path());
    let series = get_items(http, "/api/v1/series?limit=1000");
    let points = series.iter().enumerate().flat_map(|(number, item)| {
        let name = item["series"].as_str().expect("a name");
        let found = readings_between(http, name, 0, now_ms() + 3_600_000);
        found.into_iter().map(move |(time, value)| (number, time, value))
    });
    write_points(peer.address, points);
    let theirs = peer.stop_and_measure();
    let all = folder_bytes(&system.ingest.part.data);
    system.stop();
    let each = |bytes: u64| bytes as f64 / stored as f64;
    Row {
        figure,
        pantau: format!(
            "{:.2} of {stored} readings (roll-ups {:.2} more; the whole folder {:.2})",
            each(bytes - rollups),
            each(rollups),
            each(all)
        ),
        beside: format!("victoria-metrics, after a stop: {:.2}", each(theirs)),
        wanted,
    }
}
