//! The gateway's side: how fast it acks, how soon, at what cost in CPU and memory; beside mosquitto.

use crate::load::{Load, Shape};
use crate::machine::write_back;
use crate::ours::Pantau;
use crate::peers::{Keeps, Mosquitto};
use crate::report::{Row, median, short};
use pantau_e2e::parts::{Gateway, LIMIT};
use pantau_e2e::ports;
use std::net::SocketAddr;

/// A closed loop: 50 connections, 100 publishes of 60 bytes in flight on each, 500 topics.
const FULL: Shape = Shape { connections: 50, window: 100, topics: 500, publishes: 0, rate: None };
/// So many that either takes seconds.
const OURS: Shape = Shape { publishes: 4_000_000, ..FULL };
const THEIRS: Shape = Shape { publishes: 1_000_000, ..FULL };

/// One run.
struct Run {
    load: Load,
    /// CPU seconds of a million publishes.
    cpu: f64,
    /// Mean time of an fsync, milliseconds.
    fsync_ms: f64,
}

/// Acked publishes a second and CPU seconds per million, of a gateway that spools (nobody takes its readings)
/// and of a mosquitto without a subscriber.
pub(crate) fn acked(runs: usize) -> Vec<Row> {
    let (ours, theirs): (Vec<Run>, Vec<Run>) =
        (0..runs).map(|_| (spooling(&OURS), mosquitto(&THEIRS))).unzip();
    let of = |runs: &[Run], pick: fn(&Run) -> f64| median(runs.iter().map(pick).collect());
    let rate = |run: &Run| run.load.per_second;
    let (our_rate, their_rate) = (of(&ours, rate), of(&theirs, rate));
    let (our_cpu, their_cpu) = (of(&ours, |run| run.cpu), of(&theirs, |run| run.cpu));
    let fsync = of(&ours, |run| run.fsync_ms);
    vec![
        Row {
            figure: "acked QoS 1 publishes per second: 60-byte JSON, 500 topics, 50 connections × window 100",
            pantau: format!("{}, each after an fsync (of {fsync:.2} ms)", short(our_rate)),
            peer: format!("mosquitto without a subscriber, in memory only: {}", short(their_rate)),
            ratio: Some(our_rate / their_rate),
            wanted: "≥ 200 k and ≥ 2 × mosquitto",
            met: our_rate >= 200e3 && our_rate >= 2.0 * their_rate,
        },
        Row {
            figure: "CPU seconds per million publishes at that load, decode and spool counted",
            pantau: format!("{our_cpu:.2}"),
            peer: format!("mosquitto: {their_cpu:.2}"),
            ratio: Some(our_cpu / their_cpu),
            wanted: "< 5",
            met: our_cpu < 5.0,
        },
    ]
}

/// Ack latency at 2,000 publishes a second over 50 connections.
pub(crate) fn latency(runs: usize) -> Vec<Row> {
    let paced = Shape { publishes: 40_000, rate: Some(2_000), ..FULL };
    let (ours, theirs): (Vec<Run>, Vec<Run>) =
        (0..runs).map(|_| (spooling(&paced), mosquitto(&paced))).unzip();
    let of = |runs: &[Run], pick: fn(&Load) -> f64| median(runs.iter().map(|run| pick(&run.load)).collect());
    let (our_p99, their_p99) = (of(&ours, |load| load.p99_ms), of(&theirs, |load| load.p99_ms));
    let (our_p50, their_p50) = (of(&ours, |load| load.p50_ms), of(&theirs, |load| load.p50_ms));
    vec![Row {
        figure: "ack latency at 2,000 publishes a second over 50 connections, p99",
        pantau: format!("{our_p99:.2} ms after an fsync (p50 {our_p50:.2})"),
        peer: format!("mosquitto, in memory only: {their_p99:.2} ms (p50 {their_p50:.2})"),
        ratio: Some(our_p99 / their_p99),
        wanted: "< 6 ms",
        met: our_p99 < 6.0,
    }]
}

/// Resident memory of a gateway that takes 1,000 readings a second in and delivers them, for half a minute.
pub(crate) fn memory(runs: usize) -> Vec<Row> {
    let paced = Shape { publishes: 30_000, rate: Some(1_000), ..FULL };
    let mut peaks = Vec::new();
    for _ in 0..runs {
        let mut pantau = Pantau::start("");
        crate::load::mqtt(pantau.gateway.mqtt, &paced);
        pantau.gateway.wait_drained(LIMIT);
        peaks.push(pantau.gateway.part.process().memory().1 as f64 / 1e6);
        pantau.stop();
    }
    let peak = median(peaks);
    vec![Row {
        figure: "resident memory of the gateway at 1,000 readings a second, at most",
        pantau: format!("{peak:.1} MB"),
        peer: String::new(),
        ratio: None,
        wanted: "< 20 MB",
        met: peak < 20.0,
    }]
}

fn spooling(shape: &Shape) -> Run {
    write_back();
    let folder = tempfile::tempdir().unwrap();
    let nobody: SocketAddr = ports::free();
    let mut gateway = Gateway::new(folder.path(), nobody, None, None, "");
    gateway.start();
    let before = gateway.part.process().cpu_seconds();
    let load = crate::load::mqtt(gateway.mqtt, shape);
    let cpu = gateway.part.process().cpu_seconds() - before;
    let metrics = gateway.metrics();
    let syncs = metrics.get("pantau_gateway_fsync_seconds_count");
    let fsync_ms = metrics.get("pantau_gateway_fsync_seconds_sum") / syncs * 1e3;
    // What it acked is in the spool: a killed gateway finds all of it again.
    gateway.part.kill();
    gateway.start();
    let spooled = gateway.metrics().count("pantau_gateway_backlog_readings");
    assert_eq!(spooled, load.acked, "acked and found again after kill -9");
    gateway.part.stop();
    Run { load, cpu: cpu / load.acked as f64 * 1e6, fsync_ms }
}

fn mosquitto(shape: &Shape) -> Run {
    write_back();
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Mosquitto::start(folder.path(), Keeps::Nothing);
    let before = peer.process.cpu_seconds();
    let load = crate::load::mqtt(peer.address, shape);
    let cpu = peer.process.cpu_seconds() - before;
    peer.process.terminate(LIMIT);
    Run { load, cpu: cpu / load.acked as f64 * 1e6, fsync_ms: 0.0 }
}
