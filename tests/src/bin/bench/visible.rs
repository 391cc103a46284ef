//! How long after the last ack all that was written can be read.

use crate::lines::Sender;
use crate::ours;
use crate::peers::VictoriaMetrics;
use crate::report::{Row, median};
use pantau_e2e::clock::{now, now_ms};
use pantau_e2e::http::{encode, get_json};
use std::time::Duration;

const SERIES: usize = 5_000;
const READINGS: usize = 100_000;
/// More than this nobody waits for.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn visible(runs: usize) -> Vec<Row> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(ours_once());
        theirs.push(theirs_once());
    }
    // Of ours the worst run counts.
    let questions = ours.iter().map(|(questions, _)| *questions).max().unwrap_or(0);
    let ms = median(ours.into_iter().map(|(_, ms)| ms).collect());
    vec![Row {
        figure: "last ack → all 100,000 readings of 5,000 new series can be read, HTTP",
        pantau: format!("by question {questions}, answered after {ms:.1} ms"),
        peer: format!("victoria-metrics: {:.0} ms", median(theirs)),
        ratio: None,
        wanted: "at once",
        met: questions == 1,
    }]
}

/// Questions until everything is there, and milliseconds.
fn ours_once() -> (u32, f64) {
    let (mut ingest, _folder) = ours::ingest("");
    let load = crate::load::grpc(ingest.grpc, SERIES, READINGS / 10, READINGS);
    let found = until(load.acked, || {
        let answer = get_json(ingest.http, &format!("/api/v1/series?limit={}", 2 * SERIES));
        answer["items"].as_array().unwrap().iter().map(|item| item["points"].as_u64().unwrap()).sum()
    });
    ingest.part.stop();
    found
}

fn theirs_once() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let peer = VictoriaMetrics::start(folder.path(), &[]);
    let (start, steps) = (now_ms() - 3_600_000, (READINGS / SERIES) as i64);
    let points =
        (0..steps).flat_map(|step| (0..SERIES).map(move |series| (series, start + step * 10_000, 1.0)));
    Sender::connect(peer.address).send_points(points);
    let query = encode("sum(count_over_time({__name__=~\"kept_.*\"}[2h]))");
    let (_, ms) = until(READINGS as u64, || {
        let answer = get_json(peer.address, &format!("/api/v1/query?nocache=1&query={query}"));
        let count = answer["data"]["result"][0]["value"][1].as_str();
        count.map_or(0, |count| count.parse::<f64>().unwrap() as u64)
    });
    ms
}

/// Asks until `all` are found.
fn until(all: u64, mut found: impl FnMut() -> u64) -> (u32, f64) {
    let (start, mut questions) = (now(), 0);
    loop {
        questions += 1;
        let found = found();
        assert!(found <= all && start.elapsed() < LIMIT, "{found} of {all} can be read");
        if found == all {
            return (questions, start.elapsed().as_secs_f64() * 1e3);
        }
    }
}
