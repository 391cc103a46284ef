//! The durable side of persistent MQTT sessions: redelivery entries and held QoS 2 ids. Pure.
//!
//! Always: at most [`MAX_ENTRIES`] deliveries are remembered a client, the oldest forgotten first; an id names at
//! most one entry. The listener drops repeats with its own copy; this one exists for snapshots and restarts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::HashMap;

use super::record::{Change, Record, SavedSession, SessionChange};
use crate::intake::types::{MAX_ENTRIES, RecoveredSession};

/// All persistent sessions by client.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Sessions {
    clients: BTreeMap<String, Session>,
}

#[derive(Debug, Default, Clone)]
struct Session {
    expiry_s: u32,
    /// Oldest first; a hash of 0 is a slot whose id was used again.
    entries: VecDeque<(u16, u64)>,
    /// Number of the front slot, counted from the session's start.
    base: u64,
    /// Where an id's slot is.
    slots: HashMap<u16, u64>,
    held: BTreeSet<u16>,
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.expiry_s == other.expiry_s && self.held == other.held && self.live().eq(other.live())
    }
}

impl Session {
    fn live(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.entries.iter().copied().filter(|entry| entry.1 != 0)
    }

    /// The id is used by a new delivery; `hash` 0 means without an entry.
    fn deliver(&mut self, id: u16, hash: u64) {
        if let Some(slot) = self.slots.remove(&id)
            && let Some(entry) = self.entries.get_mut(usize::try_from(slot - self.base).unwrap_or(usize::MAX))
        {
            entry.1 = 0;
        }
        if hash != 0 {
            self.slots.insert(id, self.base + self.entries.len() as u64);
            self.entries.push_back((id, hash));
        }
        while self.entries.len() > MAX_ENTRIES || self.entries.front().is_some_and(|entry| entry.1 == 0) {
            if let Some((id, hash)) = self.entries.pop_front()
                && hash != 0
            {
                self.slots.remove(&id);
            }
            self.base += 1;
        }
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
            for (packet, hash) in record.ids.iter().zip(&record.hashes) {
                session.deliver(id(*packet), *hash);
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
            let (ids, hashes) = session.live().map(|(id, hash)| (u32::from(id), hash)).unzip();
            let held = session.held.iter().map(|id| u32::from(*id)).collect();
            SavedSession { client: client.clone(), expiry_s: session.expiry_s, ids, hashes, held }
        })
    }

    /// From a snapshot's part.
    pub(crate) fn load(&mut self, saved: &SavedSession) {
        let mut session = Session { expiry_s: saved.expiry_s, ..Session::default() };
        for (packet, hash) in saved.ids.iter().zip(&saved.hashes) {
            session.deliver(id(*packet), *hash);
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
                entries: session.live().collect(),
                held: session.held.iter().copied().collect(),
            })
            .collect()
    }
}
