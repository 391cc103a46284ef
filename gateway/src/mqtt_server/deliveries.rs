//! The redelivery entries of one client: which untimed QoS 1 messages are stored already, so that a repeat of
//! one is acknowledged and not stored again.
//!
//! Always holds:
//! - At most [`MAX_ENTRIES`], the latest ones. An entry ends with the session, with the next use of its packet
//!   id that is not marked DUP, or when the client has shown that it knows the acknowledgement: it sends again
//!   in the order of the first sending (MQTT-4.6.0-1), so a repeat of a later message of an earlier connection
//!   ends the entries before it.
//! - In doubt a message is stored. One doubt cannot be resolved from the protocol: a client that uses the same
//!   packet id for the same bytes again, and loses the first sending of the second message together with the
//!   connection, cannot be told from one that lost the acknowledgement of the first.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::intake::types::MAX_ENTRIES;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    /// Counts up; says where in `order` the entry is.
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
    entries: HashMap<u16, Entry>,
    /// `(sequence, packet id)` in order; those whose sequence is no longer the entry's are skipped.
    order: VecDeque<(u64, u16)>,
    sequence: u64,
    connection: u64,
}

impl Deliveries {
    /// As recovered from the journal, oldest first.
    pub(crate) fn recovered(entries: &[(u16, u64)]) -> Self {
        let mut deliveries = Self::default();
        for &(packet_id, hash) in entries {
            deliveries.insert(packet_id, hash);
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

    /// The message is stored.
    pub(crate) fn insert(&mut self, packet_id: u16, hash: u64) {
        self.sequence += 1;
        let entry = Entry { hash, sequence: self.sequence, connection: self.connection };
        self.entries.insert(packet_id, entry);
        self.order.push_back((self.sequence, packet_id));
        while self.entries.len() > MAX_ENTRIES || self.order.len() > 2 * MAX_ENTRIES {
            match self.order.pop_front() {
                Some((sequence, packet_id)) => self.remove(sequence, packet_id),
                None => break,
            }
        }
    }

    /// The packet id is used for another message.
    pub(crate) fn forget(&mut self, packet_id: u16) {
        self.entries.remove(&packet_id);
    }

    /// What a message marked DUP is.
    pub(crate) fn repeat(&mut self, packet_id: u16, hash: u64) -> Repeat {
        let connection = self.connection;
        match self.entries.get_mut(&packet_id) {
            Some(entry) if entry.hash == hash && entry.connection == connection => Repeat::OfThisConnection,
            Some(entry) if entry.hash == hash => {
                entry.connection = connection;
                let reached = entry.sequence;
                self.end_earlier(reached);
                Repeat::OfEarlierConnection
            }
            _ => Repeat::Unknown,
        }
    }

    /// Ends the entries of earlier connections that stand before `reached`.
    fn end_earlier(&mut self, reached: u64) {
        let connection = self.connection;
        let entries = &mut self.entries;
        self.order.retain(|&(sequence, packet_id)| {
            let alive = entries.get(&packet_id).is_some_and(|entry| entry.sequence == sequence);
            let ends = alive && sequence < reached && entries[&packet_id].connection < connection;
            if ends {
                entries.remove(&packet_id);
            }
            alive && !ends
        });
    }

    fn remove(&mut self, sequence: u64, packet_id: u16) {
        if self.entries.get(&packet_id).is_some_and(|entry| entry.sequence == sequence) {
            self.entries.remove(&packet_id);
        }
    }
}
