//! What the gateway itself says to devices (configuration, commands, alarms, the time) and what of it waits
//! for a client.
//!
//! Always holds:
//! - Every queue is bounded: [`QUEUE`] messages a client, [`RETAINED`] retained topics in all. What does not
//!   fit is dropped and counted; a client that does not read harms nobody else.
//! - QoS 1 messages are sent again when a persistent session comes back, from memory: a restart of the gateway
//!   forgets them. Whoever needs certainty publishes them retained again after a start.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pantau_proto::TimeMs;
use tokio::sync::mpsc;

use super::topics;
use super::wire::Wire;
use crate::decode::written;

/// Messages that wait for one client at most.
pub(crate) const QUEUE: usize = 1024;
/// QoS 1 messages on the way to one client without its acknowledgement.
const WINDOW: usize = 32;
/// Topics with a retained message at most.
pub const RETAINED: usize = 16_384;
/// Bytes of topic and payload at most.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Where devices without a clock learn the time.
pub(super) const TIME: &str = "pantau/time";
/// Bytes that wait in the socket's buffer above which QoS 0 messages are dropped.
pub(crate) const SLOW: usize = 64 * 1024;

/// One of the gateway's own messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    /// How it goes out.
    pub(crate) way: Way,
}

impl Message {
    /// At which quality of service it goes to who has asked for `wanted`.
    pub(crate) fn qos(&self, wanted: u8) -> u8 {
        if self.way == Way::Kept { wanted } else { 0 }
    }
}

/// How a message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// At the quality of service that was asked for; kept for those who are away.
    Kept,
    /// At QoS 0: it is worth nothing later.
    Passing,
    /// To later subscribers only.
    Later,
}

/// A message on its way to one client.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<Message>,
    /// 0 or 1.
    pub(crate) qos: u8,
    /// The flag that the client sees.
    pub(crate) retain: bool,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    #[error(
        "the gateway publishes only on pantau/cmd/…, pantau/alarm/…, pantau/time and spBv1.0/+/NCMD/…, not on {0:?}"
    )]
    NotOurs(String),
    #[error("topic and payload are {0} bytes, {MAX_MESSAGE} are allowed")]
    TooLarge(usize),
    #[error("too many messages at once; try again later")]
    Busy,
    #[error("the MQTT listener has stopped")]
    Stopped,
}

/// Publishes the gateway's own messages to whoever has subscribed.
#[derive(Debug, Clone)]
pub struct Outbound {
    pub(crate) sender: mpsc::Sender<Arc<Message>>,
}

impl Outbound {
    /// Hands a message to the listener; never waits. A retained one replaces the one before on its topic (an
    /// empty payload removes it) and is sent to later subscribers too.
    ///
    /// # Errors
    /// The topic is not one of the gateway's, the message is too large, or the listener is busy or has stopped.
    pub fn publish(&self, topic: &str, payload: impl Into<Bytes>, retain: bool) -> Result<(), OutboundError> {
        self.send(topic, payload.into(), retain, Way::Kept)
    }

    /// Says what time it is: to all who have subscribed to `pantau/time` where `tell`, else only to those who will. Never
    /// kept for a client that is away, to whom it would come as if it were new.
    ///
    /// # Errors
    /// As [`Outbound::publish`].
    pub fn time(&self, now: TimeMs, tell: bool) -> Result<(), OutboundError> {
        let payload = format!("{{\"epoch_ms\":{},\"time\":\"{}\"}}", now.0, written(now.0));
        self.send(TIME, payload.into(), true, if tell { Way::Passing } else { Way::Later })
    }

    fn send(&self, topic: &str, payload: Bytes, retain: bool, way: Way) -> Result<(), OutboundError> {
        if !topics::is_ours(topic) {
            return Err(OutboundError::NotOurs(topic.to_owned()));
        }
        if topic.len() + payload.len() > MAX_MESSAGE {
            return Err(OutboundError::TooLarge(topic.len() + payload.len()));
        }
        let message = Arc::new(Message { topic: topic.to_owned(), payload, retain, way });
        self.sender.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => OutboundError::Busy,
            mpsc::error::TrySendError::Closed(_) => OutboundError::Stopped,
        })
    }
}

/// What waits for one client. Outlives the connection, not the process.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Delivery>,
    /// Sent at QoS 1 and not acknowledged, oldest first.
    in_flight: VecDeque<(u16, Delivery)>,
    last_id: u16,
}

impl Outbox {
    /// Keeps a QoS 1 message for later; `false` if there is no room.
    pub(crate) fn keep(&mut self, delivery: Delivery) -> bool {
        let room = self.queue.len() < QUEUE;
        if room {
            self.queue.push_back(delivery);
        }
        room
    }

    /// Sends a message or keeps it for later; `false` if it was dropped.
    pub(crate) fn deliver(
        &mut self,
        delivery: Delivery,
        window: u16,
        wire: &mut Wire,
        out: &mut BytesMut,
    ) -> bool {
        if delivery.qos == 0 {
            return out.len() < SLOW && wire.publish(&delivery.message, None, false, delivery.retain, out);
        }
        let kept = self.keep(delivery);
        self.fill(window, wire, out);
        kept
    }

    /// The client has acknowledged a message.
    pub(crate) fn acknowledged(&mut self, packet_id: u16, window: u16, wire: &mut Wire, out: &mut BytesMut) {
        if let Some(at) = self.in_flight.iter().position(|(id, _)| *id == packet_id) {
            self.in_flight.remove(at);
            self.fill(window, wire, out);
        }
    }

    /// A persistent session has come back: sends again what was not acknowledged, then what waits.
    pub(crate) fn resume(&mut self, window: u16, wire: &mut Wire, out: &mut BytesMut) {
        self.in_flight
            .retain(|(id, delivery)| wire.publish(&delivery.message, Some(*id), true, delivery.retain, out));
        self.fill(window, wire, out);
    }

    fn fill(&mut self, window: u16, wire: &mut Wire, out: &mut BytesMut) {
        while self.in_flight.len() < WINDOW.min(usize::from(window)) && out.len() < SLOW {
            let Some(delivery) = self.queue.pop_front() else { break };
            let packet_id = self.next_id();
            // What is larger than the client takes is dropped, as MQTT 5.0 (3.1.2.11.4) says.
            if wire.publish(&delivery.message, Some(packet_id), false, delivery.retain, out) {
                self.in_flight.push_back((packet_id, delivery));
            }
        }
    }

    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            let free = self.last_id != 0 && !self.in_flight.iter().any(|(id, _)| *id == self.last_id);
            if free {
                return self.last_id;
            }
        }
    }
}
