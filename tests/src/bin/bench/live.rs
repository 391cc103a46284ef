//! How soon a reading is on a page that watches: from the PUBLISH to the pushed event.

use crate::ours::Pantau;
use crate::report::{Row, median};
use pantau_e2e::clock::{now, spawn};
use pantau_e2e::http::Events;
use pantau_e2e::mqtt::{Client, Hello, publish};
use pantau_e2e::parts::LIMIT;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DEVICES: usize = 1_000;
/// Of a run; each device sends once a second.
const SECONDS: usize = 20;

pub(crate) fn live(runs: usize) -> Vec<Row> {
    let all: Vec<(f64, f64)> = (0..runs).map(|_| once()).collect();
    let p99 = median(all.iter().map(|run| run.0).collect());
    let p50 = median(all.iter().map(|run| run.1).collect());
    vec![Row {
        figure: "PUBLISH sent → event received (SSE) at 1,000 readings a second, p99",
        pantau: format!("{p99:.1} ms (p50 {p50:.1})"),
        peer: String::new(),
        ratio: None,
        wanted: "< 100 ms",
        met: p99 < 100.0,
    }]
}

/// Milliseconds: p99 and p50. A reading's value is its number, so that each event is known.
fn once() -> (f64, f64) {
    let mut pantau = Pantau::start("");
    let limit = Duration::from_secs(SECONDS as u64) + 2 * LIMIT;
    let mut events = Events::open(pantau.ingest.http, "/api/v1/live", limit);
    let got: Arc<Mutex<Vec<(usize, Instant)>>> = Arc::default();
    let arrivals = got.clone();
    let listener = spawn("live", move || {
        while let Some(event) = events.next_event() {
            let at = now();
            let Ok(data) = serde_json::from_str::<Value>(&event.data) else { continue };
            let items = data.as_array().map_or(std::slice::from_ref(&data), Vec::as_slice);
            let numbers = items.iter().filter_map(|item| item["value"].as_f64());
            arrivals.lock().unwrap().extend(numbers.map(|number| (number as usize, at)));
        }
    });
    let (mut client, _) = Client::connect(pantau.gateway.mqtt, &Hello::clean("bench-live")).unwrap();
    let total = DEVICES * SECONDS;
    let mut sent = Vec::with_capacity(total);
    let start = now();
    for n in 0..total {
        let due = start + Duration::from_secs_f64(n as f64 / DEVICES as f64);
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
    pantau.stop();
    listener.join().unwrap();
    let got = got.lock().unwrap();
    assert_eq!(got.len(), total, "readings pushed, and sent");
    let mut times: Vec<f64> =
        got.iter().map(|(n, at)| at.duration_since(sent[*n]).as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    (at(0.99), at(0.5))
}
