//! The redelivery entries of one client: which QoS 1 messages are stored already, so that a repeat of one is
//! acknowledged and not stored again.
//!
//! ```text
//!                 stored()                   repeat() on a later connection
//! not known ─────────────────► entry, as of its arrival ◄──┐ as of the repeat's arrival
//!     ▲                            │      └────────────────┘
//!     ├─ new_message() ────────────┤ with its packet id
//!     ├─ new_message() ────────────┤ more than ACKNOWLEDGED_MS after "as of", or after the clock went back
//!     └─ repeat() of another one ──┘ that was first sent later, if this one is of an earlier connection
//! ```
//! Always holds:
//! - The latest [`MAX_ENTRIES`] messages at least are known: acknowledgements keep the order of the messages, so a
//!   client that waits for one has no more than that behind it. Every message pays for an entry being kept, only
//!   repeats for one being found.
//! - A client that lacks acknowledgements begins a connection with those messages, in the order of their first
//!   sending (MQTT-4.4.0-1, MQTT-4.6.0-1). So what it repeats ends the entries before it, never those behind it,
//!   however long the client was away; and when it sends something new, what is still without an acknowledgement
//!   has just been repeated. Repeats that come behind something new are known for [`ACKNOWLEDGED_MS`] only.
//! - In doubt a message is stored. One doubt cannot be resolved from the protocol: a client that uses the same
//!   packet id for the same bytes again, with nothing new heard from it later than [`ACKNOWLEDGED_MS`] after the
//!   first message, and loses the first sending of the second message together with the connection, cannot be
//!   told from one that lost the acknowledgement of the first. (Where both carry the same time of the device,
//!   they are the same reading, and nothing is lost.)

use std::collections::VecDeque;

use pantau_proto::TimeMs;

use crate::intake::types::{ACKNOWLEDGED_MS, Delivered, MAX_ENTRIES};

/// A use of a packet id.
#[derive(Debug, Clone, Copy)]
struct Entry {
    packet_id: u16,
    /// Else it came in, and the spool has not taken it.
    stored: bool,
    hash: u64,
    /// When the message came in last.
    arrival: TimeMs,
    /// Counts up in the order of the first sending.
    sequence: u64,
    /// The connection on which the message came last.
    connection: u64,
}

/// What a message marked DUP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Not known: store it.
    Unknown,
    /// Stored, and acknowledged on an earlier connection at best: acknowledge it, do not store it.
    OfEarlierConnection,
    /// Stored and acknowledged on this connection, whose bytes do not get lost: do neither. A second
    /// acknowledgement could be taken for that of a newer message with the same packet id.
    OfThisConnection,
}

#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// By arrival; of one packet id the last one counts.
    entries: VecDeque<Entry>,
    sequence: u64,
    connection: u64,
    /// When something new came in last.
    heard: TimeMs,
}

impl Deliveries {
    /// As recovered from the journal, oldest first.
    pub(crate) fn recovered(entries: &[Delivered]) -> Self {
        let mut deliveries = Self::default();
        for entry in entries {
            deliveries.stored(entry.packet_id, entry.hash, entry.arrival);
            deliveries.heard = entry.arrival;
        }
        deliveries
    }

    /// A new connection begins.
    pub(crate) fn connected(&mut self) {
        self.connection += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A message that is no repeat came in.
    pub(crate) fn new_message(&mut self, packet_id: u16, arrival: TimeMs) {
        if arrival < self.heard {
            // The clock went back: nobody knows how old they are.
            self.entries.clear();
        }
        self.heard = arrival;
        let over = |entry: &Entry| arrival.0.saturating_sub(entry.arrival.0) > ACKNOWLEDGED_MS;
        while self.entries.front().is_some_and(over) {
            self.entries.pop_front();
        }
        if !self.entries.is_empty() {
            self.add(packet_id, None, arrival);
        }
    }

    /// The message is stored.
    pub(crate) fn stored(&mut self, packet_id: u16, hash: u64, arrival: TimeMs) {
        self.add(packet_id, Some(hash), arrival);
    }

    fn add(&mut self, packet_id: u16, hash: Option<u64>, arrival: TimeMs) {
        // One when it comes in and one when it is stored.
        if self.entries.len() >= 2 * MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.sequence += 1;
        let (stored, hash) = (hash.is_some(), hash.unwrap_or(0));
        let (sequence, connection) = (self.sequence, self.connection);
        self.entries.push_back(Entry { packet_id, stored, hash, arrival, sequence, connection });
    }

    /// What a message marked DUP is.
    pub(crate) fn repeat(&mut self, packet_id: u16, hash: u64, arrival: TimeMs) -> Repeat {
        let last = self.entries.iter().rposition(|entry| entry.packet_id == packet_id);
        let known = last.filter(|at| self.entries[*at].stored && self.entries[*at].hash == hash);
        let Some(at) = known else {
            self.new_message(packet_id, arrival);
            return Repeat::Unknown;
        };
        if self.entries[at].connection == self.connection {
            return Repeat::OfThisConnection;
        }
        if let Some(mut entry) = self.entries.remove(at) {
            let connection = self.connection;
            self.entries.retain(|other| other.sequence > entry.sequence || other.connection == connection);
            entry.connection = connection;
            entry.arrival = arrival.max(self.heard);
            self.entries.push_back(entry);
        }
        Repeat::OfEarlierConnection
    }
}
