//! What operators and the conservation check read, as OpenMetrics text.
//!
//! Counters that must be exact (accepted, stored, …) are the store's own: they are part of what it journals, so they
//! survive kill -9. After a graceful stop, which flushes:
//! `accepted = stored + duplicates + replaced + quarantined + lost`.

use crate::{gateways::Gateways, grpc::DoorMetrics, store::Counters};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text::encode},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        gauge::ConstGauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use std::{fmt, sync::Arc};

/// What the committer counts.
#[derive(Debug)]
pub struct CommitMetrics {
    /// How long an append took, seconds.
    pub commit_seconds: Histogram,
    /// Submissions whose ack was withheld because the store had no room.
    pub withheld: Counter,
    /// Submissions of fenced streams.
    pub fenced: Counter,
}

impl Default for CommitMetrics {
    fn default() -> Self {
        let buckets = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
        Self {
            commit_seconds: Histogram::new(buckets),
            withheld: Counter::default(),
            fenced: Counter::default(),
        }
    }
}

/// What the engine says of itself, read at each scrape.
#[derive(Clone, Debug, Default)]
pub struct EngineNumbers {
    /// The store's durable counters.
    pub counters: Counters,
    /// Readings in memory tables.
    pub memory_readings: u64,
    /// Flushes since the start.
    pub flushes: u64,
    /// Merges of files since the start.
    pub merges: u64,
    /// Bytes that they wrote.
    pub merged_bytes: u64,
    /// Bytes of the roll-ups written since the start.
    pub rolled_bytes: u64,
    /// Bytes of the roll-ups that there are.
    pub rollup_bytes: u64,
    /// Files, bytes and readings that retention dropped since the store was made.
    pub dropped: [u64; 3],
    /// Bytes of readings that retention has yet to drop.
    pub overdue_bytes: u64,
    /// Whether the last merge or drop failed.
    pub merge_failing: bool,
    /// Data files.
    pub files: u64,
    /// Bytes of the data files.
    pub file_bytes: u64,
    /// Series known.
    pub series: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Commits behind which the quarantine index is.
    pub unindexed_commits: u64,
    /// Whether the quarantine index cannot be written.
    pub index_failing: bool,
    /// Seconds spent in fsync, number of fsyncs, and (upper bound in seconds, count in that bucket).
    pub fsync: (f64, u64, Vec<(f64, u64)>),
}

/// Reads the engine's numbers.
pub type ReadEngine = Box<dyn Fn() -> EngineNumbers + Send + Sync>;

/// The registry with everything in it.
pub struct Metrics(Registry);

struct Engine(ReadEngine);
struct Fleet(Arc<Gateways>);

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fleet")
    }
}

impl Metrics {
    /// Everything under `pantau_ingest_`.
    pub fn new(
        commit: &CommitMetrics,
        door: &DoorMetrics,
        engine: ReadEngine,
        gateways: Arc<Gateways>,
    ) -> Self {
        let mut registry = Registry::with_prefix("pantau_ingest");
        for (name, help, gauge) in [
            ("grpc_connections", "Gateways' connections", &door.connections),
            ("grpc_connections_waiting", "Of these, without a stream that has said Hello", &door.waiting),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            ("grpc_silent", "Connections closed because they said no Hello in time", &door.silent),
            ("grpc_crowded_out", "Connections closed because too many had said no Hello", &door.crowded_out),
        ] {
            registry.register(name, help, counter.clone());
        }
        let commit_seconds = commit.commit_seconds.clone();
        registry.register_with_unit(
            "commit",
            "Time of an append with its fsync",
            Unit::Seconds,
            commit_seconds,
        );
        registry.register(
            "withheld",
            "Submissions not acked because the store had no room",
            commit.withheld.clone(),
        );
        registry.register(
            "fenced",
            "Submissions of streams that a newer one had fenced",
            commit.fenced.clone(),
        );
        registry.register_collector(Box::new(Engine(engine)));
        registry.register_collector(Box::new(Fleet(gateways)));
        Self(registry)
    }

    /// The OpenMetrics text.
    ///
    /// # Errors
    /// When formatting fails, which a String never does.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

impl Collector for Engine {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let EngineNumbers {
            counters,
            memory_readings,
            flushes,
            merges,
            merged_bytes,
            dropped,
            rolled_bytes,
            rollup_bytes,
            overdue_bytes,
            merge_failing,
            files,
            file_bytes,
            series,
            journal_bytes,
            unindexed_commits,
            index_failing,
            fsync,
        } = (self.0)();
        let counted = [
            (
                "accepted",
                "Readings, refused payloads and recorded losses taken from gateways",
                counters.accepted(),
            ),
            ("stored", "Readings in files, each identity once", counters.stored),
            ("duplicates", "Readings that were there with the same value", counters.duplicates),
            ("replaced", "Readings that took the place of another value", counters.replaced),
            ("quarantined", "Payloads and readings in quarantine", counters.refused),
            ("lost", "Readings given up, by loss records", counters.lost),
            ("late", "Readings flagged late", counters.late),
            ("skipped", "Positions that came again after they were committed", counters.skipped),
            ("committed_batches", "Commits", counters.commits),
            ("flushes", "Memory tables written to files since the start", flushes),
            ("merges", "Merges of data files since the start", merges),
            ("merged_bytes", "Bytes that merges wrote since the start", merged_bytes),
            ("retention_dropped_files", "Files of readings that retention dropped", dropped[0]),
            ("retention_dropped_bytes", "Bytes of them", dropped[1]),
            ("retention_dropped_readings", "Readings in them; they still count as stored", dropped[2]),
            ("rolled_bytes", "Bytes of roll-ups written since the start", rolled_bytes),
        ];
        for (name, help, value) in counted {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let measured = [
            ("pending_readings", "Readings in the journal that are not in files yet", counters.pending()),
            ("memory_table_readings", "Readings in memory tables", memory_readings),
            ("files", "Data files", files),
            ("file_bytes", "Bytes of data files", file_bytes),
            ("rollup_bytes", "Bytes of roll-ups", rollup_bytes),
            (
                "retention_waiting_bytes",
                "Bytes of readings that are over, but to be merged and rolled up before they are dropped",
                overdue_bytes,
            ),
            (
                "merge_failing",
                "1 while data files cannot be merged or dropped; the log says why",
                u64::from(merge_failing),
            ),
            ("series", "Series known", series),
            ("journal_bytes", "Bytes of the journal", journal_bytes),
            (
                "unindexed_commits",
                "Commits that the quarantine index has not seen; the journal is kept for them",
                unindexed_commits,
            ),
            (
                "quarantine_index_failing",
                "1 while the quarantine index cannot be written",
                u64::from(index_failing),
            ),
        ];
        for (name, help, value) in measured {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let (sum, count, buckets) = fsync;
        encoder
            .encode_descriptor(
                "fsync",
                "Time of a journal's fsync",
                Some(&Unit::Seconds),
                MetricType::Histogram,
            )?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

impl Collector for Fleet {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gateways = self.0.list();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let mut family = |name: &str, help: &str, values: Vec<(&String, i64)>| -> Result<(), fmt::Error> {
            let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (id, value) in values {
                let labels = [("gateway", id.as_str())];
                ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
            }
            Ok(())
        };
        let connected = gateways.iter().map(|(id, presence)| (id, i64::from(presence.connected))).collect();
        family("gateway_connected", "Whether the gateway's stream is open", connected)?;
        let said = || {
            gateways.iter().filter_map(|(id, presence)| presence.status.as_ref().map(|status| (id, status)))
        };
        let backlog = said().map(|(id, status)| (id, number(status.backlog_readings))).collect();
        family("gateway_backlog_readings", "Readings that the gateway holds, as it said last", backlog)?;
        let lag = said().map(|(id, status)| (id, number(status.lag_ms))).collect();
        family("gateway_lag_milliseconds", "Age of the oldest of them, as it said last", lag)
    }
}
