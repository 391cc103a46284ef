//! Pantau as it is measured: a gateway and an ingest with their defaults that talk to each other directly, and
//! what can be read back from it.

use pantau_e2e::clock::now_ms;
use pantau_e2e::http::{encode, get_items, get_json};
use pantau_e2e::parts::{Gateway, Ingest};
use serde_json::Value;
use std::net::SocketAddr;
use tempfile::TempDir;

/// A gateway and an ingest. Dropping them kills both and removes their folder.
#[derive(Debug)]
pub(crate) struct Pantau {
    pub(crate) ingest: Ingest,
    pub(crate) gateway: Gateway,
    _folder: TempDir,
}

impl Pantau {
    /// Starts both; `ingest_extra` is TOML that is added to ingest's config.
    pub(crate) fn start(ingest_extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ingest = Ingest::new(folder.path(), None, None, ingest_extra);
        let gateway = Gateway::new(folder.path(), ingest.grpc, None, None, "");
        let mut pantau = Self { ingest, gateway, _folder: folder };
        pantau.start_again();
        pantau
    }

    pub(crate) fn start_again(&mut self) {
        self.ingest.start();
        self.gateway.start();
    }

    /// In order, the gateway first.
    pub(crate) fn stop(&mut self) {
        self.gateway.part.stop();
        self.ingest.part.stop();
    }
}

/// An ingest without a gateway.
pub(crate) fn ingest(extra: &str) -> (Ingest, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut ingest = Ingest::new(folder.path(), None, None, extra);
    ingest.start();
    (ingest, folder)
}

/// Series asked for at once: few enough for the points that one answer may have.
const TOGETHER: usize = 100;
const MONTH_MS: i64 = 30 * 86_400_000;

/// Readings of the last month that the API gives back, each (series, time) counted once.
pub(crate) fn read_back(http: SocketAddr) -> u64 {
    let series = get_items(http, "/api/v1/series?limit=1000");
    let names: Vec<String> =
        series.iter().map(|item| encode(item["series"].as_str().expect("a name"))).collect();
    let (from, to) = (now_ms() - MONTH_MS, now_ms() + 3_600_000);
    let mut found = 0;
    for names in names.chunks(TOGETHER) {
        let path = format!("/api/v1/readings?series={}&from={from}&to={to}&step=raw", names.join(","));
        let answer = get_json(http, &path);
        for series in answer["series"].as_array().expect("series") {
            let times: Vec<i64> =
                series["times"].as_array().expect("times").iter().filter_map(Value::as_i64).collect();
            assert!(times.is_sorted_by(|a, b| a < b), "{} has a time twice", series["series"]);
            found += times.len() as u64;
        }
    }
    found
}
