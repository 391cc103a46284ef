//! Keeps the spool small: journals acked ranges and what was given up now and then, and frees segments that are acked,
//! when their time is over or their room is needed.
//!
//! Always: before a segment is freed, a snapshot of everything that its records may have said is synced in a later
//! one; only segments are freed that lie wholly below the first position that ingest does not have. Snapshots take at
//! most a third of what is written, however many sessions there are, except when nearly everything is freed.

use std::time::Duration;

use pantau_journal::{FileLayer, Position, ReleaseError, SegmentInfo, Stats, Ticket};
use pantau_proto::{RangeSet, TimeMs};
use prost::Message as _;

use super::record::{Record, Shed};
use super::state::acked_record;
use super::{Bounds, Ordered, Spool, SpoolError, locked};
use crate::intake::types::SubmitError;

/// Segments that are kept free for what comes: more than the journal prepares ahead.
const HEADROOM: u64 = 6;

impl<F: FileLayer> Spool<F> {
    /// One round; several a second, and when somebody wants room. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk fails. A round that is told "full" tries again the next time.
    pub(crate) fn keep(&self, now: TimeMs) -> Result<(), SpoolError> {
        let Some(below) = self.prepare_release(now) else { return Ok(()) };
        if let Some(snapshot) = self.unsynced_snapshot() {
            self.shared.journal.sync_soon();
            snapshot.wait().map_err(SpoolError::Commit)?;
        }
        self.release(below)
    }

    /// Journals what a release needs; the segments below the position may be freed once the snapshot is synced.
    pub(super) fn prepare_release(&self, now: TimeMs) -> Option<Position> {
        self.save_acks();
        self.save_shed(now);
        let segments = self.shared.journal.segments();
        let (active, stats) = (segments.last()?, self.shared.journal.stats());
        let acked = locked(&self.shared.ordered).state.acked.first_gap(0);
        let below = releasable(&segments, &stats, &self.shared.bounds, acked, now);
        if locked(&self.shared.ordered).snapshot.is_due(&segments, below) {
            self.snapshot(active.first)?;
        }
        below
    }

    /// The ticket of the last snapshot, once.
    pub(super) fn unsynced_snapshot(&self) -> Option<Ticket> {
        locked(&self.shared.ordered).snapshot.ticket.take()
    }

    /// Frees the segments below a position.
    pub(super) fn release(&self, below: Position) -> Result<(), SpoolError> {
        match self.shared.journal.release(below) {
            Ok(released) => {
                // An ingest that was restored meanwhile may lack some of it: it cannot be sent again.
                locked(&self.shared.ordered).state.acked.insert(0, released.kept.0);
                self.shared.room.notify_waiters();
            }
            Err(ReleaseError::Closed) => {}
            Err(error) => return Err(SpoolError::Release(error)),
        }
        Ok(())
    }

    /// Journals the acked ranges that are only in memory so far.
    pub(crate) fn save_acks(&self) {
        // Without room now, the next round or the next snapshot says it.
        let _ = self.save_acks_locked(&mut locked(&self.shared.ordered));
    }

    pub(super) fn save_acks_locked(&self, ordered: &mut Ordered) -> Result<(), SubmitError> {
        if !ordered.unsaved.is_empty() {
            let record = acked_record(ordered.unsaved.to_wire(), false);
            drop(self.note_locked(ordered, &record)?);
            ordered.unsaved = RangeSet::new();
        }
        Ok(())
    }

    /// Journals what was given up, when that is due.
    fn save_shed(&self, now: TimeMs) {
        let mut ordered = locked(&self.shared.ordered);
        let due = ordered.shedding.due(now);
        self.save_shed_locked(&mut ordered, due, now);
    }

    /// Journals what was given up, due or not: no connection is left that could add to it.
    pub(crate) fn save_rest(&self, now: TimeMs) {
        let mut ordered = locked(&self.shared.ordered);
        let rest = ordered.shedding.rest();
        self.save_shed_locked(&mut ordered, rest, now);
    }

    fn save_shed_locked(&self, ordered: &mut Ordered, shed: Option<Shed>, now: TimeMs) {
        let Some(shed) = shed else { return };
        let record = Record { arrival: now.0, shed: Some(shed), ..Record::default() };
        // Without room now it stays pending.
        if let Ok(ticket) = self.shared.journal.append_reserved(record.positions(), &record.encode_to_vec()) {
            ordered.marks.add(ticket.first.0, now);
            ordered.shedding.journaled(now);
        }
    }

    /// Appends a snapshot; `None` when there is no room for it now.
    fn snapshot(&self, active: Position) -> Option<()> {
        let floor = locked(&self.shared.stamps).highest();
        let mut ordered = locked(&self.shared.ordered);
        let mut taken = Taken { within: active, bytes: 0, ticket: None };
        for part in ordered.state.snapshot(floor) {
            taken.bytes += part.encoded_len() as u64;
            match self.note_locked(&mut ordered, &part) {
                Ok(ticket) => taken.ticket = Some(ticket),
                Err(error) => {
                    tracing::debug!(%error, "no room for a snapshot");
                    return None;
                }
            }
        }
        ordered.snapshot = taken;
        Some(())
    }
}

/// The last whole snapshot.
#[derive(Debug)]
pub(super) struct Taken {
    /// Where the segment began that was active when it was appended: it lies in that one or later.
    pub(super) within: Position,
    pub(super) bytes: u64,
    /// Until somebody has waited for it.
    pub(super) ticket: Option<Ticket>,
}

impl Taken {
    /// Whether a new one is worth its bytes at the next start, or the last one would be freed with what is below.
    fn is_due(&self, segments: &[SegmentInfo], below: Option<Position>) -> bool {
        let later = segments.iter().filter(|segment| segment.first > self.within);
        // Segments without readings begin where others end: only one that begins later surely stays.
        later.map(|segment| segment.bytes).sum::<u64>() > 2 * self.bytes
            || below.is_some_and(|below| self.within <= below)
    }
}

/// Below which position segments may and should be freed now.
fn releasable(
    segments: &[SegmentInfo],
    stats: &Stats,
    bounds: &Bounds,
    acked: u64,
    now: TimeMs,
) -> Option<Position> {
    let headroom = HEADROOM * bounds.segment_bytes;
    let room = bounds.max_bytes.saturating_sub(headroom.min(bounds.max_bytes / 2));
    let floor = bounds.free_floor_bytes.saturating_add(headroom);
    let (mut bytes, mut free) = (stats.bytes, stats.free_bytes.unwrap_or(u64::MAX));
    let mut below = None;
    for segment in segments.iter().take(segments.len().saturating_sub(1)) {
        let age = segment.sealed_ms.map_or(0, |sealed| now.0.saturating_sub(sealed));
        let over = age > 0 && Duration::from_millis(age.unsigned_abs()) > bounds.keep_acked;
        if segment.end.0 > acked || !(over || bytes > room || free < floor) {
            break;
        }
        bytes = bytes.saturating_sub(segment.bytes);
        free = free.saturating_add(segment.bytes);
        below = Some(segment.end);
    }
    below
}
