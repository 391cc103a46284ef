//! What a run of the load tool found out.

use std::fmt;

use super::histogram::Histogram;

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: f64,
    /// 90 % are faster.
    pub p90: f64,
    /// 99 % are faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Percentiles {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        let ms = |quantile| (histogram.quantile(quantile) as f64 / 1e3).round() / 1e3;
        Self { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99), max: ms(1.0) }
    }
}

/// One run. `--json` prints it as it is.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LoadReport {
    /// `mqtt` or `grpc`.
    pub side: &'static str,
    /// Publishes or readings that were sent.
    pub sent: u64,
    /// Of them acknowledged.
    pub acked: u64,
    /// From the first send to the last ack.
    pub seconds: f64,
    /// Acknowledged a second.
    pub per_second: f64,
    /// From a publish's (when paced: from when it was due to the last tick) or batch's send to its ack.
    pub latency_ms: Percentiles,
    /// What the process of `--pid` used in that time.
    pub cpu_seconds: Option<f64>,
    /// The same for a million acknowledged.
    pub cpu_seconds_per_million: Option<f64>,
}

impl LoadReport {
    pub(crate) fn new(
        side: &'static str,
        sent: u64,
        acked: u64,
        nanos: u64,
        latency: &Histogram,
        cpu: Option<f64>,
    ) -> Self {
        let seconds = nanos as f64 / 1e9;
        Self {
            side,
            sent,
            acked,
            seconds: (seconds * 1e3).round() / 1e3,
            per_second: (acked as f64 / seconds.max(1e-9)).round(),
            latency_ms: Percentiles::of(latency),
            cpu_seconds: cpu.map(|cpu| (cpu * 1e2).round() / 1e2),
            cpu_seconds_per_million: cpu.map(|cpu| (cpu * 1e9 / acked.max(1) as f64).round() / 1e3),
        }
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.side == "mqtt" { "publishes" } else { "readings" };
        writeln!(f, "{} of {} {what} acknowledged in {:.3} s", self.acked, self.sent, self.seconds)?;
        writeln!(f, "{:.0} a second", self.per_second)?;
        let Percentiles { p50, p90, p99, max } = self.latency_ms;
        write!(f, "ack latency ms: p50 {p50:.3}, p90 {p90:.3}, p99 {p99:.3}, max {max:.3}")?;
        if let (Some(cpu), Some(million)) = (self.cpu_seconds, self.cpu_seconds_per_million) {
            write!(f, "\nprocess: {cpu:.2} CPU s, {million:.3} CPU s per million")?;
        }
        Ok(())
    }
}
