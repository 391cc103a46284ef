//! The registry of sessions: who is connected, which sessions wait for their client, who has subscribed to
//! what. A pure state machine; `R` is whatever answers a waiting CONNECT.
//!
//! ```text
//!            connect()                    ended(), expiry > 0
//! (none) ──────────────► Live ───────────────────────────────► Away ──► (none)   expired, or pushed out
//!                         │ ▲ connect() by another connection:           by newer ones
//!                         └─┘ the old one is kicked, the new one waits
//! ```
//! Always holds:
//! - A client has one connection at most; a new one gets the session only after the old one has given it back.
//! - The journal hears of start and end before the client does. What it does not take is not done (a start), or
//!   owed and tried again before that client may come back (an end).
//! - At most `max_sessions` wait; the one that would expire first makes room.

use std::sync::Arc;

use hashbrown::HashMap;

use super::outbound::{Delivery, Message};
use super::packets::Filter;
use super::session::Kept;
use super::topics;
use crate::intake::types::SessionEvent;

/// Subscriptions of one client, and of one SUBSCRIBE, at most.
const MAX_FILTERS: usize = 64;

/// What a CONNECT asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) client: String,
    /// Do not go on with an earlier session.
    pub(crate) clean: bool,
    /// Bounded by the configuration already.
    pub(crate) expiry_s: u32,
}

#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) kept: Box<Kept>,
    /// Session Present.
    pub(crate) present: bool,
}

/// Why a session was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The journal takes nothing now.
    Busy,
    /// Another connection with the same client identifier came meanwhile.
    Displaced,
    /// The listener is stopping.
    Stopping,
}

#[derive(Debug)]
pub(crate) enum Outcome<R> {
    Answer {
        to: R,
        connection: u64,
        client: String,
        answer: Result<Grant, Refusal>,
    },
    /// Ask this connection to end; the answer comes with [`Registry::ended`].
    Kick {
        connection: u64,
        displaced: Option<R>,
    },
}

/// Appends an event to the journal; `false` if it was not taken.
pub(crate) type Journal<'a> = &'a mut dyn FnMut(SessionEvent<'_>) -> bool;

#[derive(Debug)]
struct Waiting<R> {
    connection: u64,
    request: Request,
    reply: R,
}

#[derive(Debug)]
enum State<R> {
    Live { connection: u64, waiting: Option<Waiting<R>> },
    Away { kept: Box<Kept>, until_s: u64 },
}

#[derive(Debug)]
struct Slot<R> {
    filters: Vec<Filter>,
    /// Whether the journal knows this session.
    journaled: bool,
    state: State<R>,
}

#[derive(Debug)]
pub(crate) struct Registry<R> {
    slots: HashMap<String, Slot<R>>,
    /// Clients whose end the journal has not taken yet.
    owed: Vec<String>,
    max_sessions: usize,
}

impl<R> Registry<R> {
    pub(crate) fn new(max_sessions: usize) -> Self {
        Registry { slots: HashMap::new(), owed: Vec::new(), max_sessions }
    }

    /// A session that the journal knew at the start. Its time away begins anew.
    pub(crate) fn recover(&mut self, kept: Box<Kept>, now_s: u64) {
        let until_s = until(now_s, kept.expiry_s);
        let client = kept.client.clone();
        let slot = Slot { filters: Vec::new(), journaled: true, state: State::Away { kept, until_s } };
        self.slots.insert(client, slot);
    }

    /// A CONNECT that has passed authentication.
    pub(crate) fn connect(
        &mut self,
        connection: u64,
        request: Request,
        reply: R,
        journal: Journal<'_>,
    ) -> Outcome<R> {
        if let Some(Slot { state: State::Live { connection: old, waiting }, .. }) =
            self.slots.get_mut(&request.client)
        {
            let displaced = waiting.replace(Waiting { connection, request, reply });
            return Outcome::Kick { connection: *old, displaced: displaced.map(|waiting| waiting.reply) };
        }
        let client = request.client.clone();
        let answer = self.begin(connection, request, journal);
        Outcome::Answer { to: reply, connection, client, answer }
    }

    fn begin(&mut self, connection: u64, request: Request, journal: Journal<'_>) -> Result<Grant, Refusal> {
        if !self.settle(journal) && self.owed.contains(&request.client) {
            return Err(Refusal::Busy);
        }
        let Request { client, clean, expiry_s } = request;
        let previous = self.slots.remove(&client);
        let journaled = previous.as_ref().is_some_and(|slot| slot.journaled);
        let old_expiry_s = match &previous {
            Some(Slot { state: State::Away { kept, .. }, .. }) if !clean => Some(kept.expiry_s),
            _ => None,
        };
        let event = match old_expiry_s {
            Some(old) if old == expiry_s => None,
            Some(_) => Some(SessionEvent::Resumed { client: &client, expiry_s }),
            None if expiry_s > 0 => Some(SessionEvent::Started { client: &client, expiry_s }),
            None if journaled => Some(SessionEvent::Ended { client: &client }),
            None => None,
        };
        if event.is_some_and(|event| !journal(event)) {
            if let Some(previous) = previous {
                self.slots.insert(client, previous);
            }
            return Err(Refusal::Busy);
        }
        let (mut kept, filters, present) = match previous {
            Some(Slot { state: State::Away { kept, .. }, filters, .. }) if !clean => (kept, filters, true),
            _ => (Box::new(Kept { client: client.clone(), ..Kept::default() }), Vec::new(), false),
        };
        kept.expiry_s = expiry_s;
        let state = State::Live { connection, waiting: None };
        self.slots.insert(client, Slot { filters, journaled: expiry_s > 0 || present, state });
        Ok(Grant { kept, present })
    }

    /// A connection has given its session back; `None` if it was lost. Whoever waits for it is answered.
    pub(crate) fn ended(
        &mut self,
        connection: u64,
        client: &str,
        kept: Option<Box<Kept>>,
        now_s: u64,
        journal: Journal<'_>,
    ) -> Option<Outcome<R>> {
        match self.slots.get(client) {
            Some(Slot { state: State::Live { connection: live, .. }, .. }) if *live == connection => {}
            _ => return None,
        }
        let (client, slot) = self.slots.remove_entry(client)?;
        let State::Live { waiting, .. } = slot.state else { return None };
        match kept {
            Some(kept) if kept.expiry_s > 0 => {
                let until_s = until(now_s, kept.expiry_s);
                let state = State::Away { kept, until_s };
                self.slots.insert(client, Slot { filters: slot.filters, journaled: true, state });
                self.make_room(journal);
            }
            _ if slot.journaled => self.end(client, journal),
            _ => {}
        }
        let Waiting { connection, request, reply } = waiting?;
        Some(self.connect(connection, request, reply, journal))
    }

    /// Ends what has expired and settles what the journal is owed.
    pub(crate) fn expire(&mut self, now_s: u64, journal: Journal<'_>) {
        let _ = self.settle(journal);
        let expired = |slot: &Slot<R>| matches!(slot.state, State::Away { until_s, .. } if until_s <= now_s);
        let ended = self.slots.extract_if(|_, slot| expired(slot));
        let ended: Vec<String> = ended.map(|(client, _)| client).collect();
        ended.into_iter().for_each(|client| self.end(client, journal));
    }

    fn make_room(&mut self, journal: Journal<'_>) {
        while self.away() > self.max_sessions {
            let away = self.slots.iter().filter_map(|(client, slot)| match slot.state {
                State::Away { until_s, .. } => Some((until_s, client)),
                State::Live { .. } => None,
            });
            let Some(client) = away.min().map(|(_, client)| client.clone()) else { return };
            self.slots.remove(&client);
            self.end(client, journal);
        }
    }

    fn end(&mut self, client: String, journal: Journal<'_>) {
        if !journal(SessionEvent::Ended { client: &client }) {
            self.owed.push(client);
        }
    }

    /// Whether nothing is owed any more.
    fn settle(&mut self, journal: Journal<'_>) -> bool {
        self.owed.retain(|client| !journal(SessionEvent::Ended { client }));
        self.owed.is_empty()
    }

    /// Sessions that wait for their client.
    pub(crate) fn away(&self) -> usize {
        self.slots.values().filter(|slot| matches!(slot.state, State::Away { .. })).count()
    }

    /// Adds or replaces subscriptions; says for each whether it was taken and whether it is new.
    pub(crate) fn subscribe(
        &mut self,
        connection: u64,
        client: &str,
        wanted: &[Filter],
    ) -> Vec<Option<bool>> {
        let Some(slot) = self.live(connection, client) else { return vec![None; wanted.len()] };
        let mut taken = Vec::with_capacity(wanted.len());
        for (index, filter) in wanted.iter().enumerate() {
            if index >= MAX_FILTERS {
                taken.push(None);
                continue;
            }
            let known = slot.filters.iter().position(|known| known.filter == filter.filter);
            if let Some(at) = known {
                slot.filters[at] = filter.clone();
            } else if slot.filters.len() < MAX_FILTERS {
                slot.filters.push(filter.clone());
            } else {
                taken.push(None);
                continue;
            }
            taken.push(Some(known.is_none()));
        }
        taken
    }

    /// Removes subscriptions; says for each whether it was there.
    pub(crate) fn unsubscribe(&mut self, connection: u64, client: &str, filters: &[String]) -> Vec<bool> {
        let Some(slot) = self.live(connection, client) else { return vec![false; filters.len()] };
        let remove = |filter: &String| {
            let at = slot.filters.iter().position(|known| known.filter == *filter);
            at.map(|at| slot.filters.remove(at)).is_some()
        };
        filters.iter().map(remove).collect()
    }

    fn live(&mut self, connection: u64, client: &str) -> Option<&mut Slot<R>> {
        let slot = self.slots.get_mut(client)?;
        matches!(slot.state, State::Live { connection: live, .. } if live == connection).then_some(slot)
    }

    /// Sends a message to whoever has subscribed to its topic: to the connection, or into the session that
    /// waits. Returns how many did not get it.
    pub(crate) fn route(
        &mut self,
        message: &Arc<Message>,
        mut send: impl FnMut(u64, Delivery) -> bool,
    ) -> u64 {
        let mut dropped = 0;
        for slot in self.slots.values_mut() {
            let matching =
                slot.filters.iter().filter(|filter| topics::matches(&filter.filter, &message.topic));
            let Some((qos, as_published)) =
                matching.map(|filter| (filter.qos, filter.retain_as_published)).max()
            else {
                continue;
            };
            let (qos, retain) = (message.qos(qos), as_published && message.retain);
            let delivery = Delivery { message: Arc::clone(message), qos, retain };
            let taken = match &mut slot.state {
                State::Live { connection, .. } => send(*connection, delivery),
                State::Away { kept, .. } => qos == 0 || kept.outbox.keep(delivery),
            };
            dropped += u64::from(!taken);
        }
        dropped
    }
}

fn until(now_s: u64, expiry_s: u32) -> u64 {
    if expiry_s == u32::MAX { u64::MAX } else { now_s + u64::from(expiry_s) }
}
