//! The gateway's side: how fast it acks, how soon, at what cost in CPU and memory; beside mosquitto.

use crate::load::{Load, Shape};
use crate::peers::Mosquitto;
use crate::table::{Row, median, short};
use pantau_e2e::parts::{Gateway, LIMIT};
use pantau_e2e::ports;
use pantau_e2e::system::{Options, System};
use std::net::SocketAddr;
use std::time::Duration;

/// Publishes of one run; fewer than some 80,000 would be noise.
const PUBLISHES: u64 = 1_000_000;

/// A closed loop: 50 connections, 100 publishes of 60 bytes in flight on each, 500 topics.
const FULL: Shape = Shape { connections: 50, window: 100, topics: 500, publishes: PUBLISHES, rate: None };

/// Acked publishes a second and CPU seconds per million, of a gateway that spools (nobody takes its readings)
/// and of a mosquitto without a subscriber.
pub(crate) fn acked(runs: usize) -> Vec<Row> {
    let (mut ours, mut theirs) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..runs {
        let (load, cpu) = spooling(&FULL);
        ours.0.push(load.per_second);
        ours.1.push(cpu / load.acked as f64 * 1e6);
        let (load, cpu) = mosquitto(&FULL);
        theirs.0.push(load.per_second);
        theirs.1.push(cpu / load.acked as f64 * 1e6);
    }
    let (ours, theirs) = ((median(ours.0), median(ours.1)), (median(theirs.0), median(theirs.1)));
    vec![
        Row {
            figure: "acked QoS 1 publishes per second, 60-byte JSON, 500 topics, 50 connections × window 100",
            pantau: format!("{}, every ack after an fsync", short(ours.0)),
            beside: format!("mosquitto without a subscriber, in memory: {}", short(theirs.0)),
            wanted: "≥ 200 k and ≥ 2 × mosquitto",
        },
        Row {
            figure: "gateway CPU seconds per million publishes, decode and spool counted",
            pantau: format!("{:.2}", ours.1),
            beside: format!("mosquitto: {:.2}", theirs.1),
            wanted: "< 5",
        },
    ]
}

/// Ack latency at 2,000 publishes a second over 50 connections.
pub(crate) fn latency(runs: usize) -> Vec<Row> {
    let paced = Shape { publishes: 40_000, rate: Some(2_000), ..FULL };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(spooling(&paced).0);
        theirs.push(mosquitto(&paced).0);
    }
    let of = |loads: &[Load], pick: fn(&Load) -> f64| median(loads.iter().map(pick).collect());
    let both = |loads: &[Load]| {
        format!("p99 {:.1} ms, p50 {:.1} ms", of(loads, |load| load.p99_ms), of(loads, |load| load.p50_ms))
    };
    vec![Row {
        figure: "ack latency at 2,000 publishes a second over 50 connections",
        pantau: both(&ours),
        beside: format!("mosquitto: {}", both(&theirs)),
        wanted: "p99 < 6 ms",
    }]
}

/// Resident memory of a gateway that takes 1,000 readings a second in and delivers them, for half a minute.
pub(crate) fn memory(runs: usize) -> Vec<Row> {
    let paced = Shape { publishes: 30_000, rate: Some(1_000), ..FULL };
    let mut peaks = Vec::new();
    for _ in 0..runs {
        let mut system = System::start(&Options::default());
        crate::load::mqtt(system.gateway.mqtt, &paced);
        system.gateway.wait_drained(LIMIT);
        peaks.push(system.gateway.part.process().memory().1 as f64);
        system.stop();
    }
    vec![Row {
        figure: "gateway resident memory (peak) at 1,000 readings a second",
        pantau: format!("{:.1} MB", median(peaks) / 1e6),
        beside: "–".to_owned(),
        wanted: "< 20 MB",
    }]
}

fn spooling(shape: &Shape) -> (Load, f64) {
    let folder = tempfile::tempdir().unwrap();
    let nobody: SocketAddr = ports::free();
    let mut gateway = Gateway::new(folder.path(), nobody, None, None, "");
    gateway.start();
    let before = gateway.part.process().cpu_seconds();
    let load = crate::load::mqtt(gateway.mqtt, shape);
    let cpu = gateway.part.process().cpu_seconds() - before;
    let spooled = gateway.metrics().count("pantau_gateway_spooled_total");
    assert!(spooled >= load.acked, "{} acked, {spooled} spooled", load.acked);
    gateway.part.stop();
    (load, cpu)
}

fn mosquitto(shape: &Shape) -> (Load, f64) {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Mosquitto::start(folder.path());
    let before = peer.process.cpu_seconds();
    let load = crate::load::mqtt(peer.address, shape);
    let cpu = peer.process.cpu_seconds() - before;
    peer.process.terminate(Duration::from_secs(30));
    (load, cpu)
}
