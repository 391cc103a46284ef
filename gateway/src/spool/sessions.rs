//! The durable side of persistent MQTT sessions: redelivery entries and held QoS 2 ids. Pure.
//!
//! Always: at most [`MAX_ENTRIES`] deliveries are remembered a client, the latest ones; none came in more than
//! [`ACKNOWLEDGED_MS`] before the last of them, or after it, which shows that the clock went back. The listener drops
//! repeats with its own copy, which knows more (recognised repeats are not journaled); this one exists for snapshots
//! and restarts. Together they fit into a given share of a snapshot: redelivery entries may fill half of it, and a
//! client that would go beyond gives up its own oldest; what may not be given up asks [`Sessions::has_room`] first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::HashSet;
use pantau_proto::TimeMs;

use super::record::{Change, Record, SavedSession, SessionChange};
use crate::intake::types::{ACKNOWLEDGED_MS, Delivered, MAX_ENTRIES, RecoveredSession};

/// Bytes of a [`SavedSession`] at most, without its client's name and what follows.
const SESSION_BYTES: usize = 64;
/// Packet id, hash and age of a redelivery entry.
const ENTRY_BYTES: usize = 16;
/// A held packet id.
const HELD_BYTES: usize = 3;

/// All persistent sessions by client.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    clients: BTreeMap<String, Session>,
    /// What they take of a snapshot at most.
    bytes: usize,
    /// What they may take.
    share: usize,
}

#[derive(Debug, Default, Clone)]
struct Session {
    expiry_s: u32,
    /// When the last delivery was journaled.
    heard: TimeMs,
    /// Oldest first; of one id the last one counts.
    entries: VecDeque<Delivered>,
    held: BTreeSet<u16>,
}

impl Session {
    /// What it takes of a snapshot at most.
    fn bytes(&self, client: &str) -> usize {
        session_bytes(client) + ENTRY_BYTES * self.entries.len() + HELD_BYTES * self.held.len()
    }

    /// The last delivery of each id, oldest first.
    fn live(&self) -> Vec<Delivered> {
        let mut seen = HashSet::new();
        let last = |entry: &Delivered| seen.insert(entry.packet_id);
        let mut live: Vec<Delivered> = self.entries.iter().rev().copied().filter(last).collect();
        live.reverse();
        live
    }

    /// Deliveries came in: what was acknowledged long before is forgotten.
    fn hear(&mut self, arrival: TimeMs) {
        let went_back = arrival < self.heard;
        self.heard = arrival;
        let over = |entry: &Delivered| arrival.0.saturating_sub(entry.arrival.0) > ACKNOWLEDGED_MS;
        while self.entries.front().is_some_and(|entry| went_back || over(entry)) {
            self.entries.pop_front();
        }
    }

    /// How many entries it may have in half the share, of which others take so much.
    fn room(&self, share: usize, others: usize, client: &str) -> usize {
        let rest = session_bytes(client) + HELD_BYTES * self.held.len();
        (share / 2).saturating_sub(others + rest) / ENTRY_BYTES
    }

    /// Remembers `most` deliveries at most. Returns how many others it gave up for that.
    fn deliver(&mut self, most: usize, packet: u32, hash: u64, arrival: TimeMs) -> usize {
        self.entries.push_back(Delivered { packet_id: id(packet), hash, arrival });
        let over = self.entries.len().saturating_sub(most);
        self.entries.drain(..over);
        over
    }
}

fn session_bytes(client: &str) -> usize {
    SESSION_BYTES + client.len()
}

#[expect(clippy::cast_possible_truncation, reason = "packet ids are written from u16")]
const fn id(wide: u32) -> u16 {
    wide as u16
}

impl Sessions {
    /// None yet; `share` bytes of a snapshot are theirs.
    pub(crate) fn new(share: usize) -> Self {
        Self { clients: BTreeMap::new(), bytes: 0, share }
    }

    /// Whether what must not be forgotten of this record, new sessions and held ids, has room.
    pub(crate) fn has_room(&self, record: &Record) -> bool {
        let begins = match &record.session {
            Some(SessionChange { client, change: Some(Change::Started(_) | Change::Resumed(_)) }) => {
                Some(client)
            }
            _ if record.ids.is_empty() && record.held.is_empty() => None,
            _ => Some(&record.source),
        };
        let begins = begins.filter(|client| !self.clients.contains_key(*client));
        let more = begins.map_or(0, |client| session_bytes(client)) + HELD_BYTES * record.held.len();
        more == 0 || self.bytes + more <= self.share
    }

    /// Whether a quarter of the share is free.
    pub(crate) fn has_plenty(&self) -> bool {
        self.bytes <= self.share / 4 * 3
    }

    /// What a record says about sessions. Returns how many redelivery entries were given up for want of room.
    pub(crate) fn apply(&mut self, record: &Record) -> u64 {
        let forgotten =
            if record.ids.is_empty() && record.held.is_empty() { 0 } else { self.deliver(record) };
        let Some(SessionChange { client, change: Some(change) }) = &record.session else { return forgotten };
        match change {
            Change::Started(expiry_s) => {
                self.end(client);
                self.session(client).expiry_s = *expiry_s;
            }
            Change::Resumed(expiry_s) => self.session(client).expiry_s = *expiry_s,
            Change::Ended(_) => self.end(client),
            Change::Released(packet) => {
                if self.clients.get_mut(client).is_some_and(|session| session.held.remove(&id(*packet))) {
                    self.bytes -= HELD_BYTES;
                }
            }
        }
        forgotten
    }

    fn deliver(&mut self, record: &Record) -> u64 {
        let (share, arrival) = (self.share, TimeMs(record.arrival));
        if !self.clients.contains_key(&record.source) {
            self.session(&record.source);
        }
        let Some(session) = self.clients.get_mut(&record.source) else { return 0 };
        self.bytes -= session.bytes(&record.source);
        session.hear(arrival);
        session.held.extend(record.held.iter().map(|packet| id(*packet)));
        let room = session.room(share, self.bytes, &record.source);
        let mut forgotten = 0;
        for (packet, hash) in record.ids.iter().zip(&record.hashes) {
            forgotten += session.deliver(room.min(MAX_ENTRIES), *packet, *hash, arrival) as u64;
        }
        self.bytes += session.bytes(&record.source);
        if room < MAX_ENTRIES { forgotten } else { 0 }
    }

    /// The session of this client, which begins now if there is none.
    fn session(&mut self, client: &str) -> &mut Session {
        if !self.clients.contains_key(client) {
            self.bytes += session_bytes(client);
        }
        let unknown = || Session { expiry_s: u32::MAX, ..Session::default() };
        self.clients.entry(client.to_owned()).or_insert_with(unknown)
    }

    fn end(&mut self, client: &str) {
        if let Some(session) = self.clients.remove(client) {
            self.bytes -= session.bytes(client);
        }
    }

    /// For snapshots.
    pub(crate) fn save(&self) -> impl Iterator<Item = SavedSession> + '_ {
        self.clients.iter().map(|(client, session)| {
            let mut saved = SavedSession {
                client: client.clone(),
                expiry_s: session.expiry_s,
                held: session.held.iter().map(|id| u32::from(*id)).collect(),
                heard: session.heard.0,
                ..SavedSession::default()
            };
            for entry in session.live() {
                saved.ids.push(u32::from(entry.packet_id));
                saved.hashes.push(entry.hash);
                saved.ages.push(u32::try_from(session.heard.0 - entry.arrival.0).unwrap_or(u32::MAX));
            }
            saved
        })
    }

    /// From a snapshot's part. One without times ends its entries with the next delivery.
    pub(crate) fn load(&mut self, saved: &SavedSession) {
        let heard = TimeMs(saved.heard);
        let mut session = Session { expiry_s: saved.expiry_s, heard, ..Session::default() };
        session.held = saved.held.iter().map(|packet| id(*packet)).collect();
        self.end(&saved.client);
        let ages = saved.ages.iter().copied().chain(std::iter::repeat(0));
        for ((packet, hash), age) in saved.ids.iter().zip(&saved.hashes).zip(ages) {
            let arrival = TimeMs(saved.heard.saturating_sub(i64::from(age)));
            session.deliver(MAX_ENTRIES, *packet, *hash, arrival);
        }
        self.bytes += session.bytes(&saved.client);
        self.clients.insert(saved.client.clone(), session);
    }

    /// For the listener after a restart.
    pub(crate) fn recovered(&self) -> Vec<RecoveredSession> {
        self.clients
            .iter()
            .map(|(client, session)| RecoveredSession {
                client: client.clone(),
                expiry_s: session.expiry_s,
                entries: session.live(),
                held: session.held.iter().copied().collect(),
            })
            .collect()
    }
}
