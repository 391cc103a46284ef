//! What a device has measured and the gateway has not acknowledged.
//!
//! rumqttc forgets what is in flight when a session is new, so delivery is kept here. A pure state machine:
//!
//! ```text
//!            push            hand           written(id)         acked(id)
//! (has room) ────► waiting ────────► handed ─────────────► in flight ─────► gone
//!                     ▲                 │                      │
//!                     └─────────────────┴──── reconnected ─────┘      in the order of push
//! ```
//! Always holds: every message that was pushed and not acknowledged is in the box; there are never more than
//! `capacity`; after a reconnect all of them are handed over again in the order in which they were pushed.

use std::collections::{BTreeMap, VecDeque};

use super::Message;

/// Bounded; counts what was acknowledged.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// The oldest first. An acknowledged message leaves a hole until all older ones are gone.
    queue: VecDeque<Option<Message>>,
    /// Serial of the queue's first entry.
    base: u64,
    /// Serial of the next message to hand over; below it all are handed, in flight or gone.
    next: u64,
    /// Serial of the next handed message that the connection will write.
    unwritten: VecDeque<u64>,
    in_flight: BTreeMap<u16, u64>,
    capacity: usize,
    acked: Counts,
}

/// What left the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) readings: u64,
}

impl Outbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            base: 0,
            next: 0,
            unwritten: VecDeque::new(),
            in_flight: BTreeMap::new(),
            capacity,
            acked: Counts::default(),
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many messages are not acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.queue.iter().flatten().count()
    }

    pub(crate) fn acked_counts(&self) -> Counts {
        self.acked
    }

    /// Takes a message in. Gives it back when there is no room.
    pub(crate) fn push(&mut self, message: Message) -> Result<(), Message> {
        if !self.has_room() {
            return Err(message);
        }
        self.queue.push_back(Some(message));
        Ok(())
    }

    /// The next message to hand over to the connection.
    pub(crate) fn peek(&self) -> Option<&Message> {
        let at = usize::try_from(self.next - self.base).ok()?;
        self.queue.get(at)?.as_ref()
    }

    /// The message of [`Outbox::peek`] was handed over.
    pub(crate) fn handed(&mut self) {
        if self.peek().is_some() {
            self.unwritten.push_back(self.next);
            self.next += 1;
            self.skip_holes();
        }
    }

    /// The connection wrote the oldest handed message under this packet id.
    pub(crate) fn written(&mut self, id: u16) {
        if let Some(serial) = self.unwritten.pop_front() {
            self.in_flight.insert(id, serial);
        }
    }

    /// The gateway acknowledged a packet id. Ids that are not in flight are ignored.
    pub(crate) fn acked(&mut self, id: u16) {
        let Some(serial) = self.in_flight.remove(&id) else { return };
        let at = usize::try_from(serial.wrapping_sub(self.base)).unwrap_or(usize::MAX);
        if let Some(message) = self.queue.get_mut(at).and_then(Option::take) {
            self.acked.messages += 1;
            self.acked.readings += u64::from(message.readings);
        }
        while matches!(self.queue.front(), Some(None)) {
            self.queue.pop_front();
            self.base += 1;
        }
        self.next = self.next.max(self.base);
    }

    /// A new connection knows nothing of the old one: whatever is not acknowledged waits again.
    pub(crate) fn reconnected(&mut self) {
        self.unwritten.clear();
        self.in_flight.clear();
        self.next = self.base;
        self.skip_holes();
    }

    /// Moves on to a message that is still there.
    fn skip_holes(&mut self) {
        while let Some(None) = usize::try_from(self.next - self.base).ok().and_then(|at| self.queue.get(at)) {
            self.next += 1;
        }
    }
}
