//! What a source of readings and the intake say to each other. It stands alone so that a source can be tested
//! with an intake of its own, and so that neither side knows how the other works.
//!
//! Always holds:
//! - A [`Intake::Ticket`] resolves with `Ok` only after everything of its call is durable. Nothing is
//!   acknowledged to a device before that. Dropping a ticket cancels nothing.
//! - What is submitted is journaled in the order of the calls, so a session event needs no wait to stand
//!   before the readings that follow it.
//! - Who drops a repeated delivery is the source (it holds the entries in memory); the intake only keeps them
//!   durable, in the same record as the readings that they stand for.

use std::fmt;
use std::future::Future;

use pantau_proto::{Flags, TimeMs};

pub use super::rights::{Rights, Source};

/// One message from a device, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The MQTT topic (or what a source without topics uses as one). UTF-8, no wildcards, no NUL, at most 65,535 bytes.
    pub topic: &'a str,
    /// Bytes as received.
    pub payload: &'a [u8],
    /// When the gateway read it.
    pub arrival: TimeMs,
    /// Only for QoS 1 and 2 in a persistent session; `None` means that nothing but the reading is journaled.
    pub key: Option<DeliveryKey>,
}

/// A value that the gateway measured by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured<'a> {
    /// `device/quantity` or `device/quantity/channel`.
    pub series: &'a str,
    /// The unit of the value; empty: the catalogue's.
    pub unit: &'a str,
    /// As measured.
    pub value: f64,
    /// What is known about it.
    pub flags: Flags,
}

/// Names one delivery of a persistent session, so that its repeat can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryKey {
    /// MQTT packet identifier, never 0.
    pub packet_id: u16,
    /// [`delivery_hash`] of topic and payload.
    pub hash: u64,
    /// What is to be journaled with the reading.
    pub kind: Delivery,
}

/// The quality of service that a [`DeliveryKey`] belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 1: journal `(packet_id, hash)`. A new entry replaces an older one with the same packet id, and ends
    /// those of the client that came in more than [`ACKNOWLEDGED_MS`] before.
    AtLeastOnce,
    /// QoS 2: journal the packet id as held, whatever the frame holds, also when it cannot be decoded.
    ExactlyOnce,
}

/// What happens to a persistent session, journaled as bookkeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent<'a> {
    /// A new session without entries and held ids; whatever the client had before has ended.
    Started { client: &'a str, expiry_s: u32 },
    /// The session goes on with another expiry interval; entries and held ids stay.
    Resumed { client: &'a str, expiry_s: u32 },
    /// The session has ended: entries and held ids are forgotten.
    Ended { client: &'a str },
    /// QoS 2: the client has released this id (PUBREL); it is no longer held.
    Released { client: &'a str, packet_id: u16 },
}

/// A persistent session as the journal knows it after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveredSession {
    /// MQTT client identifier.
    pub client: String,
    /// Seconds after the end of its connection at which the session ends; `u32::MAX` = never.
    pub expiry_s: u32,
    /// The QoS 1 deliveries whose repeat can still come, oldest first, at most [`MAX_ENTRIES`], each id once.
    pub entries: Vec<Delivered>,
    /// Packet ids of QoS 2 deliveries that are stored and not yet released.
    pub held: Vec<u16>,
}

/// A QoS 1 delivery that is journaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// MQTT packet identifier.
    pub packet_id: u16,
    /// Its [`DeliveryKey::hash`].
    pub hash: u64,
    /// [`Frame::arrival`] of its record's first frame.
    pub arrival: TimeMs,
}

/// A client that sends something new more than so many milliseconds after a message has the acknowledgement of that
/// one. Should the link be so slow that it has not, the message is stored again.
pub const ACKNOWLEDGED_MS: i64 = 30_000;

/// Redelivery entries that are kept for one client: the Receive Maximum that the listener announces, since a
/// client can have no more deliveries than that on the way.
pub const MAX_ENTRIES: usize = 1024;

/// The door of the spool.
pub trait Intake: Clone + Send + Sync + 'static {
    /// Resolves when everything of its call is durable.
    type Ticket: Future<Output = Result<(), Failed>> + Send + Unpin + 'static;

    /// Decodes the frames and journals them as one record. What the source may not say becomes a refused record. Never
    /// blocks on the disk.
    ///
    /// # Errors
    /// Nothing of the slice is taken when an error is returned.
    fn submit_of(&self, source: Source<'_>, frames: &[Frame<'_>])
    -> Result<Taken<Self::Ticket>, SubmitError>;

    /// The same for a source that may say everything, by its name.
    ///
    /// # Errors
    /// Nothing of the slice is taken when an error is returned.
    fn submit(&self, source: &str, frames: &[Frame<'_>]) -> Result<Self::Ticket, SubmitError> {
        self.submit_of(Source::trusted(source), frames).map(|taken| taken.ticket)
    }

    /// Journals what `source`, a sensor of the gateway's own, measured at `at`, as one record. Values that are no readings
    /// (not finite, an unfit name) go to the quarantine, as payloads do. Never blocks on the disk.
    ///
    /// # Errors
    /// Nothing is taken when an error is returned.
    fn measured(
        &self,
        source: &str,
        readings: &[Measured<'_>],
        at: TimeMs,
    ) -> Result<Self::Ticket, SubmitError>;

    /// Journals what happens to a persistent session. May use space that readings may not.
    ///
    /// # Errors
    /// Nothing is journaled when an error is returned.
    fn session(&self, event: SessionEvent<'_>) -> Result<Self::Ticket, SubmitError>;

    /// At `at` so many messages were given up because they found no room and nobody sends them again: those at QoS 0 of a
    /// connection that has ended, or readings that the gateway measured itself.
    fn shed(&self, messages: u64, at: TimeMs);

    /// Resolves when it is worth trying again after [`SubmitError::Full`]. May resolve too early.
    fn room(&self) -> impl Future<Output = ()> + Send;
}

/// A slice of frames that was taken.
#[derive(Debug)]
pub struct Taken<T> {
    /// Resolves when everything of it is durable.
    pub ticket: T,
    /// The places of frames that the source was not allowed to send, rising: their bytes are in a refused record.
    pub not_allowed: Vec<usize>,
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The spool has no room now: withhold the acknowledgement, stop reading, try again after [`Intake::room`].
    #[error("the spool is full")]
    Full,
    /// The slice does not fit into one record: submit fewer frames at once. A single frame of the largest
    /// packet that the configuration allows always fits.
    #[error("too much at once for one record of the spool")]
    TooLarge,
    /// The spool takes nothing any more: the process is stopping or the disk failed.
    #[error("the spool is closed")]
    Closed,
}

/// The commit failed or the spool was closed before it: nothing of this call may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the commit failed")
    }
}

impl std::error::Error for Failed {}

/// The hash that tells a repeated delivery from another one under the same packet id: 64-bit FNV-1a over the
/// topic, a zero byte (which no topic holds) and the payload. It is journaled, so it never changes.
#[must_use]
pub fn delivery_hash(topic: &str, payload: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let hash = topic.as_bytes().iter().fold(OFFSET, step);
    payload.iter().fold(step(hash, &0), step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delivery_hash_is_fnv_1a_and_never_changes() {
        // "a" hashes to af63dc4c8601ec8c in the published test vectors; the zero byte is one step more.
        let a_then_zero = 0xaf63_dc4c_8601_ec8c_u64.wrapping_mul(0x0100_0000_01b3);
        assert_eq!(delivery_hash("a", b""), a_then_zero);
        assert_ne!(delivery_hash("a", b"b"), delivery_hash("ab", b""));
    }
}
