//! How many connections gateways' door holds open, and for whom.
//!
//! ```text
//! accept ──► waiting ──a good Hello──► greeted ──its last session ends──► waiting
//!               │ no Hello within CONNECTION_WAIT, or the oldest of too many: closed
//! ```
//!
//! Always true: at most [`Door::most_waiting`] connections wait, so that clients that only hang on keep nobody out: one
//! more closes the one that waits longest, and a gateway says Hello within a moment. A greeted connection is a gateway's
//! one stream: its older ones are fenced, and wait again.

mod connection;
#[cfg(test)]
mod tests;

pub(super) use connection::incoming;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How long a connection may go without a session that has said Hello. A little longer than a stream may take for its
/// Hello, so that a slow one is told why it ends.
const CONNECTION_WAIT: Duration = Duration::from_secs(12);
/// Connections that may wait beside two for each gateway.
const STRANGERS: usize = 64;

/// What the door counts.
#[derive(Clone, Debug, Default)]
pub struct DoorMetrics {
    /// Connections open now.
    pub connections: Gauge,
    /// Of these, without a session that has said Hello.
    pub waiting: Gauge,
    /// Connections closed because they said no Hello in time.
    pub silent: Counter,
    /// Connections closed because too many waited with them.
    pub crowded_out: Counter,
}

/// See the module; a cheap handle.
#[derive(Clone)]
pub(crate) struct Door(Arc<Shared>);

struct Shared {
    hall: Mutex<Hall>,
    metrics: DoorMetrics,
}

/// Which connections there are. Pure.
#[derive(Debug)]
struct Hall {
    most_waiting: usize,
    next: u64,
    /// By the order in which they came.
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    /// Sessions that have said Hello.
    sessions: usize,
    close: CancellationToken,
}

impl Hall {
    /// A new connection; closes the one that waits longest if there are too many. Tells whether it did.
    fn enter(&mut self, close: CancellationToken) -> (u64, bool) {
        let crowded = self.waiting() >= self.most_waiting;
        if crowded {
            let oldest = self.connections.iter().find(|(_, connection)| connection.sessions == 0);
            if let Some(oldest) = oldest.map(|(number, _)| *number)
                && let Some(connection) = self.connections.remove(&oldest)
            {
                connection.close.cancel();
            }
        }
        let number = self.next;
        self.next += 1;
        self.connections.insert(number, Connection { sessions: 0, close });
        (number, crowded)
    }

    fn waiting(&self) -> usize {
        self.connections.values().filter(|connection| connection.sessions == 0).count()
    }
}

impl Door {
    /// A door for so many gateways.
    pub(crate) fn new(gateways: usize, metrics: DoorMetrics) -> Self {
        let most_waiting = STRANGERS + 2 * gateways;
        let hall = Mutex::new(Hall { most_waiting, next: 0, connections: BTreeMap::new() });
        Self(Arc::new(Shared { hall, metrics }))
    }

    /// Closes every connection without a session: a stop does not wait for who has nothing under way.
    pub(crate) fn close_waiting(&self) {
        for connection in self.lock().connections.values().filter(|connection| connection.sessions == 0) {
            connection.close.cancel();
        }
    }

    fn enter(&self) -> Guest {
        let close = CancellationToken::new();
        let (number, crowded) = self.change(|hall| hall.enter(close.clone()));
        if crowded {
            self.0.metrics.crowded_out.inc();
        }
        Guest { door: self.clone(), number, close }
    }

    /// Closes a connection that has no session now.
    fn close_if_silent(&self, number: u64) -> bool {
        let silent = self.lock().connections.get(&number).is_some_and(|connection| connection.sessions == 0);
        if silent {
            self.0.metrics.silent.inc();
        }
        silent
    }

    fn change<T>(&self, change: impl FnOnce(&mut Hall) -> T) -> T {
        let mut hall = self.lock();
        let changed = change(&mut hall);
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.0.metrics.connections.set(count(hall.connections.len()));
        self.0.metrics.waiting.set(count(hall.waiting()));
        changed
    }

    /// Held for a few moves only, never over an await; no move can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Hall> {
        self.0.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection as its sessions know it.
#[derive(Clone)]
pub(super) struct Guest {
    door: Door,
    number: u64,
    close: CancellationToken,
}

impl Guest {
    /// A session of this connection has said a good Hello; it counts until the answer is dropped.
    pub(super) fn greet(&self) -> Greeted {
        self.count(|sessions| sessions + 1);
        Greeted(self.clone())
    }

    fn count(&self, change: impl FnOnce(usize) -> usize) {
        self.door.change(|hall| {
            if let Some(connection) = hall.connections.get_mut(&self.number) {
                connection.sessions = change(connection.sessions);
            }
        });
    }
}

/// A session that has said Hello.
pub(super) struct Greeted(Guest);

impl Drop for Greeted {
    fn drop(&mut self) {
        self.0.count(|sessions| sessions.saturating_sub(1));
    }
}
