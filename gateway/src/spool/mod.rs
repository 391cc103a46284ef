//! The spool: what the gateway has promised to keep, on the journal.
//!
//! ```text
//! intake ─ Record ─► order lock: append + apply ─► journal ─► synced ─► uplink ─► acked ─► keeper frees segments
//! ```
//! Always:
//! - The state equals what the records before it say: appending and applying happen under one short lock, so the
//!   order in the journal is the order in memory.
//! - Nothing is freed that ingest has not acked, nor anything from the last synced snapshot on.
//! - A snapshot is the first or second record of each segment, and takes a quarter of it at most: so the segments
//!   before the last one can be freed as soon as they are acked, however full the spool is.
//! - One lock is never taken while the other is held, and none is held over an await or a disk access.

mod boots;
mod clock;
mod cursor;
mod keep;
mod marks;
mod open;
mod record;
mod sessions;
mod shed;
mod stamps;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod uplink;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pantau_journal::{AppendError, FileLayer, Journal, Position, Ticket};
use pantau_proto::{Epoch, RangeSet, TimeMs};
use prost::Message as _;
use tokio::sync::Notify;

pub(crate) use cursor::{Cursor, Item};
pub use open::SpoolError;
pub(crate) use open::{Bounds, inspect, open};
pub(crate) use record::{Change, Record, RefusedPayload, SessionChange};
pub(crate) use uplink::Offer;

use self::keep::Taken;
use self::marks::Marks;
use self::shed::Shedding;
use self::stamps::{ARRIVAL, Stamps};
pub(crate) use self::stamps::{Boot, Stamped};
use self::state::State;
use crate::decode::Columns;
use crate::figures::{Counters, count};
use crate::intake::types::SubmitError;

/// A handle on the spool; clones are the same spool.
#[derive(Debug)]
pub(crate) struct Spool<F: FileLayer> {
    shared: Arc<Shared<F>>,
}

impl<F: FileLayer> Clone for Spool<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<F: FileLayer> {
    journal: Journal<F>,
    bounds: Bounds,
    began: Position,
    ordered: Mutex<Ordered>,
    stamps: Mutex<Stamps>,
    counters: Arc<Counters>,
    /// Somebody wants room.
    wanted: Notify,
    /// There is room again.
    room: Notify,
}

impl<F: FileLayer> std::fmt::Debug for Shared<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// What changes with each record, behind the order lock.
struct Ordered {
    state: State,
    marks: Marks,
    /// Their time is decided, and the decision not yet synced.
    deciding: RangeSet,
    /// Acked, not yet journaled as acked.
    unsaved: RangeSet,
    shedding: Shedding,
    /// Sequence of the segment to which the last record went.
    active: u64,
    snapshot: Taken,
    /// Sessions have no room: said once, until there is plenty again.
    crowded: bool,
}

/// Which room a record may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// That of everything.
    Common,
    /// The reserve as well, but for what is rarer and more urgent.
    ReserveButSome,
    /// The reserve as well.
    Reserve,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is consistent after every statement, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: FileLayer> Spool<F> {
    pub(crate) fn journal(&self) -> &Journal<F> {
        &self.shared.journal
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    /// One after the last position at the start of the process.
    pub(crate) fn began(&self) -> Position {
        self.shared.began
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.shared.bounds.max_bytes
    }

    pub(crate) fn epoch(&self) -> Epoch {
        locked(&self.shared.ordered).state.epoch.unwrap_or(Epoch(0))
    }

    /// The latest time that any reading has from here, or 1970.
    pub(crate) fn newest(&self) -> TimeMs {
        TimeMs(locked(&self.shared.ordered).state.newest())
    }

    /// Gives untimed readings their arrival stamps; returns what else the record has to say.
    ///
    /// # Errors
    /// The places of readings that came too fast for that; then nothing is stamped.
    pub(crate) fn stamp(&self, columns: &mut Columns, arrival: TimeMs) -> Result<Stamped, Vec<usize>> {
        locked(&self.shared.stamps).stamp(columns, arrival)
    }

    /// Journals readings, stamped before, and refused payloads with what else stands in `record`.
    pub(crate) fn submit(
        &self,
        mut record: Record,
        mut columns: Columns,
        stamped: Stamped,
        arrival: TimeMs,
    ) -> Result<Ticket, SubmitError> {
        let Stamped { flags, boot_time } = stamped;
        record.boot_time = boot_time;
        let stamps = columns.times.iter().zip(&flags).filter(|(_, flags)| **flags & ARRIVAL != 0);
        record.highest_stamp = stamps.map(|(time, _)| *time).max().unwrap_or(0);
        record.time_deltas = deltas(&columns.times);
        record.names = std::mem::take(&mut columns.names);
        record.units = std::mem::take(&mut columns.units);
        record.values = std::mem::take(&mut columns.values);
        record.flags = flags;
        record.arrival = arrival.0;
        let bytes = record.encode_to_vec();
        let taken = self.append_session(&mut locked(&self.shared.ordered), &record, &bytes);
        if taken.is_err() && record.highest_stamp > 0 {
            // Else a full spool, asked again and again, would let them run ahead.
            locked(&self.shared.stamps).take_back(&record.names, &columns.times, &record.flags);
        }
        taken
    }

    /// Journals what happened to a session. Not from the reserve: that is kept for what makes room again.
    pub(crate) fn remember(&self, record: &Record) -> Result<Ticket, SubmitError> {
        let mut ordered = locked(&self.shared.ordered);
        self.append_session(&mut ordered, record, &record.encode_to_vec())
    }

    fn append_session(
        &self,
        ordered: &mut Ordered,
        record: &Record,
        bytes: &[u8],
    ) -> Result<Ticket, SubmitError> {
        if !ordered.state.sessions.has_room(record) {
            if !std::mem::replace(&mut ordered.crowded, true) {
                tracing::warn!(
                    bytes = self.shared.bounds.snapshot_bytes(),
                    "sessions and unreleased QoS 2 messages fill their part of the spool: new ones have to wait; a larger spool.segment has room for more"
                );
            }
            return Err(SubmitError::Full);
        }
        // Not with the next record that needs none of that room, or each try of those that wait would be told.
        ordered.crowded &= !ordered.state.sessions.has_plenty();
        self.append_locked(ordered, Door::Common, record, bytes).map_err(|error| self.refused(error))
    }

    /// Appends a record and applies it, with a snapshot before or behind it where a segment lacks one.
    fn append_locked(
        &self,
        ordered: &mut Ordered,
        door: Door,
        record: &Record,
        bytes: &[u8],
    ) -> Result<Ticket, AppendError> {
        self.snapshot_if_due(ordered)?;
        let (journal, positions) = (&self.shared.journal, record.positions());
        let ticket = match door {
            Door::Common => journal.append(positions, bytes),
            Door::ReserveButSome => {
                journal.append_reserved(positions, bytes, self.shared.bounds.segment_bytes / 4)
            }
            Door::Reserve => journal.append_reserved(positions, bytes, 0),
        }?;
        count(&self.shared.counters.forgotten, ordered.state.apply(ticket.first.0, record));
        if record.positions() > 0 {
            ordered.marks.add(ticket.first.0, TimeMs(record.arrival));
        }
        ordered.active = ticket.segment;
        // Should it find no room, the next record has to wait for it.
        let _ = self.snapshot_if_due(ordered);
        Ok(ticket)
    }

    /// Appends a snapshot to a segment that has none.
    fn snapshot_if_due(&self, ordered: &mut Ordered) -> Result<(), AppendError> {
        if ordered.snapshot.segment == ordered.active {
            return Ok(());
        }
        let record = ordered.state.snapshot();
        let ticket = self.shared.journal.append_reserved(0, &record.encode_to_vec(), 0)?;
        ordered.active = ticket.segment;
        ordered.snapshot = Taken { segment: ticket.segment, ticket: Some(ticket) };
        Ok(())
    }

    /// So many messages were given up because the spool was full. The keeper journals it.
    pub(crate) fn shed(&self, messages: u64, at: TimeMs) {
        locked(&self.shared.ordered).shedding.add(messages, at);
    }

    /// Journals a record of the spool's own; it may use the reserve.
    fn note_locked(&self, ordered: &mut Ordered, record: &Record) -> Result<Ticket, SubmitError> {
        let appended = self.append_locked(ordered, Door::Reserve, record, &record.encode_to_vec());
        appended.map_err(|error| self.refused(error))
    }

    fn refused(&self, error: AppendError) -> SubmitError {
        match error {
            AppendError::Full => {
                self.shared.wanted.notify_one();
                SubmitError::Full
            }
            AppendError::TooLarge => SubmitError::TooLarge,
            AppendError::Poisoned | AppendError::Closed => SubmitError::Closed,
        }
    }

    /// Resolves when segments were freed or something was committed, which may be room enough.
    pub(crate) async fn room(&self) {
        let synced = self.shared.journal.synced();
        tokio::select! {
            () = self.shared.room.notified() => {}
            _ = self.shared.journal.synced_beyond(synced) => {}
            () = tokio::time::sleep(std::time::Duration::from_millis(250)) => {}
        }
    }

    /// Resolves when somebody was told that the spool is full.
    pub(crate) async fn wanted(&self) {
        self.shared.wanted.notified().await;
    }

    /// Positions that are synced and not acked, and the age of the oldest in milliseconds.
    pub(crate) fn backlog(&self, now: TimeMs) -> (u64, u64) {
        let next = self.shared.journal.synced().0;
        let mut ordered = locked(&self.shared.ordered);
        let acked: u64 =
            ordered.state.acked.iter().map(|(start, end)| end.min(next).saturating_sub(start)).sum();
        let oldest = ordered.state.acked.first_gap(0);
        if oldest >= next {
            return (0, 0);
        }
        let age = ordered.marks.arrival_of(oldest).map_or(0, |arrival| now.0.saturating_sub(arrival.0));
        (next - acked, u64::try_from(age).unwrap_or(0))
    }

    /// Bytes of the segments that hold something that is not acked.
    pub(crate) fn backlog_bytes(&self) -> u64 {
        let next = self.shared.journal.synced().0;
        let oldest = locked(&self.shared.ordered).state.acked.first_gap(0);
        if oldest >= next {
            return 0;
        }
        let segments = self.shared.journal.segments();
        segments.iter().filter(|segment| segment.end.0 > oldest).map(|segment| segment.bytes).sum()
    }
}

/// The difference of each to the one before, the first one's to 0.
fn deltas(times: &[i64]) -> Vec<i64> {
    let before = std::iter::once(&0).chain(times);
    times.iter().zip(before).map(|(time, before)| time.wrapping_sub(*before)).collect()
}
