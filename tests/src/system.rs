//! Ingest, a gateway, and the network between them, with the questions that every test asks at its end.

use crate::clock::now_ms;
use crate::http::{encode, get_items, get_json};
use crate::ledger::{Ledger, Stored};
use crate::parts::{Gateway, Ingest, LIMIT};
use crate::proxy::Proxy;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;

/// How a system differs from the ordinary one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `PANTAU_FAULTS` of the gateway; its binary is then the one with the volatile file layer.
    pub gateway_faults: Option<String>,
    pub ingest_faults: Option<String>,
    /// TOML added to the configs.
    pub gateway_extra: String,
    pub ingest_extra: String,
    /// Data folders, if they are to be elsewhere.
    pub gateway_data: Option<PathBuf>,
    pub ingest_data: Option<PathBuf>,
}

impl Options {
    /// Both parts with the volatile file layer: what is not synced is lost with the process.
    #[must_use]
    pub fn volatile() -> Self {
        let faults = Some("volatile".to_owned());
        Self { gateway_faults: faults.clone(), ingest_faults: faults, ..Self::default() }
    }
}

/// A whole system.
#[derive(Debug)]
pub struct System {
    pub ingest: Ingest,
    pub gateway: Gateway,
    /// Between the gateway and ingest.
    pub network: Proxy,
    folder: TempDir,
}

impl System {
    /// Prepares a system; nothing runs yet but the proxy.
    #[must_use]
    pub fn prepare(options: &Options) -> Self {
        let folder = tempfile::Builder::new().prefix("pantau-e2e-").tempdir().expect("a temporary folder");
        let path = folder.path();
        let (ingest_data, gateway_data) = (options.ingest_data.as_deref(), options.gateway_data.as_deref());
        let ingest = Ingest::new(path, options.ingest_faults.as_deref(), ingest_data, &options.ingest_extra);
        let network = Proxy::start(ingest.grpc);
        let faults = options.gateway_faults.as_deref();
        let gateway = Gateway::new(path, network.address(), faults, gateway_data, &options.gateway_extra);
        Self { ingest, gateway, network, folder }
    }

    /// Starts a system and waits until it is ready.
    #[track_caller]
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let mut system = Self::prepare(options);
        system.ingest.start();
        system.gateway.start();
        system
    }

    /// The folder that all its files are in.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Stops both gracefully: the gateway first, so that ingest sees its last word.
    #[track_caller]
    pub fn stop(&mut self) {
        self.gateway.part.stop();
        self.ingest.part.stop();
    }

    /// Starts both again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.ingest.start();
        self.gateway.start();
    }

    /// The end of a run with a ledger: everything drains, both stop gracefully and start again, and what is
    /// stored and counted is what the ledger says.
    #[track_caller]
    pub fn assert_kept(&mut self, ledger: &Ledger) {
        self.gateway.wait_drained(4 * LIMIT);
        self.stop();
        self.restart();
        self.gateway.wait_drained(LIMIT);
        let stored = stored(self.ingest.http);
        ledger.assert_kept(&stored, &quarantined_payloads(self.ingest.http));
        Counters::read(self.ingest.http).assert_conserved(&stored);
    }
}

/// Everything in the store, read through the API.
#[track_caller]
#[must_use]
pub fn stored(http: SocketAddr) -> Stored {
    let name = |item: &Value| item["series"].as_str().expect("a series has a name").to_owned();
    let names = get_items(http, "/api/v1/series").iter().map(name).collect::<Vec<_>>();
    names.into_iter().map(|series| (series.clone(), readings(http, &series))).collect()
}

/// All readings of a series from three hours ago to an hour from now: (time, value).
#[track_caller]
#[must_use]
pub fn readings(http: SocketAddr, series: &str) -> Vec<(i64, f64)> {
    let (from, to) = (now_ms() - 3 * 3_600_000, now_ms() + 3_600_000);
    readings_between(http, series, from, to)
}

/// All readings of a series in `[from, to)`, read page by page.
#[track_caller]
#[must_use]
pub fn readings_between(http: SocketAddr, series: &str, from: i64, to: i64) -> Vec<(i64, f64)> {
    let path = format!("/api/v1/readings?series={}&from={from}&to={to}&step=raw", encode(series));
    let answer = get_json(http, &path);
    let found = &answer["series"][0];
    assert_eq!(found["series"], series, "{answer}");
    let times = found["times"].as_array().expect("times");
    let values = found["values"].as_array().expect("values");
    assert_eq!(times.len(), values.len(), "as many values as times");
    let point = |(time, value): (&Value, &Value)| {
        (time.as_i64().expect("a time in milliseconds"), value.as_f64().expect("a raw value is a number"))
    };
    times.iter().zip(values).map(point).collect()
}

/// The payloads in the quarantine, as text.
#[track_caller]
#[must_use]
pub fn quarantined_payloads(http: SocketAddr) -> Vec<String> {
    let payload = |item: &Value| item["payload"].as_str().expect("a payload").to_owned();
    get_items(http, "/api/v1/quarantine").iter().map(payload).collect()
}

/// The terms of the conservation equation, as ingest counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    pub accepted: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub replaced: u64,
    pub quarantined: u64,
    pub lost: u64,
}

impl Counters {
    /// Reads them from ingest's metrics.
    #[track_caller]
    #[must_use]
    pub fn read(http: SocketAddr) -> Self {
        let metrics = crate::metrics::Metrics::scrape(http);
        let count = |name: &str| metrics.count(&format!("pantau_ingest_{name}"));
        Self {
            accepted: count("accepted_total"),
            stored: count("stored_total"),
            duplicates: count("duplicates_total"),
            replaced: count("replaced_total"),
            quarantined: count("quarantined_total"),
            lost: count("lost_total"),
        }
    }

    /// The equation holds and so much was lost. True only when everything is flushed: after a graceful stop.
    #[track_caller]
    pub fn assert_balanced(&self, lost: u64) {
        let sum = self.stored + self.duplicates + self.replaced + self.quarantined + self.lost;
        assert_eq!(self.accepted, sum, "conservation: {self:?}");
        assert_eq!(self.lost, lost, "{self:?}");
    }

    /// It is balanced, nothing was lost or replaced, and as much is counted as stored as is there.
    #[track_caller]
    pub fn assert_conserved(&self, stored: &Stored) {
        self.assert_balanced(0);
        assert_eq!(self.replaced, 0, "{self:?}");
        let there: usize = stored.values().map(Vec::len).sum();
        assert_eq!(self.stored, there as u64, "counted as stored and there: {self:?}");
    }
}
