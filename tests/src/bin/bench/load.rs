//! Runs `pantau-sim load` and reads its report.

use pantau_e2e::parts::{GATEWAY, TOKEN};
use pantau_e2e::process::{binary, run};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(900);

/// What is published: without a rate as fast as acks come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: u32,
    pub(crate) window: u32,
    pub(crate) topics: u32,
    pub(crate) publishes: u64,
    pub(crate) rate: Option<u32>,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) acked: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// QoS 1 publishes of 60 bytes of JSON to a gateway or broker.
#[track_caller]
pub(crate) fn mqtt(broker: SocketAddr, shape: &Shape) -> Load {
    let mut command = Command::new(binary("pantau-sim"));
    command.args(["load", "mqtt", "--json", "--broker", &broker.to_string()]);
    command.args(["--connections", &shape.connections.to_string(), "--window", &shape.window.to_string()]);
    command.args(["--topics", &shape.topics.to_string(), "--messages", &shape.publishes.to_string()]);
    if let Some(rate) = shape.rate {
        command.args(["--rate", &rate.to_string()]);
    }
    report(command, shape.publishes)
}

/// Batches of readings to ingest, as the gateway that it knows.
#[track_caller]
pub(crate) fn grpc(ingest: SocketAddr, series: usize, batch: usize, readings: usize) -> Load {
    let mut command = Command::new(binary("pantau-sim"));
    command.args(["load", "grpc", "--json", "--url", &format!("http://{ingest}")]);
    command.args(["--gateway", GATEWAY, "--token", TOKEN, "--series", &series.to_string()]);
    command.args(["--batch", &batch.to_string(), "--messages", &readings.to_string()]);
    report(command, readings as u64)
}

#[track_caller]
fn report(command: Command, wanted: u64) -> Load {
    let (code, out, error) = run(command, LIMIT);
    assert_eq!(code, 0, "the load generator failed: {error}");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no report: {out}{error}"));
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no number: {report}"));
    let acked = report["acked"].as_u64().expect("a count");
    assert!(acked >= wanted, "{acked} of {wanted} acked: {report}");
    let latency = &report["latency_ms"];
    Load {
        acked,
        per_second: number(&report["per_second"]),
        p50_ms: number(&latency["p50"]),
        p99_ms: number(&latency["p99"]),
    }
}
