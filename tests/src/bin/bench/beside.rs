//! victoria-metrics with the readings that the store's figures are about, asked the same questions over HTTP.

use crate::lines::Sender;
use crate::peers::VictoriaMetrics;
use crate::report::median;
use pantau_e2e::clock::{now, wait_until};
use pantau_e2e::http::{encode, get};
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A victoria-metrics that has taken a set.
pub(crate) struct Beside {
    peer: VictoriaMetrics,
    readings: u64,
}

impl Beside {
    /// Takes readings: (series number, time in ms, value).
    pub(crate) fn filled(folder: &Path, readings: impl Iterator<Item = (usize, i64, f64)>) -> Self {
        let peer = VictoriaMetrics::start(folder, &[]);
        let mut count = 0;
        Sender::connect(peer.address).send_points(readings.inspect(|_| count += 1));
        wait_until("all points to be readable", LIMIT, || peer.count("kept_.*") == count);
        Self { peer, readings: count }
    }

    /// Milliseconds of a question whose answer has so many series.
    pub(crate) fn asked(&self, path: &str, series: usize) -> f64 {
        let url = format!("http://{}{path}", self.peer.address);
        let answer = get(self.peer.address, path);
        assert_eq!((answer.status, answer.body.matches("\"metric\":").count()), (200, series), "{path}");
        ask(&[url])
    }

    /// Bytes a reading after a stop, without its cache.
    pub(crate) fn bytes(self) -> f64 {
        self.peer.stop_and_measure() as f64 / self.readings as f64
    }
}

/// Milliseconds of asking for all of these, one after the other over one connection, until the last byte; the middle of 21.
pub(crate) fn ask(urls: &[String]) -> f64 {
    let agent = ureq::Agent::new_with_defaults();
    let once = |_| {
        let start = now();
        for url in urls {
            let mut answer = agent.get(url).call().unwrap();
            let bytes = answer.body_mut().with_config().limit(256 << 20).read_to_vec().unwrap();
            assert!(bytes.len() > 100, "{url}");
        }
        start.elapsed().as_secs_f64() * 1e3
    };
    median((0..21).map(once).collect())
}

/// The newest value of every series at `time`.
pub(crate) fn last(time: i64) -> String {
    format!("/api/v1/query?nocache=1&time={}&query={}", time / 1_000, encode("{__name__=~\"kept_.*\"}"))
}

/// All readings of the first series: the name of line protocol's field is a part of the series'.
pub(crate) fn raw(from: i64, to: i64) -> String {
    let series = encode("{__name__=\"kept_0_value\"}");
    format!("/api/v1/export?match%5B%5D={series}&start={}&end={}", from / 1_000, to / 1_000)
}

/// What an expression is at each step of a period.
pub(crate) fn steps(query: &str, from: i64, to: i64, step: &str) -> String {
    let (from, to) = (from / 1_000, to / 1_000);
    format!("/api/v1/query_range?nocache=1&start={from}&end={to}&step={step}&query={}", encode(query))
}
