//! Counters of the listener, read by the status page. They only count: nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or a gauge.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// What the listener counts.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections now, those that have not said CONNECT yet included.
    pub connections: Count,
    /// Persistent sessions that wait for their client now.
    pub sessions_away: Count,
    /// Clients that were accepted.
    pub accepted: Count,
    /// Connections turned away because there were too many.
    pub turned_away: Count,
    /// Refused by the answer to CONNECT: user, password, client identifier, version.
    pub refused: Count,
    /// TLS handshakes that failed.
    pub tls_failed: Count,
    /// Connections closed because their login does not hold any more.
    pub revoked: Count,
    /// Connections ended by a packet that breaks the protocol.
    pub violations: Count,
    /// Connections ended because the client was silent for too long or did not read.
    pub timed_out: Count,
    /// Messages that had to wait because the spool was full.
    pub withheld: Count,
    /// Repeated messages that were known and not stored again.
    pub redelivered: Count,
    /// Messages of the gateway that a slow client missed.
    pub outbound_dropped: Count,
}
