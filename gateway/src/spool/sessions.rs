//! The durable side of persistent MQTT sessions: redelivery entries and held QoS 2 ids. Pure.
//!
//! Always: at most [`MAX_ENTRIES`] deliveries are remembered a client, the latest ones; none came in more than
//! [`ACKNOWLEDGED_MS`] before the last of them, or after it, which shows that the clock went back. The listener drops
//! repeats with its own copy, which knows more (recognised repeats are not journaled); this one exists for snapshots
//! and restarts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::HashSet;
use pantau_proto::TimeMs;

use super::record::{Change, Record, SavedSession, SessionChange};
use crate::intake::types::{ACKNOWLEDGED_MS, Delivered, MAX_ENTRIES, RecoveredSession};

/// All persistent sessions by client.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Sessions {
    clients: BTreeMap<String, Session>,
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

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        (self.expiry_s, self.heard, &self.held) == (other.expiry_s, other.heard, &other.held)
            && self.live() == other.live()
    }
}

impl Session {
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

    fn deliver(&mut self, packet: u32, hash: u64, arrival: TimeMs) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(Delivered { packet_id: id(packet), hash, arrival });
    }
}

#[expect(clippy::cast_possible_truncation, reason = "packet ids are written from u16")]
const fn id(wide: u32) -> u16 {
    wide as u16
}

impl Sessions {
    /// What a record says about sessions.
    pub(crate) fn apply(&mut self, record: &Record) {
        if !record.ids.is_empty() || !record.held.is_empty() {
            let session = match self.clients.get_mut(&record.source) {
                Some(session) => session,
                None => self
                    .clients
                    .entry(record.source.clone())
                    .or_insert_with(|| Session { expiry_s: u32::MAX, ..Session::default() }),
            };
            let arrival = TimeMs(record.arrival);
            session.hear(arrival);
            for (packet, hash) in record.ids.iter().zip(&record.hashes) {
                session.deliver(*packet, *hash, arrival);
            }
            session.held.extend(record.held.iter().map(|packet| id(*packet)));
        }
        if let Some(SessionChange { client, change: Some(change) }) = &record.session {
            match change {
                Change::Started(expiry_s) => {
                    let fresh = Session { expiry_s: *expiry_s, ..Session::default() };
                    self.clients.insert(client.clone(), fresh);
                }
                Change::Resumed(expiry_s) => {
                    self.clients.entry(client.clone()).or_default().expiry_s = *expiry_s;
                }
                Change::Ended(_) => drop(self.clients.remove(client)),
                Change::Released(packet) => {
                    if let Some(session) = self.clients.get_mut(client) {
                        session.held.remove(&id(*packet));
                    }
                }
            }
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
        let ages = saved.ages.iter().copied().chain(std::iter::repeat(0));
        for ((packet, hash), age) in saved.ids.iter().zip(&saved.hashes).zip(ages) {
            let arrival = TimeMs(saved.heard.saturating_sub(i64::from(age)));
            session.deliver(*packet, *hash, arrival);
        }
        session.held = saved.held.iter().map(|packet| id(*packet)).collect();
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
