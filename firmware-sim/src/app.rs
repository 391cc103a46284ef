//! Wires sources, connections and load together. The only file that starts tasks; every one is joined.

use std::time::Duration;

use pantau_proto::TimeMs;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Command, Side};
use crate::clock::Clock;
use crate::device::Source;
use crate::device::line::{self, LineEnd, LineOptions};
use crate::fleet::FleetSource;
use crate::load::{
    GrpcLoad, LoadError, LoadReport, MqttLoad, cpu, grpc, histogram::Histogram, mqtt::Connection,
};
use crate::options::{BrokerOptions, FleetOptions, ReplayOptions};
use crate::replay::ReplaySource;
use crate::summary::Summary;
use crate::{fleet, weather};

/// Time between two messages of a device in the past that `fleet --past` makes.
const PAST_PERIOD_MS: i64 = 60_000;

/// What ended a run.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// An option does not fit; the text says which and how to mend it.
    #[error("{0}")]
    Option(String),
    /// The data inside of the binary.
    #[error(transparent)]
    Weather(#[from] weather::WeatherError),
    /// A load run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A task ended unexpectedly.
    #[error("a task ended unexpectedly: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The runtime, the signals or the output.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The report as JSON.
    #[error("the report: {0}")]
    Json(#[from] serde_json::Error),
}

impl SimError {
    /// Whether the command line is to blame.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Option(_) | Self::Load(LoadError::Option(_)))
    }
}

/// Runs the command line to its end or to SIGINT or SIGTERM. Returns what is to be printed.
///
/// # Errors
/// Whatever ended the run; what [`SimError::is_usage`] says is the user's to mend.
pub fn run(cli: Cli) -> Result<String, SimError> {
    // One thread is enough for thousands of devices, and costs the other side of a benchmark least.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut signals = JoinSet::new();
        signals.spawn(stop_at_a_signal(stop.clone())?);
        match cli.command {
            Command::Replay { options, json } => print(&replay(options, stop).await?, json),
            Command::Fleet { options, json } => print(&fleet(*options, stop).await?, json),
            Command::Load { side: Side::Mqtt { options, json } } => {
                print(&load_mqtt(options, stop).await?, json)
            }
            Command::Load { side: Side::Grpc { options, json } } => {
                print(&load_grpc(options, stop).await?, json)
            }
        }
    })
}

fn print<T: std::fmt::Display + serde::Serialize>(result: &T, json: bool) -> Result<String, SimError> {
    Ok(if json { serde_json::to_string(result)? } else { result.to_string() })
}

/// Listens from now on.
fn stop_at_a_signal(stop: CancellationToken) -> Result<impl Future<Output = ()>, SimError> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        stop.cancel();
    })
}

/// Simulated devices until `stop`. What is in flight then gets 5 s to be acknowledged.
///
/// # Errors
/// A broker address that cannot be read. A broker that cannot be reached is no error: devices try again.
pub async fn fleet(options: FleetOptions, stop: CancellationToken) -> Result<Summary, SimError> {
    let FleetOptions { broker, devices, period, past, seed, connections, window, run_for, faults } = options;
    let clock = Clock::start();
    let connections = connections.unwrap_or(devices.min(20)).clamp(1, devices.max(1));
    let mut groups = vec![Vec::new(); connections as usize];
    for (index, device) in fleet::devices(devices).enumerate() {
        groups[index % connections as usize].push(device);
    }
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let start = clock.wall();
    let mut lines = Vec::with_capacity(2 * groups.len());
    for (number, group) in groups.into_iter().enumerate() {
        if let Some(past) = past {
            let from = TimeMs(start.0.saturating_sub(millis(past)));
            let source = FleetSource::new(seed, group.clone(), from, PAST_PERIOD_MS, faults).until(start);
            // A session of its own, so that the past does not hold up the present.
            lines.push((format!("pantau-sim-fleet-{seed}-{number}-past"), source));
        }
        let source = FleetSource::new(seed, group, start, millis(period), faults);
        lines.push((format!("pantau-sim-fleet-{seed}-{number}"), source));
    }
    let ends = run_lines(&broker, window, lines, clock, run_for, stop).await?;
    let mut summary = summary(&ends, devices.into());
    for end in &ends {
        summary.faults.add(&end.source.counts());
    }
    Ok(summary)
}

/// The real year, live until `stop` or as history until all of it is acknowledged.
///
/// # Errors
/// As [`fleet`].
pub async fn replay(options: ReplayOptions, stop: CancellationToken) -> Result<Summary, SimError> {
    let ReplayOptions { broker, speed, history, stations, window, run_for } = options;
    let clock = Clock::start();
    let mut lines = Vec::with_capacity(stations.len());
    for device in stations {
        let year = weather::year(&device)?;
        let source = if history {
            ReplaySource::history(&device, year)
        } else {
            ReplaySource::live(&device, year, clock.wall(), speed)
        };
        // A session of its own for history, so that it can run beside the live replay.
        lines.push((if history { format!("{device}-history") } else { device }, source));
    }
    let devices = lines.len() as u64;
    let ends = run_lines(&broker, window, lines, clock, run_for, stop).await?;
    Ok(summary(&ends, devices))
}

/// One task a connection.
async fn run_lines<S: Source + 'static>(
    broker: &BrokerOptions,
    window: u16,
    lines: Vec<(String, S)>,
    clock: Clock,
    run_for: Option<Duration>,
    stop: CancellationToken,
) -> Result<Vec<LineEnd<S>>, SimError> {
    let wrong = || SimError::Option(format!("--broker {:?}: HOST:PORT is wanted", broker.broker));
    let (host, port) = broker.address().ok_or_else(wrong)?;
    // A stop of our own: `--for` must not stop the caller.
    let stop = stop.child_token();
    let mut tasks = JoinSet::new();
    for (client_id, source) in lines {
        let (host, login, outbox) = (host.clone(), broker.login(), 4 * usize::from(window));
        let options = LineOptions { host, port, login, client_id, window, outbox };
        tasks.spawn(line::run(options, source, clock, stop.clone()));
    }
    let mut ends = Vec::with_capacity(tasks.len());
    let over = tokio::time::sleep(run_for.unwrap_or(Duration::MAX));
    tokio::pin!(over);
    loop {
        tokio::select! {
            joined = tasks.join_next() => match joined {
                Some(end) => ends.push(end?),
                None => return Ok(ends),
            },
            () = &mut over, if !stop.is_cancelled() => stop.cancel(),
        }
    }
}

fn summary<S>(ends: &[LineEnd<S>], devices: u64) -> Summary {
    let mut summary = Summary { devices, connections: ends.len() as u64, ..Summary::default() };
    for end in ends {
        summary.messages += end.acked.messages;
        summary.readings += end.acked.readings;
        summary.unacked += end.unacked as u64;
        summary.reconnects += end.reconnects;
    }
    summary
}

/// Drives an MQTT server.
///
/// # Errors
/// A connection that is refused or breaks, acks that do not come.
pub async fn load_mqtt(options: MqttLoad, stop: CancellationToken) -> Result<LoadReport, SimError> {
    let clock = Clock::start();
    options.check()?;
    let mut connections = Vec::with_capacity(options.connections as usize);
    for number in 0..options.connections {
        connections.push(Connection::open(&options, number).await?);
    }
    let before = options.pid.map(cpu::seconds).transpose()?;
    let start = clock.nanos();
    let end = options.seconds.map_or(u64::MAX, |time| start + time.as_nanos() as u64);
    let mut tasks = JoinSet::new();
    for (number, connection) in (0..).zip(connections) {
        let sender = options.sender(number, start);
        tasks.spawn(connection.run(sender, clock, end, stop.clone()));
    }
    let (mut sent, mut acked, mut last_ack, mut latency) = (0, 0, start, Histogram::new());
    let mut latest = 0;
    while let Some(joined) = tasks.join_next().await {
        let (sender, last) = joined??;
        sent += sender.sent;
        // At QoS 0 nobody acknowledges: what the socket took counts.
        acked += if options.qos == 0 { sender.sent } else { sender.acked };
        last_ack = last_ack.max(if options.qos == 0 { clock.nanos() } else { last });
        latency.merge(&sender.latency);
        latest = latest.max(sender.latest());
    }
    let used = match (options.pid, before) {
        (Some(pid), Some(before)) => Some(cpu::seconds(pid)? - before),
        _ => None,
    };
    // Until the payloads' times are past, so that the next run's cannot be the same.
    let ahead = Duration::from_millis((latest + 1 - clock.wall().0).max(0).cast_unsigned());
    tokio::select! { () = tokio::time::sleep(ahead) => {}, () = stop.cancelled() => {} }
    Ok(LoadReport::new("mqtt", sent, acked, last_ack - start, &latency, used))
}

/// Drives ingest.
///
/// # Errors
/// A stream that is refused or breaks, acks that do not come.
pub async fn load_grpc(options: GrpcLoad, stop: CancellationToken) -> Result<LoadReport, SimError> {
    Ok(grpc::run(options, Clock::start(), stop).await?)
}
