//! What is counted since the process began, and all figures of the status port in one look.

use std::sync::atomic::{AtomicU64, Ordering};

use pantau_journal::{FileLayer, Histogram};
use pantau_proto::TimeMs;

use crate::decode::Online;
use crate::mqtt_client::{BrokerStats, State};
use crate::polled::{self, SensorStats};
use crate::spool::Spool;

/// Counters that several tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Readings and refused payloads that the journal has taken, and messages that it could not take and that count
    /// as lost.
    pub(crate) accepted: AtomicU64,
    /// Payloads that could not be read.
    pub(crate) quarantined: AtomicU64,
    /// Of these, those that their sender was not allowed to send.
    pub(crate) not_allowed: AtomicU64,
    /// Positions that ingest acked.
    pub(crate) acked: AtomicU64,
    /// Readings that ingest put into quarantine.
    pub(crate) rejected: AtomicU64,
    /// Readings given up: the disk was damaged, or they are `shed`.
    pub(crate) lost: AtomicU64,
    /// Messages at QoS 0 that waited for a full spool when their connection ended, and readings of own sensors.
    pub(crate) shed: AtomicU64,
    /// Redelivery entries that sessions had no room for: their repeats are not known after a restart.
    pub(crate) forgotten: AtomicU64,
    /// Uplinks that a network sent twice, taken once.
    pub(crate) repeated: AtomicU64,
    /// 1 while a stream to ingest is open.
    pub(crate) connected: AtomicU64,
    /// 1 once the clock is trusted.
    pub(crate) clock_trusted: AtomicU64,
    /// Times that the wall clock went back by more than two or three minutes.
    pub(crate) clock_went_back: AtomicU64,
    /// Times that readings which waited for the clock were let go.
    pub(crate) releases: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Everything that the status port shows, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) now: TimeMs,
    pub(crate) gateway: String,
    pub(crate) epoch: String,
    pub(crate) connected: bool,
    pub(crate) clock_trusted: bool,
    pub(crate) clock_went_back: u64,
    /// Positions that wait until the clock is trusted.
    pub(crate) held: u64,
    pub(crate) connections: u64,
    /// Clients that were not let in: by CONNACK, by TLS, because there were too many; and those whose login was taken away.
    pub(crate) refused: u64,
    pub(crate) tls_failed: u64,
    pub(crate) turned_away: u64,
    pub(crate) revoked: u64,
    pub(crate) accepted: u64,
    /// Positions synced since the process began.
    pub(crate) spooled: u64,
    pub(crate) acked: u64,
    pub(crate) backlog_readings: u64,
    pub(crate) backlog_bytes: u64,
    pub(crate) backlog_ms: u64,
    pub(crate) quarantined: u64,
    pub(crate) not_allowed: u64,
    pub(crate) rejected: u64,
    pub(crate) lost: u64,
    pub(crate) shed: u64,
    pub(crate) withheld: u64,
    pub(crate) redelivered: u64,
    pub(crate) forgotten: u64,
    pub(crate) repeated: u64,
    /// Devices that said whether they are online.
    pub(crate) online: Online,
    pub(crate) brokers: Vec<BrokerFigures>,
    pub(crate) sensors: Vec<SensorFigures>,
    pub(crate) spool_bytes: u64,
    pub(crate) spool_max_bytes: u64,
    pub(crate) free_bytes: Option<u64>,
    pub(crate) full: bool,
    pub(crate) poisoned: bool,
    pub(crate) fsync: Histogram,
}

/// A broker that is subscribed to.
#[derive(Debug, Clone)]
pub(crate) struct BrokerFigures {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) state: State,
    pub(crate) since: TimeMs,
    pub(crate) received: u64,
    /// Retained messages that were not taken.
    pub(crate) retained: u64,
    pub(crate) connects: u64,
}

impl BrokerFigures {
    pub(crate) fn of(stats: &BrokerStats) -> Self {
        let (state, since) = stats.state();
        Self {
            name: stats.name.clone(),
            address: stats.address.clone(),
            state,
            since,
            received: stats.received.get(),
            retained: stats.retained.get(),
            connects: stats.connects.get(),
        }
    }
}

/// A sensor that the gateway asks by itself.
#[derive(Debug, Clone)]
pub(crate) struct SensorFigures {
    pub(crate) name: String,
    pub(crate) bus: String,
    pub(crate) state: polled::State,
    pub(crate) since: TimeMs,
    pub(crate) polls: u64,
    pub(crate) failed: u64,
    pub(crate) retries: u64,
    pub(crate) missed: u64,
    pub(crate) readings: u64,
    pub(crate) absent: u64,
    pub(crate) shed: u64,
    /// When the last poll with an answer was made, ms since the epoch; 0: never.
    pub(crate) answered: u64,
}

impl SensorFigures {
    pub(crate) fn of(stats: &SensorStats) -> Self {
        let (state, since) = stats.state();
        Self {
            name: stats.name.clone(),
            bus: stats.bus.clone(),
            state,
            since,
            polls: stats.polls.get(),
            failed: stats.failed.get(),
            retries: stats.retries.get(),
            missed: stats.missed.get(),
            readings: stats.readings.get(),
            absent: stats.absent.get(),
            shed: stats.shed.get(),
            answered: stats.answered.get(),
        }
    }
}

impl Figures {
    /// Taken at `now`; what the sources and the decoders know is filled in by the caller.
    pub(crate) fn of<F: FileLayer>(spool: &Spool<F>, gateway: &str, now: TimeMs) -> Self {
        let (counters, stats) = (spool.counters(), spool.journal().stats());
        let (backlog_readings, backlog_ms) = spool.backlog(now);
        Self {
            now,
            gateway: gateway.to_owned(),
            epoch: spool.epoch().to_string(),
            connected: value(&counters.connected) != 0,
            clock_trusted: value(&counters.clock_trusted) != 0,
            clock_went_back: value(&counters.clock_went_back),
            held: spool.held().len_positions(),
            accepted: value(&counters.accepted),
            spooled: stats.synced.0.saturating_sub(spool.began().0),
            acked: value(&counters.acked),
            backlog_readings,
            backlog_bytes: spool.backlog_bytes(),
            backlog_ms,
            quarantined: value(&counters.quarantined),
            not_allowed: value(&counters.not_allowed),
            rejected: value(&counters.rejected),
            lost: value(&counters.lost),
            shed: value(&counters.shed),
            forgotten: value(&counters.forgotten),
            repeated: value(&counters.repeated),
            spool_bytes: stats.bytes,
            spool_max_bytes: spool.max_bytes(),
            free_bytes: stats.free_bytes,
            full: stats.full.is_some(),
            poisoned: stats.poisoned,
            fsync: stats.fsync,
            ..Self::default()
        }
    }
}
