//! The whole way: from a device's PUBLISH to a reading that can be read, and to the live page.

use crate::load::Shape;
use crate::peers::{Mosquitto, VictoriaMetrics};
use crate::table::{Row, median, short};
use pantau_e2e::clock::{now, spawn, wait_until};
use pantau_e2e::http::Events;
use pantau_e2e::mqtt::{Client, Hello, publish};
use pantau_e2e::parts::LIMIT;
use pantau_e2e::process::Proc;
use pantau_e2e::system::{Counters, Options, System};
use serde_json::Value;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const OURS: u64 = 600_000;
const THEIRS: u64 = 40_000;

/// MQTT JSON → committed and readable; then everything is killed the moment the last ack is there, started
/// again, and counted.
pub(crate) fn way(runs: usize) -> Vec<Row> {
    let (mut ours, mut theirs) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..runs {
        let shape = Shape { connections: 50, window: 100, topics: 500, publishes: OURS, rate: None };
        ours.0.push(our_rate(&shape));
        ours.1.push(our_loss(&shape));
        let shape = Shape { publishes: THEIRS, rate: Some(8_000), ..shape };
        theirs.0.push(their_rate(&shape));
        theirs.1.push(their_loss(&shape));
    }
    vec![Row {
        figure: "the whole way: MQTT JSON → committed and readable, messages per second; acked ones lost at kill -9",
        pantau: format!("{}; {} of {OURS} lost", short(median(ours.0)), median(ours.1)),
        beside: format!(
            "mosquitto → paho and influxdb-client → victoria-metrics: {}; {} of {THEIRS} lost",
            short(median(theirs.0)),
            median(theirs.1)
        ),
        wanted: "≥ 60 k, 0 lost",
    }]
}

fn our_rate(shape: &Shape) -> f64 {
    let mut system = System::start(&Options::default());
    let start = now();
    let load = crate::load::mqtt(system.gateway.mqtt, shape);
    let http = system.ingest.http;
    // What is counted as accepted is committed, and readable from the memory table by then.
    let accepted = || pantau_e2e::metrics::Metrics::scrape(http).count("pantau_ingest_accepted_total");
    wait_until("everything to be committed", 10 * LIMIT, || accepted() >= load.acked);
    let rate = load.acked as f64 / start.elapsed().as_secs_f64();
    system.stop();
    rate
}

fn our_loss(shape: &Shape) -> f64 {
    let mut system = System::start(&Options::default());
    let load = crate::load::mqtt(system.gateway.mqtt, shape);
    system.gateway.part.kill();
    system.ingest.part.kill();
    system.restart();
    system.gateway.wait_drained(10 * LIMIT);
    system.stop();
    system.restart();
    let counters = Counters::read(system.ingest.http);
    let kept = counters.stored + counters.duplicates + counters.replaced;
    system.stop();
    load.acked.saturating_sub(kept) as f64
}

struct Pipeline {
    broker: Mosquitto,
    store: VictoriaMetrics,
    script: Proc,
}

impl Pipeline {
    fn start(folder: &std::path::Path) -> Self {
        let (broker, store) = (Mosquitto::start(folder), VictoriaMetrics::start(folder));
        let path = folder.join("pipeline.py");
        std::fs::write(&path, include_str!("pipeline.py")).unwrap();
        let mut command = Command::new("/usr/bin/python3");
        command.arg(&path).args([broker.address.port().to_string(), store.address.port().to_string()]);
        if let Some(packages) = std::env::var_os("BENCH_PYTHONPATH") {
            command.env("PYTHONPATH", packages);
        }
        let mut script = Proc::start("pipeline.py", command, &folder.join("pipeline.log"));
        script.wait_for("the script (pip install influxdb-client)", LIMIT, || {
            std::fs::read_to_string(folder.join("pipeline.log")).ok()?.contains("ready").then_some(())
        });
        std::thread::sleep(Duration::from_secs(1));
        Self { broker, store, script }
    }
}

fn their_rate(shape: &Shape) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(folder.path());
    let start = now();
    let load = crate::load::mqtt(pipeline.broker.address, shape);
    wait_until("everything to be readable", 10 * LIMIT, || {
        pipeline.script.assert_alive();
        std::thread::sleep(Duration::from_millis(300));
        pipeline.store.count("pipeline_.*") >= load.acked
    });
    load.acked as f64 / start.elapsed().as_secs_f64()
}

fn their_loss(shape: &Shape) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(folder.path());
    let load = crate::load::mqtt(pipeline.broker.address, shape);
    pipeline.broker.process.kill();
    pipeline.script.kill();
    pipeline.store.process.kill();
    drop(pipeline);
    let store = VictoriaMetrics::start(folder.path());
    std::thread::sleep(Duration::from_secs(5));
    load.acked.saturating_sub(store.count("pipeline_.*")) as f64
}

/// PUBLISH sent → event received, at 1,000 readings a second from 1,000 devices.
pub(crate) fn live(runs: usize) -> Vec<Row> {
    let all: Vec<(f64, f64)> = (0..runs).map(|_| live_once()).collect();
    let p99 = median(all.iter().map(|run| run.0).collect());
    let p50 = median(all.iter().map(|run| run.1).collect());
    vec![Row {
        figure: "PUBLISH sent → event received, at 1,000 readings a second",
        pantau: format!("p99 {p99:.0} ms, p50 {p50:.0} ms"),
        beside: "–".to_owned(),
        wanted: "p99 < 100 ms",
    }]
}

const DEVICES: usize = 1_000;
const SECONDS: usize = 20;

fn live_once() -> (f64, f64) {
    let mut system = System::start(&Options::default());
    let limit = Duration::from_secs(SECONDS as u64 + 30);
    let mut events = Events::open(system.ingest.http, "/api/v1/live", limit);
    let got: Arc<Mutex<Vec<(usize, Instant)>>> = Arc::default();
    let arrivals = got.clone();
    let _listener = spawn("live", move || {
        while let Some(event) = events.next_event() {
            let at = now();
            let Ok(data) = serde_json::from_str::<Value>(&event.data) else { continue };
            let one = [data.clone()];
            let values = data.as_array().map_or(&one[..], Vec::as_slice).iter();
            let values = values.filter_map(|item| item["value"].as_f64()).map(|value| (value as usize, at));
            arrivals.lock().unwrap().extend(values);
        }
    });
    let (mut client, _) = Client::connect(system.gateway.mqtt, &Hello::clean("bench-live")).unwrap();
    let total = DEVICES * SECONDS;
    let mut sent = Vec::with_capacity(total);
    let start = now();
    for n in 0..total {
        let due = start + Duration::from_secs_f64(n as f64 / 1_000.0);
        while now() < due {
            let _ = client.receive(due.saturating_duration_since(now()));
        }
        let (topic, id) = (format!("pantau/live-{}/pulses", n % DEVICES), (n % 60_000) as u16 + 1);
        let bytes = publish(&topic, n.to_string().as_bytes(), 1, false, id);
        sent.push(now());
        client.send(&bytes).unwrap();
    }
    let waited = now();
    while got.lock().unwrap().len() < total && waited.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(50));
    }
    let got = got.lock().unwrap().clone();
    assert!(got.len() * 100 >= total * 99, "only {} of {total} readings were pushed", got.len());
    let mut times: Vec<f64> =
        got.iter().map(|(n, at)| at.duration_since(sent[*n]).as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let result = (at(0.99), at(0.5));
    system.stop();
    result
}
