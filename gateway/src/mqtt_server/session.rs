//! The state machine of one connected session: packets in, bytes and work for the intake out. No input or
//! output, no clock.
//!
//! Always holds:
//! - Exactly one acknowledgement answers a message and its repeats on one connection: a second one could be
//!   taken for that of a newer message with the same packet id.
//! - Outside a persistent session nothing but readings is journaled.
//! - The order and the time of acknowledgements are those of `pipeline`.

use bytes::BytesMut;
use hashbrown::HashSet;
use pantau_proto::TimeMs;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::DisconnectReasonCode as Reason;

use super::deliveries::{Deliveries, Repeat};
use super::outbound::{Delivery, Outbox};
use super::packets::{Ack, Filter, Inbound};
use super::pipeline::{Item, Pipeline, Work};
use super::strict::{Violation, protocol};
use super::topics;
use super::wire::{Version, Wire};
use crate::intake::types::{self, DeliveryKey, Frame, MAX_ENTRIES, RecoveredSession};

/// Deliveries that a client may have on the way: the Receive Maximum that is announced.
pub(crate) const RECEIVE_MAX: u16 = 1024;
const _: () = assert!(RECEIVE_MAX as usize == MAX_ENTRIES);

/// Bytes of messages that are not durable yet above which a connection is not read.
const MAX_OUTSTANDING: usize = 1024 * 1024;
/// Bytes that wait for the socket above which a connection is not read.
const MAX_OUT: usize = 64 * 1024;

/// What of a session outlives its connection.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) client: String,
    /// Seconds after the end of the connection; 0 = the session ends with it, `u32::MAX` = never.
    pub(crate) expiry_s: u32,
    pub(crate) deliveries: Deliveries,
    /// QoS 2: packet ids between PUBLISH and PUBREL.
    pub(crate) held: HashSet<u16>,
    pub(crate) outbox: Outbox,
}

impl Kept {
    pub(crate) fn recovered(session: &RecoveredSession) -> Self {
        Kept {
            client: session.client.clone(),
            expiry_s: session.expiry_s,
            deliveries: Deliveries::recovered(&session.entries),
            held: session.held.iter().copied().collect(),
            outbox: Outbox::default(),
        }
    }
}

/// What a packet asks of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Go,
    /// Subscribe to these filters and answer with these codes; refused filters are in `codes` only.
    Subscribe {
        packet_id: u16,
        filters: Vec<Filter>,
        codes: Vec<u8>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    /// The client leaves, in good order unless it says that something is wrong.
    Leave {
        in_order: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wire: Wire,
    /// Bytes for the socket.
    pub(crate) out: BytesMut,
    kept: Box<Kept>,
    pipeline: Pipeline,
    persistent: bool,
    v5: bool,
    client_window: u16,
    /// Repeats that were not stored, since last taken.
    pub(crate) repeats: u64,
    /// Messages of the gateway that this client missed, since last taken.
    pub(crate) dropped: u64,
}

impl Session {
    /// Begins a connection. `client_window` is the client's own Receive Maximum.
    pub(crate) fn begin(mut kept: Box<Kept>, wire: Wire, client_window: u16) -> Self {
        kept.deliveries.connected();
        Session {
            out: BytesMut::new(),
            pipeline: Pipeline::default(),
            persistent: kept.expiry_s > 0,
            v5: wire.version == Version::V5,
            wire,
            kept,
            client_window,
            repeats: 0,
            dropped: 0,
        }
    }

    /// Sends again what the client did not acknowledge; after CONNACK.
    pub(crate) fn resume(&mut self) {
        self.kept.outbox.resume(self.client_window, &mut self.wire, &mut self.out);
    }

    /// Ends the connection. Only after every ticket has resolved: what is still pending was never stored.
    pub(crate) fn end(mut self) -> Box<Kept> {
        for item in self.pipeline.pending() {
            if let Item::Store { ack: Some(Ack::Received(packet_id)), .. } = item {
                self.kept.held.remove(packet_id);
            } else if let Item::Release(packet_id) = item {
                self.kept.held.insert(*packet_id);
            }
        }
        self.kept
    }

    /// Messages at QoS 0 that are not in the journal.
    pub(crate) fn unconfirmed(&self) -> u64 {
        let pending = self.pipeline.pending().iter();
        pending.filter(|item| matches!(item, Item::Store { ack: None, .. })).count() as u64
    }

    pub(crate) fn client(&self) -> &str {
        &self.kept.client
    }

    /// Whether more may be read now.
    pub(crate) fn may_read(&self) -> bool {
        self.pipeline.unsent() < usize::from(RECEIVE_MAX)
            && self.pipeline.bytes() < MAX_OUTSTANDING
            && self.out.len() < MAX_OUT
    }

    /// Bytes of messages that are not durable yet.
    pub(crate) fn bytes(&self) -> usize {
        self.pipeline.bytes()
    }

    /// Takes one packet, which came in at `arrival`.
    pub(crate) fn packet(&mut self, packet: Inbound, arrival: TimeMs) -> Result<Next, Violation> {
        match packet {
            Inbound::Publish(publish) => self.publish(publish, arrival)?,
            Inbound::PubAck(packet_id) => {
                let Session { kept, wire, out, client_window, .. } = self;
                kept.outbox.acknowledged(packet_id, *client_window, wire, out);
            }
            Inbound::PubRel(packet_id) => {
                let held = self.kept.held.remove(&packet_id);
                self.pipeline.push(match (held, self.persistent) {
                    (true, true) => Item::Release(packet_id),
                    (true, false) => Item::Answer(Ack::Complete(packet_id)),
                    (false, _) => Item::Answer(Ack::NotHeld(packet_id)),
                });
            }
            Inbound::Subscribe { packet_id, mut filters } => {
                let codes = filters.iter().map(grant).collect();
                filters.retain(|filter| grant(filter) < 0x80);
                return Ok(Next::Subscribe { packet_id, filters, codes });
            }
            Inbound::Unsubscribe { packet_id, filters } => {
                return Ok(Next::Unsubscribe { packet_id, filters });
            }
            Inbound::Ping => Wire::ping_response(&mut self.out),
            Inbound::Disconnect { expiry_s, in_order } => {
                if let Some(expiry_s) = expiry_s {
                    if self.kept.expiry_s == 0 && expiry_s > 0 {
                        return Err(protocol("a session expiry for a session that had none"));
                    }
                    self.kept.expiry_s = expiry_s;
                }
                return Ok(Next::Leave { in_order });
            }
        }
        Ok(Next::Go)
    }

    fn publish(&mut self, publish: Box<Publish>, arrival: TimeMs) -> Result<(), Violation> {
        let packet_id = match publish.packet_id {
            Some(packet_id) if publish.qos != QoS::AtMostOnce => packet_id.get(),
            _ => {
                self.pipeline.push(Item::Store { publish, key: None, ack: None });
                return Ok(());
            }
        };
        if self.v5 && self.pipeline.unsent() >= usize::from(RECEIVE_MAX) {
            return Err(too_many());
        }
        if publish.qos == QoS::ExactlyOnce {
            return self.exactly_once(packet_id, publish, arrival);
        }
        let item = self.at_least_once(packet_id, publish, arrival);
        self.repeats += u64::from(!matches!(item, Some(Item::Store { .. })));
        item.into_iter().for_each(|item| self.pipeline.push(item));
        Ok(())
    }

    fn at_least_once(&mut self, packet_id: u16, publish: Box<Publish>, arrival: TimeMs) -> Option<Item> {
        let ack = Ack::Stored(packet_id);
        let known = publish.dup && !self.kept.deliveries.is_empty();
        let hash =
            if self.persistent || known { types::delivery_hash(&publish.topic, &publish.payload) } else { 0 };
        if !publish.dup {
            self.kept.deliveries.new_message(packet_id, arrival);
        } else if self.pipeline.owes(ack) {
            return None;
        } else {
            match self.kept.deliveries.repeat(packet_id, hash, arrival) {
                Repeat::Unknown => {}
                Repeat::OfThisConnection => return None,
                Repeat::OfEarlierConnection => return Some(Item::Answer(ack)),
            }
        }
        let key = DeliveryKey { packet_id, hash, kind: types::Delivery::AtLeastOnce };
        Some(Item::Store { publish, key: self.persistent.then_some(key), ack: Some(ack) })
    }

    fn exactly_once(
        &mut self,
        packet_id: u16,
        publish: Box<Publish>,
        arrival: TimeMs,
    ) -> Result<(), Violation> {
        let ack = Ack::Received(packet_id);
        if self.kept.held.contains(&packet_id) {
            self.repeats += 1;
            if !self.pipeline.owes(ack) {
                self.pipeline.push(Item::Answer(ack));
            }
            return Ok(());
        }
        if self.kept.held.len() >= usize::from(RECEIVE_MAX) {
            return Err(too_many());
        }
        self.kept.held.insert(packet_id);
        self.kept.deliveries.new_message(packet_id, arrival);
        let key = self.persistent.then(|| DeliveryKey {
            packet_id,
            hash: types::delivery_hash(&publish.topic, &publish.payload),
            kind: types::Delivery::ExactlyOnce,
        });
        self.pipeline.push(Item::Store { publish, key, ack: Some(ack) });
        Ok(())
    }

    /// What goes to the intake next, in order.
    pub(crate) fn work(&mut self) -> Work {
        self.pipeline.work(self.v5, &mut self.out)
    }

    /// The first pending messages.
    pub(crate) fn frames(&self, count: usize, arrival: TimeMs) -> Vec<Frame<'_>> {
        self.pipeline.frames(count, arrival)
    }

    /// The intake has taken the first `count` messages as of `arrival`, those at the places in `not_allowed` as refused.
    pub(crate) fn accepted(&mut self, count: usize, arrival: TimeMs, not_allowed: &[usize]) {
        let deliveries = &mut self.kept.deliveries;
        self.pipeline.accepted(count, not_allowed, |key| {
            if key.kind == types::Delivery::AtLeastOnce {
                deliveries.stored(key.packet_id, key.hash, arrival);
            }
        });
    }

    /// The intake has taken the release of this id.
    pub(crate) fn released(&mut self, packet_id: u16) {
        self.pipeline.released(packet_id);
    }

    /// The ticket of the oldest batch has resolved.
    pub(crate) fn resolved(&mut self) {
        self.pipeline.resolved(self.v5, &mut self.out);
    }

    /// One of the gateway's own messages for this client.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        let Session { kept, wire, out, client_window, .. } = self;
        let taken = kept.outbox.deliver(delivery, *client_window, wire, out);
        self.dropped += u64::from(!taken);
    }
}

fn too_many() -> Violation {
    Violation { reason: Reason::ReceiveMaximumExceeded, detail: "more deliveries than the Receive Maximum" }
}

/// The SUBACK code of a filter: the granted QoS, or why there is none.
fn grant(filter: &Filter) -> u8 {
    if filter.filter.starts_with("$share/") {
        u8::from(Reason::SharedSubscriptionNotSupported)
    } else if !topics::is_filter(&filter.filter) {
        u8::from(Reason::TopicFilterInvalid)
    } else if !topics::can_match_ours(&filter.filter) {
        u8::from(Reason::NotAuthorized)
    } else {
        filter.qos
    }
}
