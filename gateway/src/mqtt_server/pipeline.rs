//! What a connection has read and not yet answered, in order.
//!
//! ```text
//!  push()           accepted(), released()          resolved()
//! ───────► pending ───────────────────────► outstanding ─────► bytes for the socket
//!          (not yet journaled)              (ticket not resolved)
//! ```
//! Always holds: an acknowledgement leaves only after everything that was journaled for it, and for every
//! packet before it, is durable; and in the order of the packets (MQTT-4.6.0-2, -3). The allocations are one
//! a batch, not one a message.

use std::collections::VecDeque;

use bytes::BytesMut;
use pantau_proto::TimeMs;
use rmqtt_codec::types::Publish;

use super::packets::Ack;
use crate::intake::types::{DeliveryKey, Frame};

/// Memory of a message beside topic and payload, about: a flood of empty ones is bounded by it.
const ITEM_BYTES: usize = 256;

/// Something that was read and is not journaled yet.
#[derive(Debug)]
pub(crate) enum Item {
    Store {
        publish: Box<Publish>,
        key: Option<DeliveryKey>,
        ack: Option<Ack>,
    },
    /// Nothing to journal, but to be answered in its turn.
    Answer(Ack),
    /// PUBREL of a persistent session.
    Release(u16),
}

/// What of the pending items goes to the intake next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Nothing,
    /// This many messages, as one record.
    Frames(usize),
    /// A QoS 2 id to be released.
    Release(u16),
}

/// What waits for one ticket.
#[derive(Debug)]
struct Outstanding {
    acks: Vec<Ack>,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    pending: Vec<Item>,
    outstanding: VecDeque<Outstanding>,
    bytes: usize,
    unsent: usize,
}

impl Pipeline {
    /// Acknowledgements that are owed.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Bytes of messages that are not durable yet.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn pending(&self) -> &[Item] {
        &self.pending
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.unsent += usize::from(item.ack().is_some());
        self.bytes += item.bytes();
        self.pending.push(item);
    }

    /// Whether this acknowledgement is owed already. Asked only for repeats, which are rare.
    pub(crate) fn owes(&self, ack: Ack) -> bool {
        self.pending.iter().any(|item| item.ack() == Some(ack))
            || self
                .outstanding
                .iter()
                .any(|batch| batch.acks.contains(&ack) || batch.acks.contains(&ack.not_allowed()))
    }

    /// What goes to the intake next. Answers that need no journal join the batch before them or leave at once.
    pub(crate) fn work(&mut self, v5: bool, out: &mut BytesMut) -> Work {
        let answers = self.pending.iter().take_while(|item| matches!(item, Item::Answer(_))).count();
        if answers > 0 {
            let acks = self.pending.drain(..answers).filter_map(|item| item.ack());
            if let Some(last) = self.outstanding.back_mut() {
                last.acks.extend(acks);
            } else {
                acks.for_each(|ack| ack.write(v5, out));
                self.unsent -= answers;
            }
        }
        match self.pending.first() {
            None | Some(Item::Answer(_)) => Work::Nothing,
            Some(Item::Release(packet_id)) => Work::Release(*packet_id),
            Some(Item::Store { .. }) => {
                let run = self.pending.iter().take_while(|item| !matches!(item, Item::Release(_)));
                Work::Frames(run.filter(|item| matches!(item, Item::Store { .. })).count())
            }
        }
    }

    /// The first messages, as the intake takes them; `count` as [`Self::work`] said, or fewer.
    pub(crate) fn frames(&self, count: usize, arrival: TimeMs) -> Vec<Frame<'_>> {
        let mut frames = Vec::with_capacity(count);
        frames.extend(self.pending.iter().filter_map(|item| item.frame(arrival)).take(count));
        frames
    }

    /// The intake has taken the first `count` messages, those at the places in `not_allowed` (rising) as refused. `stored`
    /// hears of each that has a key.
    pub(crate) fn accepted(
        &mut self,
        count: usize,
        not_allowed: &[usize],
        mut stored: impl FnMut(&DeliveryKey),
    ) {
        let mut batch = Outstanding { acks: Vec::with_capacity(count), bytes: 0 };
        let (mut messages, mut items) = (0, 0);
        for item in &self.pending {
            let mut ack = item.ack();
            match item {
                Item::Store { .. } if messages == count => break,
                Item::Store { key, .. } => {
                    batch.bytes += item.bytes();
                    key.iter().for_each(&mut stored);
                    if not_allowed.binary_search(&messages).is_ok() {
                        ack = ack.map(Ack::not_allowed);
                    }
                    messages += 1;
                }
                Item::Answer(_) => {}
                Item::Release(_) => break,
            }
            batch.acks.extend(ack);
            items += 1;
        }
        self.pending.drain(..items);
        self.outstanding.push_back(batch);
    }

    /// The intake has taken the release that [`Self::work`] named.
    pub(crate) fn released(&mut self, packet_id: u16) {
        self.pending.remove(0);
        self.outstanding.push_back(Outstanding { acks: vec![Ack::Complete(packet_id)], bytes: 0 });
    }

    /// The ticket of the oldest batch has resolved: its acknowledgements leave.
    pub(crate) fn resolved(&mut self, v5: bool, out: &mut BytesMut) {
        if let Some(batch) = self.outstanding.pop_front() {
            self.bytes -= batch.bytes;
            self.unsent -= batch.acks.len();
            out.reserve(4 * batch.acks.len());
            batch.acks.into_iter().for_each(|ack| ack.write(v5, out));
        }
    }
}

impl Item {
    pub(crate) fn ack(&self) -> Option<Ack> {
        match self {
            Item::Store { ack, .. } => *ack,
            Item::Answer(ack) => Some(*ack),
            Item::Release(packet_id) => Some(Ack::Complete(*packet_id)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Item::Store { publish, .. } => ITEM_BYTES + publish.topic.len() + publish.payload.len(),
            Item::Answer(_) | Item::Release(_) => 0,
        }
    }

    fn frame(&self, arrival: TimeMs) -> Option<Frame<'_>> {
        match self {
            Item::Store { publish, key, .. } => {
                Some(Frame { topic: &publish.topic, payload: &publish.payload, arrival, key: *key })
            }
            _ => None,
        }
    }
}
