//! What found the spool full and had to be given up, because nobody sends it again: messages at QoS 0 whose connection
//! ended, and readings that the gateway measured itself. Pure.
//!
//! ```text
//! add() ─► pending ── due() ─► Shed, journaled by the keeper ─► journaled()
//! ```
//! Always: what was added stands in exactly one record or is pending still; records come [`EVERY_MS`] apart at least,
//! so that clients that come and go cannot use up the reserve: a crash costs the count of so long. Such a record takes one position, however many
//! messages it speaks of: they never had positions of their own, and only with one can ingest tell the loss from its
//! repeat.

use pantau_proto::TimeMs;
use pantau_proto::v1::{Loss, LossReason};

use super::record::Shed;

/// Time between two records at least, milliseconds.
const EVERY_MS: u64 = 10_000;

/// What no record speaks of yet.
#[derive(Debug, Default)]
pub(super) struct Shedding {
    pending: Option<Shed>,
    journaled_at: Option<TimeMs>,
}

impl Shedding {
    /// So many messages were given up.
    pub(super) fn add(&mut self, messages: u64, at: TimeMs) {
        let none = Shed { messages: 0, first_time: at.0, last_time: at.0 };
        let pending = self.pending.get_or_insert(none);
        pending.messages += messages;
        pending.first_time = pending.first_time.min(at.0);
        pending.last_time = pending.last_time.max(at.0);
    }

    /// What is to be journaled now.
    pub(super) fn due(&self, now: TimeMs) -> Option<Shed> {
        // A clock that was set counts as time gone by.
        let waits = self.journaled_at.is_some_and(|at| now.0.abs_diff(at.0) < EVERY_MS);
        if waits { None } else { self.pending }
    }

    /// Everything that is pending, whether it is due or not: the process stops.
    pub(super) fn rest(&self) -> Option<Shed> {
        self.pending
    }

    /// What was pending is in the journal.
    pub(super) fn journaled(&mut self, now: TimeMs) {
        self.pending = None;
        self.journaled_at = Some(now);
    }
}

impl Shed {
    /// As ingest hears of it.
    pub(crate) fn loss(&self, position: u64) -> Loss {
        Loss {
            start: position,
            end: position + 1,
            first_time: self.first_time,
            last_time: self.last_time,
            count: self.messages,
            reason: LossReason::Qos0Shed.into(),
            detail: format!(
                "{} messages at QoS 0 waited for a full spool when their connections ended, or were readings of the \
                 gateway's own sensors while it was full; messages were not decoded, so each counts as one reading",
                self.messages
            ),
        }
    }
}
